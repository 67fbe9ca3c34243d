"""Appends and answers, many at a time: one transaction, a handful of statements.

A batch reads all that its verbs look at, under the locks of their sessions, plays them in the order
in which they came on what it read, and writes what came of it at once. A verb that can not do its
work raises while it is played, where nothing is written yet, and fails alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TypeAlias

import msgspec

from cipher.errors import (
    BadRequest,
    CipherError,
    IdempotencyConflict,
    MessageNotFound,
    SessionBusy,
    SessionNotFound,
    StorageCorrupt,
    TurnNotFound,
)
from cipher.model import (
    Answer,
    Appended,
    Finished,
    Message,
    NewMessage,
    Session,
    Turn,
    is_identifier,
)
from cipher.storage.base import OpenTurn, grown
from cipher.storage.postgres import additions, turns
from cipher.storage.postgres.additions import Closed, Moved, Opened
from cipher.storage.postgres.connections import Connection
from cipher.storage.postgres.errors import translate
from cipher.storage.postgres.messages import Said
from cipher.storage.postgres.sessions import lock_many
from cipher.storage.rows import MESSAGE, TURN, message_from


class Append(msgspec.Struct, frozen=True):
    """See `DatabaseBackend.append`."""

    owner_id: str
    session_id: str
    new: NewMessage
    turn: OpenTurn | None


class Finish(msgspec.Struct, frozen=True):
    """See `DatabaseBackend.finish_turn`."""

    owner_id: str
    session_id: str
    turn_id: str
    attempt: int
    answer: Answer


Verb: TypeAlias = Append | Finish
Outcome: TypeAlias = Appended | Finished | CipherError


async def perform(connection: Connection, verbs: Sequence[Verb]) -> list[Outcome]:
    """Play the verbs in order and write what came of them; the outcome of each, errors too."""
    batch = _Batch(connection)
    await batch.load([verb for verb in verbs if is_identifier(verb.session_id)])
    outcomes: list[Outcome] = []
    for verb in verbs:
        try:
            outcomes.append(await batch.play(verb))
        except (CipherError, ValueError, OverflowError) as error:
            outcomes.append(translate(error))
    await batch.store()
    return outcomes


class _Place(msgspec.Struct):
    """A turn, and where it stands in the queue of its session."""

    turn: Turn
    position: int
    answer_seq: int | None = None


class _Batch:
    """What is known of the sessions of a batch, and what its verbs have added."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sessions: dict[str, Session] = {}
        self._damaged: set[str] = set()
        self._keys: dict[tuple[str, str], Message] = {}
        self._unfinished: dict[str, dict[str, _Place]] = {}
        self._added: list[tuple[Message, Said]] = []
        self._moved: set[str] = set()
        self._opened: dict[tuple[str, str], _Place] = {}
        self._closed: dict[tuple[str, str], _Place] = {}

    async def load(self, verbs: Sequence[Verb]) -> None:
        """Lock the sessions, then read their unfinished turns and the messages sent before."""
        names = {verb.session_id for verb in verbs}
        self._sessions = await lock_many(self._connection, names, self._damaged.add)
        places = await self._connection.fetch(
            f"SELECT {TURN}, position FROM turns WHERE session_id = ANY($1::text[]) "
            "AND status IN ('queued', 'running') ORDER BY position",
            list(self._sessions),
        )
        for row in places:
            place = _Place(turns.from_row(row), row["position"])
            self._unfinished.setdefault(row["session_id"], {})[row["id"]] = place
        keyed = [
            verb
            for verb in verbs
            if isinstance(verb, Append)
            and verb.session_id in self._sessions
            and verb.new.client_msg_id is not None
            and _is_storable(verb.new.client_msg_id)
        ]
        if not keyed:
            return
        sent = await self._connection.fetch(
            f"SELECT {', '.join('messages.' + name for name in MESSAGE.split(', '))}, session_id "
            "FROM unnest($1::text[], $2::text[], $3::text[]) AS sent (owner, session, key) "
            "JOIN messages ON owner_id = owner AND session_id = session AND client_msg_id = key",
            [verb.owner_id for verb in keyed],
            [verb.session_id for verb in keyed],
            [verb.new.client_msg_id for verb in keyed],
        )
        for row in sent:
            self._keys[row["session_id"], row["client_msg_id"]] = message_from(row)

    async def play(self, verb: Verb) -> Appended | Finished:
        """Do one verb's work on what is known. Raises: what the verb raises; nothing changed."""
        session = self._sessions.get(verb.session_id)
        if session is None or session.owner_id != verb.owner_id:
            raise SessionNotFound
        if session.id in self._damaged:
            raise StorageCorrupt
        if isinstance(verb, Finish):
            return await self._finish(session, verb)
        if session.deleted_at is not None:
            raise SessionNotFound
        return await self._append(session, verb.new, verb.turn)

    async def _append(self, session: Session, new: NewMessage, wish: OpenTurn | None) -> Appended:
        if new.client_msg_id is not None:
            earlier = self._keys.get((session.id, new.client_msg_id))
            if earlier is not None:
                return await self._sent_before(session, new, earlier)
        parent_seq = session.leaf_seq if new.parent_seq is None else new.parent_seq
        if not 0 <= parent_seq <= session.head_seq:
            raise MessageNotFound
        queue = self._unfinished.get(session.id, {})
        if wish is not None and wish.when_busy == "reject" and queue:
            raise SessionBusy
        message = Message(
            id=new.id,
            seq=session.head_seq + 1,
            parent_seq=parent_seq,
            role=new.role,
            parts=new.parts,
            timestamp=new.timestamp,
            turn_id=wish.turn_id if wish else None,
            client_msg_id=new.client_msg_id,
        )
        _require_storable(message.id, message.turn_id, message.client_msg_id)
        moved = self._add(session, message, leaf=True)
        if message.client_msg_id is not None:
            self._keys[session.id, message.client_msg_id] = message
        turn = self._open(session, message.seq, wish) if wish else None
        return Appended(message=message, session=moved, turn=turn)

    async def _sent_before(self, session: Session, new: NewMessage, earlier: Message) -> Appended:
        if earlier.parts != new.parts or earlier.role != new.role:
            raise IdempotencyConflict
        turn = None
        if earlier.turn_id is not None:
            try:
                turn = (await self._turn(session.id, earlier.turn_id)).turn
            except TurnNotFound:  # imported messages name turns that are not here
                turn = None
        return Appended(message=earlier, session=_own(session), turn=turn, duplicate=True)

    def _open(self, session: Session, user_seq: int, wish: OpenTurn) -> Turn:
        queue = self._unfinished.setdefault(session.id, {})
        busy = bool(queue)
        turn = Turn(
            id=wish.turn_id,
            session_id=session.id,
            user_seq=user_seq,
            attempt=1,
            status="queued" if busy else "running",
            lease_owner=None if busy else wish.lease.owner,
            lease_until=None if busy else wish.lease.until,
        )
        last = max((place.position for place in queue.values()), default=0)
        queue[turn.id] = self._opened[session.id, turn.id] = _Place(turn, last + 1)
        return turn

    async def _finish(self, session: Session, verb: Finish) -> Finished:
        place = await self._turn(session.id, verb.turn_id)
        turn, answer = place.turn, verb.answer
        if not 0 < verb.attempt <= turn.attempt:
            raise TurnNotFound
        if verb.attempt < turn.attempt or turn.status not in ("queued", "running"):
            ended = await self._answer_of(turn, verb.attempt)
            return Finished(message=ended, session=_own(session), turn=turn)
        follows = await self._descends(session, turn.user_seq)
        message = Message(
            id=answer.message_id,
            seq=session.head_seq + 1,
            parent_seq=session.leaf_seq if follows else turn.user_seq,
            role="assistant",
            parts=answer.parts,
            timestamp=answer.timestamp,
            status=answer.status,
            turn_id=turn.id,
            attempt=verb.attempt,
            usage=answer.usage,
            error=answer.error,
        )
        _require_storable(message.id)
        moved = self._add(session, message, leaf=follows)
        turn = msgspec.structs.replace(
            turn, status=answer.status, partial="", lease_owner=None, lease_until=None
        )
        place = _Place(turn, place.position, message.seq)
        self._unfinished.get(session.id, {}).pop(turn.id, None)
        changed = self._opened if (session.id, turn.id) in self._opened else self._closed
        changed[session.id, turn.id] = place
        return Finished(message=message, session=moved, turn=turn)

    async def _turn(self, session_id: str, turn_id: str) -> _Place:
        """A turn as the batch left it. Raises: TurnNotFound."""
        key = session_id, turn_id
        place = (
            self._unfinished.get(session_id, {}).get(turn_id)
            or self._opened.get(key)
            or self._closed.get(key)
        )
        if place is None:
            row = await turns.row_of(self._connection, session_id, turn_id)
            place = _Place(turns.from_row(row), 0, row[8])
        return place

    async def _answer_of(self, turn: Turn, attempt: int) -> Message:
        """The message that ended an attempt of a turn. Raises: MessageNotFound."""
        for message, row in self._added:
            if row.session_id == turn.session_id and (message.turn_id, message.attempt) == (
                turn.id,
                attempt,
            ):
                return message
        found = await self._connection.fetchrow(
            f"SELECT {MESSAGE} FROM messages "
            "WHERE session_id = $1 AND seq > $2 AND turn_id = $3 AND attempt = $4",
            turn.session_id,
            turn.user_seq,
            turn.id,
            attempt,
        )
        if found is None:
            raise MessageNotFound
        return message_from(found)

    async def _descends(self, session: Session, ancestor: int) -> bool:
        """Whether the session's leaf is the ancestor or lies below it."""
        parents = {
            row.seq: row.parent_seq for _, row in self._added if row.session_id == session.id
        }
        leaf = session.leaf_seq
        while leaf > ancestor and leaf in parents:
            leaf = parents[leaf]
        if leaf <= ancestor:
            return leaf == ancestor
        reached = await self._connection.fetchval(
            "WITH RECURSIVE path (seq) AS (SELECT $1::bigint UNION ALL SELECT parent_seq FROM path "
            "JOIN messages ON session_id = $2 AND messages.seq = path.seq WHERE path.seq > $3) "
            "SELECT min(seq) FROM path",
            leaf,
            session.id,
            ancestor,
        )
        return bool(reached == ancestor)

    def _add(self, session: Session, message: Message, *, leaf: bool) -> Session:
        row = Said.of(message, session)
        moved = grown(session, message, leaf=leaf)
        _require_storable(moved.title)
        self._added.append((message, row))
        self._sessions[session.id] = moved
        self._moved.add(session.id)
        return _own(moved)

    async def store(self) -> None:
        """Write what the verbs have added."""
        if not self._moved:
            return
        await additions.write(
            self._connection,
            [row for _, row in self._added],
            [
                Opened.of(place.turn, self._sessions[session_id], place.position, place.answer_seq)
                for (session_id, _), place in self._opened.items()
            ],
            [Closed.of(place.turn, place.answer_seq) for place in self._closed.values()],
            [Moved.of(self._sessions[session_id]) for session_id in self._moved],
        )


def _own(session: Session) -> Session:
    """The session with metadata that its reader may change."""
    if not session.metadata:
        return session
    return msgspec.structs.replace(session, metadata=deepcopy(session.metadata))


def _is_storable(text: str) -> bool:
    """Whether PostgreSQL can hold a text, and so may have it."""
    try:
        _require_storable(text)
    except (BadRequest, UnicodeEncodeError):
        return False
    return True


def _require_storable(*texts: str | None) -> None:
    """Refuse text that PostgreSQL can not hold, which would fail the whole batch."""
    for text in texts:
        if text is not None:
            text.encode()
            if "\0" in text:
                raise BadRequest("The text has U+0000, which this storage can not keep there.")
