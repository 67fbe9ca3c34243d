"""All sessions in memory: who owns which, which are in the trash, and the lists of them.

Owns the verbs of `base.py`, of which those inside one session are in `conversation.py`. Volatile,
and it says so: `close` forgets everything. One event loop uses it. No verb awaits anything, so each
runs alone and a cancelled caller can not interrupt it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

from cipher.errors import SessionExists, SessionNotFound, StorageUnavailable
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
    new_id,
    to_ms,
)
from cipher.storage.base import (
    Lease,
    OpenTurn,
    OwnedTurn,
    decode_cursor,
    encode_cursor,
    imported,
)
from cipher.storage.memory.conversation import Conversation, kept

_IN_STATE: dict[SessionState, Callable[[Session], bool]] = {
    "active": lambda session: session.deleted_at is None and session.archived_at is None,
    "archived": lambda session: session.deleted_at is None and session.archived_at is not None,
    "trash": lambda session: session.deleted_at is not None,
}


class MemoryDatabase:
    """A `DatabaseBackend` that forgets. The protocol says what each verb promises."""

    durability: Durability = "volatile"
    sole_runner: bool = True

    def __init__(self) -> None:
        self._is_open = False
        self._by_id: dict[str, Conversation] = {}
        self._erased: set[str] = set()

    async def open(self) -> None:
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False
        self._by_id.clear()
        self._erased.clear()

    async def check(self) -> None:
        self._conversations()

    async def create_session(
        self,
        owner_id: str,
        session_id: str,
        *,
        title: str = "",
        metadata: dict[str, Any] | None = None,
        at: datetime,
    ) -> Session:
        if session_id in self._conversations() or session_id in self._erased:
            raise SessionExists
        session = Session(
            id=session_id,
            owner_id=owner_id,
            title=title,
            created_at=at,
            last_activity=at,
            message_count=0,
            epoch=new_id(),
            head_seq=0,
            leaf_seq=0,
            metadata=metadata or {},
        )
        self._by_id[session_id] = Conversation(session)
        return self._by_id[session_id].session

    async def get_session(self, owner_id: str, session_id: str) -> Session:
        return self._live(owner_id, session_id).session

    async def list_sessions(
        self,
        owner_id: str,
        *,
        state: SessionState = "active",
        limit: int = 50,
        cursor: str | None = None,
        query: str = "",
    ) -> SessionPage:
        end = decode_cursor(cursor) if cursor is not None else None
        wanted, in_state = query.casefold(), _IN_STATE[state]
        rows = [
            row
            for row in self._rows()
            if row.owner_id == owner_id
            and in_state(row)
            and wanted in row.title.casefold()
            and (end is None or _place(row) < end)
        ]
        rows.sort(key=_place, reverse=True)
        return SessionPage(
            sessions=tuple(kept(row) for row in rows[:limit]),
            next_cursor=encode_cursor(*_place(rows[limit - 1])) if len(rows) > limit else None,
        )

    async def update_session(
        self, owner_id: str, session_id: str, patch: SessionPatch, *, at: datetime
    ) -> Session:
        return self._live(owner_id, session_id).update(patch, at)

    async def delete_session(self, owner_id: str, session_id: str, *, at: datetime) -> Session:
        return self._live(owner_id, session_id).change(deleted_at=at)

    async def restore_session(self, owner_id: str, session_id: str) -> Session:
        conversation = self._any(owner_id, session_id)
        if conversation.row.deleted_at is None:
            raise SessionNotFound
        return conversation.change(deleted_at=None)

    async def purge_session(self, owner_id: str, session_id: str) -> None:
        self._any(owner_id, session_id)
        self._erase(session_id)

    async def purge_deleted(self, *, deleted_before: datetime, limit: int = 100) -> int:
        old = sorted(
            (row.deleted_at, row.id)
            for row in self._rows()
            if row.deleted_at is not None and row.deleted_at < deleted_before
        )
        for _, session_id in old[:limit]:
            self._erase(session_id)
        return len(old[:limit])

    async def expire_sessions(
        self,
        action: Literal["archive", "delete"],
        *,
        idle_since: datetime,
        at: datetime,
        limit: int = 100,
    ) -> Sequence[Session]:
        idle = [
            conversation
            for conversation in self._conversations().values()
            if _IN_STATE["active"](conversation.row)
            and conversation.row.last_activity < idle_since
            and not conversation.row.pinned
            and not conversation.unfinished
        ]
        idle.sort(key=lambda conversation: _place(conversation.row))
        moment = {"archive": "archived_at", "delete": "deleted_at"}[action]
        return [conversation.change(**{moment: at}) for conversation in idle[:limit]]

    async def import_session(self, session: Session, messages: Sequence[Message]) -> bool:
        whole = imported(session, messages)
        if session.id in self._conversations() or session.id in self._erased:
            return False
        self._by_id[session.id] = Conversation(whole, messages)
        return True

    async def append(
        self,
        owner_id: str,
        session_id: str,
        message: NewMessage,
        *,
        turn: OpenTurn | None = None,
    ) -> Appended:
        return self._live(owner_id, session_id).append(message, turn)

    async def branch(
        self, owner_id: str, session_id: str, *, before: int | None = None, limit: int = 50
    ) -> MessagePage:
        return self._live(owner_id, session_id).branch(before, limit)

    async def log(
        self, owner_id: str, session_id: str, *, after: int = 0, limit: int = 500
    ) -> MessagePage:
        return self._live(owner_id, session_id).log(after, limit)

    async def get_turn(self, owner_id: str, session_id: str, turn_id: str) -> Turn:
        return self._live(owner_id, session_id).turn(turn_id)

    async def start_turn(self, owner_id: str, session_id: str, lease: Lease) -> Turn | None:
        return self._live(owner_id, session_id).start_turn(lease)

    async def retry_turn(
        self, owner_id: str, session_id: str, turn_id: str, lease: Lease
    ) -> Appended:
        return self._live(owner_id, session_id).retry_turn(turn_id, lease)

    async def checkpoint_turn(
        self, session_id: str, turn_id: str, attempt: int, *, partial: str, lease: Lease
    ) -> bool:
        conversation = self._conversations().get(session_id)
        if conversation is None:
            return False
        return conversation.checkpoint_turn(turn_id, attempt, partial, lease)

    async def finish_turn(
        self, owner_id: str, session_id: str, turn_id: str, attempt: int, answer: Answer
    ) -> Finished:
        return self._any(owner_id, session_id).finish_turn(turn_id, attempt, answer)

    async def unfinished_turns(
        self, *, lease_before: datetime | None = None
    ) -> Sequence[OwnedTurn]:
        return [
            OwnedTurn(owner_id=conversation.row.owner_id, turn=turn)
            for conversation in self._conversations().values()
            for turn in conversation.unfinished
            if lease_before is None
            or (turn.lease_until is not None and turn.lease_until < lease_before)
        ]

    async def stats(self, owner_id: str) -> StorageStats:
        rows = [row for row in self._rows() if row.owner_id == owner_id and row.deleted_at is None]
        return StorageStats(
            total_sessions=len(rows), total_messages=sum(row.message_count for row in rows)
        )

    def _conversations(self) -> dict[str, Conversation]:
        if not self._is_open:
            raise StorageUnavailable("The storage is closed.")
        return self._by_id

    def _rows(self) -> Iterator[Session]:
        return (conversation.row for conversation in self._conversations().values())

    def _any(self, owner_id: str, session_id: str) -> Conversation:
        """A session of this owner, in the trash or not."""
        conversation = self._conversations().get(session_id)
        if conversation is None or conversation.row.owner_id != owner_id:
            raise SessionNotFound
        return conversation

    def _live(self, owner_id: str, session_id: str) -> Conversation:
        """A session of this owner that is not in the trash."""
        conversation = self._any(owner_id, session_id)
        if conversation.row.deleted_at is not None:
            raise SessionNotFound
        return conversation

    def _erase(self, session_id: str) -> None:
        del self._by_id[session_id]
        self._erased.add(session_id)


def _place(session: Session) -> tuple[int, str]:
    """Where a session stands in lists; the id decides between sessions of one millisecond."""
    return to_ms(session.last_activity), session.id
