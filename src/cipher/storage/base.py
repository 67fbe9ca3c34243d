"""The promises that every storage keeps.

`DatabaseBackend` is the seam between the conversations and whatever holds them: one transaction per
verb, owner in every query, and a verb that returned has reached the disk. `sessions/` speaks only
to this protocol; `sqlite` and `memory` implement it, and one contract suite
(`tests/storage/contract`) runs whole on each of them.

What a backend promises:

- `seq` is 1, 2, 3… per session without gap, assigned in the transaction that stores the message.
- A verb that raised has changed nothing; a verb that returned survives a power cut (`durability`
  says `committed`), or says beforehand that it does not (`volatile`).
- A session of another owner and a session that does not exist raise the same `SessionNotFound`,
  and so does one in the trash, but for the verbs that are about the trash.
- `append` and `import_session` may be called any number of times with the same ids.
- What is read later equals what the writing verb returned, and shares nothing with it.
- Text and metadata come back to the last character, or the verb raises `BadRequest` and keeps
  nothing: for a lone surrogate always, for U+0000 where the database can not hold it.
- Driver errors come out as `StorageError` with the cause attached, never raw.
- A cancelled caller never leaves half a transaction: its verb happened whole or not at all.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import msgspec

from cipher.errors import BadRequest
from cipher.model import (
    Answer,
    Appended,
    Durability,
    Finished,
    Message,
    MessagePage,
    NewMessage,
    Session,
    SessionPage,
    SessionPatch,
    SessionState,
    StorageStats,
    Turn,
    is_identifier,
    title_from,
    to_ms,
)

_NOT_A_CURSOR = "The cursor is not one that this server gave out."
_LAST_MILLISECOND = to_ms(datetime.max.replace(tzinfo=UTC))


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Who runs a turn, and until when others must believe it is alive."""

    owner: str
    until: datetime


class OpenTurn(msgspec.Struct, frozen=True, kw_only=True):
    """The wish to open a turn together with a user message.

    The turn starts `running` under the lease if the session has no unfinished turn, else `queued`,
    or the append raises `SessionBusy` where `when_busy` is `reject`.
    """

    turn_id: str
    lease: Lease
    when_busy: Literal["enqueue", "reject"] = "enqueue"


class OwnedTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn with the owner of its session."""

    owner_id: str
    turn: Turn


class DatabaseBackend(Protocol):
    """One database. Open it once, close it once; every verb in between may run concurrently.

    Before `open` and after `close` every verb raises StorageUnavailable.
    """

    durability: Durability
    sole_runner: bool
    """Whether no other process can run turns here: then a running turn of another lease is dead."""

    async def open(self) -> None:
        """Connect, migrate, and prove that a durable write works.

        Raises: StorageUnavailable, StorageFull, StorageCorrupt.
        """

    async def close(self) -> None:
        """Finish what was accepted, then let go of everything. Closing twice is fine."""

    async def check(self) -> None:
        """Make one small durable write. Raises: StorageError."""

    async def create_session(
        self,
        owner_id: str,
        session_id: str,
        *,
        title: str = "",
        metadata: dict[str, Any] | None = None,
        at: datetime,
    ) -> Session:
        """Store a new, empty session with an epoch of its own; `metadata` is a JSON object.

        Ids are one namespace over all owners. Raises: SessionExists, also for an id that was
        purged; BadRequest.
        """

    async def get_session(self, owner_id: str, session_id: str) -> Session:
        """One session's row. Raises: SessionNotFound."""

    async def list_sessions(
        self,
        owner_id: str,
        *,
        state: SessionState = "active",
        limit: int = 50,
        cursor: str | None = None,
        query: str = "",
    ) -> SessionPage:
        """A page of sessions by (`last_activity`, `id`), newest first.

        `archived` leaves out the trash, `active` both. `query` keeps titles that contain it,
        whatever the case (`str.casefold`). A page starts after the place that the cursor names,
        whatever happened since. A session whose metadata is damaged is listed without it; reading
        that session raises StorageCorrupt. Raises: BadRequest for a cursor that no page gave out.
        """

    async def update_session(
        self, owner_id: str, session_id: str, patch: SessionPatch, *, at: datetime
    ) -> Session:
        """Change what the patch sets; `last_activity` stays, for it is about messages.

        A session that is archived again keeps its moment. `leaf_seq` 0 is the empty branch: the
        next message becomes a root. Raises: SessionNotFound, MessageNotFound for a bad leaf,
        BadRequest.
        """

    async def delete_session(self, owner_id: str, session_id: str, *, at: datetime) -> Session:
        """Move a session to the trash, as it is: its turns go on, and an archived one stays so.

        Raises: SessionNotFound, also when it is there already.
        """

    async def restore_session(self, owner_id: str, session_id: str) -> Session:
        """Take a session out of the trash. Raises: SessionNotFound when it is not in it."""

    async def purge_session(self, owner_id: str, session_id: str) -> None:
        """Erase a session and all that belongs to it, from the trash or not; the id stays taken.

        Raises: SessionNotFound.
        """

    async def purge_deleted(self, *, deleted_before: datetime, limit: int = 100) -> int:
        """Erase up to `limit` sessions trashed before a moment, oldest first; returns how many."""

    async def expire_sessions(
        self,
        action: Literal["archive", "delete"],
        *,
        idle_since: datetime,
        at: datetime,
        limit: int = 100,
    ) -> Sequence[Session]:
        """Archive or move to the trash up to `limit` sessions without activity since a moment.

        Of all owners, longest idle first. Archived and pinned sessions and sessions with an
        unfinished turn stay. Returns what it changed.
        """

    async def import_session(self, session: Session, messages: Sequence[Message]) -> bool:
        """Store a whole session with its log as it is given; False if the id is or was taken.

        `messages` must be numbered 1, 2, 3… with parents before children, each `client_msg_id`
        once, and the leaf must be one of them, or 0; `head_seq` and `message_count` follow from
        them. Turns are not part of a log: the answers keep their `turn_id`, but there is nothing
        to retry.
        Raises: BadRequest.
        """

    async def append(
        self,
        owner_id: str,
        session_id: str,
        message: NewMessage,
        *,
        turn: OpenTurn | None = None,
    ) -> Appended:
        """Store one message at the end of the log, and open its turn, in one transaction.

        Moves the leaf to it and counts it. `last_activity` becomes its timestamp, but never goes
        back. A user message gives a session without a title its first one. Parent 0 makes it a
        root. The same `client_msg_id` with the same role and parts returns the stored message and
        its turn as they are now, with `duplicate=True`, before anything else is looked at.

        Raises: SessionNotFound, MessageNotFound for an unknown parent, SessionBusy,
        IdempotencyConflict for the same key with other content, BadRequest.
        """

    async def branch(
        self, owner_id: str, session_id: str, *, before: int | None = None, limit: int = 50
    ) -> MessagePage:
        """The newest `limit` messages of the active branch, or those above the message `before`.

        `before` may stand on any branch: it is its ancestors that are read. In order of `seq`;
        `has_more` says that the branch goes on upwards; `turns` has the unfinished ones, in the
        order in which they run. Raises: SessionNotFound, MessageNotFound for an unknown `before`.
        """

    async def log(
        self, owner_id: str, session_id: str, *, after: int = 0, limit: int = 500
    ) -> MessagePage:
        """The next `limit` messages of the whole log after a `seq`, all branches, in order.

        Nothing after the head is an empty page. `turns` as in `branch`. Raises: SessionNotFound.
        """

    async def get_turn(self, owner_id: str, session_id: str, turn_id: str) -> Turn:
        """One turn. Raises: SessionNotFound, TurnNotFound."""

    async def start_turn(self, owner_id: str, session_id: str, lease: Lease) -> Turn | None:
        """Give the turn that was queued first to a worker; None if none waits or one is running.

        Raises: SessionNotFound.
        """

    async def retry_turn(
        self, owner_id: str, session_id: str, turn_id: str, lease: Lease
    ) -> Appended:
        """Open the next attempt of a turn that has ended, beside its last answer.

        The leaf goes back to the parent of that answer, so that the new one becomes its sibling.
        Starts `running`, or `queued` last in line if a turn is unfinished. Retrying a turn that is
        unfinished already changes nothing and says so with `duplicate`; the message is the user's.

        Raises: SessionNotFound, TurnNotFound.
        """

    async def checkpoint_turn(
        self, session_id: str, turn_id: str, attempt: int, *, partial: str, lease: Lease
    ) -> bool:
        """Keep what a running answer has so far and renew its lease; False if it is not ours.

        Ours is the running attempt whose `lease_owner` we are, even after the lease ended, also in
        the trash. Raises: BadRequest for text that can not be kept.
        """

    async def finish_turn(
        self, owner_id: str, session_id: str, turn_id: str, attempt: int, answer: Answer
    ) -> Finished:
        """Store the terminal message of an attempt and close it, in one transaction.

        The message goes under the leaf if the leaf is the user message or descends from it, and
        moves the leaf; else it goes under the user message and leaves the leaf alone. The turn may
        be queued still, and whoever holds the lease does not matter; it ends without lease and
        partial. An attempt that has ended already returns what ended it. Works on sessions in the
        trash, so that nothing an answer said is lost.

        Raises: SessionNotFound, TurnNotFound, also for an attempt that never was, BadRequest.
        """

    async def unfinished_turns(
        self, *, lease_before: datetime | None = None
    ) -> Sequence[OwnedTurn]:
        """Turns that are queued or running, of all owners, in the trash too.

        Those of one session in the order in which they run. With `lease_before`, only running ones
        whose lease ended before that moment.
        """

    async def stats(self, owner_id: str) -> StorageStats:
        """Counts over an owner's sessions, archived ones too, the trash left out."""


def encode_cursor(last_activity_ms: int, session_id: str) -> str:
    """The opaque text that says where a page of sessions ended."""
    return urlsafe_b64encode(f"{last_activity_ms}.{session_id}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[int, str]:
    """What `encode_cursor` put in. Raises: BadRequest for any text that it can not have made."""
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, _, session_id = text.partition(".")
        place = int(moment), session_id
    except ValueError as error:
        raise BadRequest(_NOT_A_CURSOR) from error
    if encode_cursor(*place) != cursor or not is_identifier(session_id):
        raise BadRequest(_NOT_A_CURSOR)
    if abs(place[0]) > _LAST_MILLISECOND:
        raise BadRequest(_NOT_A_CURSOR)
    return place


def grown(session: Session, message: Message, *, leaf: bool) -> Session:
    """The session once a message was stored at its head; `leaf` makes it the tip of the branch."""
    title = session.title
    if not title and message.role == "user":
        title = title_from(message.content)
    return msgspec.structs.replace(
        session,
        title=title,
        head_seq=message.seq,
        leaf_seq=message.seq if leaf else session.leaf_seq,
        message_count=session.message_count + 1,
        last_activity=max(session.last_activity, message.timestamp),
    )


def imported(session: Session, log: Sequence[Message]) -> Session:
    """The session as it is stored with its whole log; count and head follow from the log.

    Raises: BadRequest for a log that can not be one, or a leaf outside of it.
    """
    for number, message in enumerate(log, start=1):
        if message.seq != number or not 0 <= message.parent_seq < number:
            raise BadRequest("The messages are not numbered 1, 2, 3… with parents before children.")
    keys = [message.client_msg_id for message in log if message.client_msg_id is not None]
    if len(set(keys)) < len(keys):
        raise BadRequest("Two messages have the same client message id.")
    if not 0 <= session.leaf_seq <= len(log):
        raise BadRequest("The session's leaf is not one of its messages.")
    return msgspec.structs.replace(session, head_seq=len(log), message_count=len(log))
