"""One session in memory: its row, its log, and the turns that answer it.

Owns every rule that looks at one session alone: numbering, the leaf, which turn runs and which
waits, where an answer goes, what a repeated message gets. Who may see the session, and whether it
is in the trash, `database.py` has decided before. Each verb checks first and changes last, so one
that raised has changed nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from cipher.errors import (
    BadRequest,
    IdempotencyConflict,
    MessageNotFound,
    SessionBusy,
    TurnNotFound,
)
from cipher.model import (
    Answer,
    Appended,
    Finished,
    Message,
    MessagePage,
    NewMessage,
    Session,
    SessionPatch,
    Turn,
    title_from,
)
from cipher.storage.base import Lease, OpenTurn

Noun = TypeVar("Noun", Session, Message, Turn)


class Conversation:
    """What is kept of one session. The message at `seq` stands at `seq - 1` of the log."""

    def __init__(self, session: Session, log: Sequence[Message] = ()) -> None:
        self.row = kept(session)
        """What is stored; `session` is what a reader gets."""
        self._log = [kept(message) for message in log]
        self._by_key = {m.client_msg_id: m for m in self._log if m.client_msg_id is not None}
        self._answers: dict[tuple[str, int], Message] = {}
        self._turns: dict[str, Turn] = {}
        self._queue: list[str] = []

    @property
    def session(self) -> Session:
        """The row, with metadata that the reader may change without changing what is stored."""
        return kept(self.row)

    @property
    def unfinished(self) -> tuple[Turn, ...]:
        """The turns that are queued or running, in the order in which they run."""
        return tuple(self._turns[turn_id] for turn_id in self._queue)

    def change(self, **fields: Any) -> Session:
        """Set fields of the row."""
        self.row = kept(replace(self.row, **fields))
        return self.session

    def update(self, patch: SessionPatch, at: datetime) -> Session:
        """Set what the patch sets; a session that was archived already keeps its moment."""
        fields: dict[str, Any] = {
            name: value
            for name in ("title", "pinned", "metadata", "leaf_seq")
            if (value := getattr(patch, name)) is not UNSET
        }
        if fields.get("leaf_seq", 0) != 0:
            self._message(fields["leaf_seq"])
        if patch.archived is not UNSET:
            fields["archived_at"] = (self.row.archived_at or at) if patch.archived else None
        return self.change(**fields)

    def append(self, new: NewMessage, wish: OpenTurn | None) -> Appended:
        """Store a message at the end of the log and open the turn that answers it."""
        if new.client_msg_id in self._by_key:
            return self._repeated(self._by_key[new.client_msg_id], new)
        parent_seq = self.row.leaf_seq if new.parent_seq is None else new.parent_seq
        if parent_seq != 0:
            self._message(parent_seq)
        if wish is not None and wish.when_busy == "reject" and self._queue:
            raise SessionBusy
        message = Message(
            id=new.id,
            seq=self.row.head_seq + 1,
            parent_seq=parent_seq,
            role=new.role,
            parts=new.parts,
            timestamp=new.timestamp,
            turn_id=wish.turn_id if wish is not None else None,
            client_msg_id=new.client_msg_id,
        )
        session = self._add(message, moves_leaf=True)
        turn = self._enqueue(wish.turn_id, message.seq, 1, wish.lease) if wish else None
        return Appended(message=message, session=session, turn=turn)

    def branch(self, before: int | None, limit: int) -> MessagePage:
        """The messages from the leaf, or from above `before`, up towards the root."""
        seq = self.row.leaf_seq if before is None else self._message(before).parent_seq
        path: list[Message] = []
        while seq != 0 and len(path) < limit:
            path.append(self._message(seq))
            seq = path[-1].parent_seq
        return self._page(path[::-1], has_more=seq != 0)

    def log(self, after: int, limit: int) -> MessagePage:
        """The messages after a `seq`."""
        after = max(after, 0)
        messages = self._log[after : after + limit]
        return self._page(messages, has_more=after + limit < len(self._log))

    def turn(self, turn_id: str) -> Turn:
        """One turn."""
        try:
            return self._turns[turn_id]
        except KeyError:
            raise TurnNotFound from None

    def start_turn(self, lease: Lease) -> Turn | None:
        """Let the turn that waited longest run, unless one runs."""
        if not self.unfinished or self.unfinished[0].status == "running":
            return None
        return self._set(_leased(self.unfinished[0], lease))

    def retry_turn(self, turn_id: str, lease: Lease) -> Appended:
        """Open the next attempt, and put the leaf where the last answer hangs."""
        turn = self.turn(turn_id)
        asked = self._message(turn.user_seq)
        if turn_id in self._queue:
            return Appended(message=asked, session=self.session, turn=turn, duplicate=True)
        last = self._answers[turn_id, turn.attempt]
        turn = self._enqueue(turn_id, turn.user_seq, turn.attempt + 1, lease)
        return Appended(message=asked, session=self.change(leaf_seq=last.parent_seq), turn=turn)

    def checkpoint_turn(self, turn_id: str, attempt: int, partial: str, lease: Lease) -> bool:
        """Keep a running attempt's text, if it runs under this lease's owner."""
        turn = self._turns.get(turn_id)
        if turn is None or turn.status != "running":
            return False
        if turn.attempt != attempt or turn.lease_owner != lease.owner:
            return False
        self._set(replace(turn, partial=partial, lease_until=lease.until))
        return True

    def finish_turn(self, turn_id: str, attempt: int, answer: Answer) -> Finished:
        """Store an attempt's terminal message, under the leaf if that belongs to this turn."""
        turn = self.turn(turn_id)
        if (ended := self._answers.get((turn_id, attempt))) is not None:
            return Finished(message=ended, session=self.session, turn=turn)
        if attempt != turn.attempt:
            raise TurnNotFound
        in_view = self._is_under(turn.user_seq)
        message = Message(
            id=answer.message_id,
            seq=self.row.head_seq + 1,
            parent_seq=self.row.leaf_seq if in_view else turn.user_seq,
            role="assistant",
            parts=answer.parts,
            timestamp=answer.timestamp,
            status=answer.status,
            turn_id=turn_id,
            attempt=attempt,
            usage=answer.usage,
            error=answer.error,
        )
        session = self._add(message, moves_leaf=in_view)
        self._answers[turn_id, attempt] = message
        self._queue.remove(turn_id)
        closed = replace(turn, status=answer.status, partial="", lease_owner=None, lease_until=None)
        return Finished(message=message, session=session, turn=self._set(closed))

    def _message(self, seq: int) -> Message:
        if not 1 <= seq <= len(self._log):
            raise MessageNotFound
        return self._log[seq - 1]

    def _is_under(self, seq: int) -> bool:
        """Whether the leaf is a message or descends from it; parents have smaller numbers."""
        at = self.row.leaf_seq
        while at > seq:
            at = self._message(at).parent_seq
        return at == seq

    def _add(self, message: Message, *, moves_leaf: bool) -> Session:
        title = self.row.title
        if not title and message.role == "user":
            title = title_from(message.content)
        message = kept(message)
        session = self.change(
            title=title,
            head_seq=message.seq,
            leaf_seq=message.seq if moves_leaf else self.row.leaf_seq,
            message_count=self.row.message_count + 1,
            last_activity=max(self.row.last_activity, message.timestamp),
        )
        self._log.append(message)
        if message.client_msg_id is not None:
            self._by_key[message.client_msg_id] = message
        return session

    def _repeated(self, stored: Message, new: NewMessage) -> Appended:
        """What a message gets whose key is stored already."""
        if (stored.role, stored.parts) != (new.role, new.parts):
            raise IdempotencyConflict
        turn = self._turns.get(stored.turn_id) if stored.turn_id is not None else None
        return Appended(message=stored, session=self.session, turn=turn, duplicate=True)

    def _enqueue(self, turn_id: str, user_seq: int, attempt: int, lease: Lease) -> Turn:
        """Run an attempt at once if nothing is unfinished, else put it last in the queue."""
        turn = Turn(
            id=turn_id,
            session_id=self.row.id,
            user_seq=user_seq,
            attempt=attempt,
            status="queued",
        )
        if not self._queue:
            turn = _leased(turn, lease)
        self._queue.append(turn_id)
        return self._set(turn)

    def _set(self, turn: Turn) -> Turn:
        self._turns[turn.id] = kept(turn)
        return turn

    def _page(self, messages: Sequence[Message], *, has_more: bool) -> MessagePage:
        return MessagePage(
            session=self.session,
            messages=tuple(messages),
            has_more=has_more,
            turns=self.unfinished,
        )


def kept(noun: Noun) -> Noun:
    """A noun as a storage gives it back: through JSON, sharing nothing with who gave it.

    Raises: BadRequest for text with a lone surrogate and for metadata that is not JSON.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(noun), type=type(noun))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest("This can not be kept as JSON.") from error


def _leased(turn: Turn, lease: Lease) -> Turn:
    return replace(turn, status="running", lease_owner=lease.owner, lease_until=lease.until)
