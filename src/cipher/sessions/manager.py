"""`SessionManager`: all conversations, stored and held in memory.

Owns creating, finding, listing, changing and removing sessions, the bounded set of those held in
memory, the age limit, and the news about all of it. Three words: *evict* drops a session from
memory and is always safe; *expire* archives or trashes stored sessions that are too old, only if
the settings say so; *delete* is a person's act.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import timedelta
from itertools import islice
from typing import Any, Literal

import msgspec
import structlog

from cipher.errors import SessionNotFound, StorageError
from cipher.events import SessionCreated, SessionDeleted, SessionUpdated
from cipher.model import Session, SessionPage, SessionPatch, SessionState, new_id, utc_now
from cipher.sessions.bus import Bus
from cipher.sessions.session import ConversationSession
from cipher.storage.manager import StorageManager

TRASH_DAYS = 30
_SWEEP_SECONDS = 60.0
_PURGES_A_SWEEP = 100

logger = structlog.get_logger(__name__)


class SessionManagerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`max_sessions` and `idle` bound memory; `ttl_action` may expire stored sessions."""

    max_sessions: int = 100
    idle: timedelta = timedelta(hours=24)
    ttl_action: Literal["evict", "archive", "delete"] = "evict"


class SessionStats(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The brief's session metrics; `active_sessions` are those held in memory."""

    active_sessions: int
    total_sessions: int
    total_messages: int
    storage_connected: bool
    average_message_count: float


class SessionManager:
    """Every session of every owner. Verbs raise SessionNotFound and StorageError as they apply."""

    def __init__(self, storage: StorageManager, bus: Bus, config: SessionManagerConfig) -> None:
        self.storage = storage
        self._bus = bus
        self._config = config
        self._held: OrderedDict[str, ConversationSession] = OrderedDict()
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch ages. The storage must be open. Stored sessions are not read."""
        self._sweeper = asyncio.create_task(self._sweep_for_ever(), name="session-sweeper")

    async def close(self) -> None:
        """Stop watching and let go of all sessions. Running turns must have ended."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
            self._sweeper = None
        self._held.clear()

    async def create(
        self,
        owner_id: str,
        session_id: str | None = None,
        *,
        title: str = "",
        metadata: dict[str, Any] | None = None,
    ) -> Session:
        """Store a new session and tell everyone. Raises: SessionExists."""
        session = await self.storage.database.create_session(
            owner_id, session_id or new_id(), title=title, metadata=metadata, at=utc_now()
        )
        logger.debug("session created", session_id=session.id)
        self._bus.publish(owner_id, SessionCreated(session=session, timestamp=session.created_at))
        return session

    async def load(self, owner_id: str, session_id: str) -> ConversationSession:
        """Hold a stored session in memory, as the most recently used."""
        await self.storage.database.get_session(owner_id, session_id)
        return self.hold(self.handle(owner_id, session_id))

    def handle(self, owner_id: str, session_id: str) -> ConversationSession:
        """The session to act on, held or fresh, without asking whether it is stored.

        Its verbs find out. Call `hold` once one of them succeeded.
        """
        held = self._held.get(session_id)
        if held is None:
            return ConversationSession(self.storage.database, owner_id, session_id)
        if held.owner_id != owner_id:
            raise SessionNotFound
        return held

    def hold(self, session: ConversationSession) -> ConversationSession:
        """Keep a session in memory, evicting the least recently used others that do not run.

        Those that run stay, even if they are more than memory may have. Of two objects for one
        session the one that was held first stays, and is returned.
        """
        session = self._held.setdefault(session.id, session)
        session.last_used = utc_now()
        self._held.move_to_end(session.id)
        if len(self._held) > self._config.max_sessions:
            self._evict_beyond_limit(session)
        return session

    def held(self, session_id: str) -> ConversationSession | None:
        """The session if it is in memory."""
        return self._held.get(session_id)

    def all_held(self) -> tuple[ConversationSession, ...]:
        """Every session in memory, the least recently used first."""
        return tuple(self._held.values())

    async def load_all(self, owner_id: str) -> list[ConversationSession]:
        """Hold the owner's most recent sessions, as many as memory may have, newest first."""
        page = await self.list(owner_id, limit=self._config.max_sessions)
        for session in reversed(page.sessions):
            self.hold(self.handle(owner_id, session.id))
        return [held for s in page.sessions if (held := self._held.get(s.id)) is not None]

    async def get(self, owner_id: str, session_id: str) -> Session:
        """One session's row."""
        return await self.storage.database.get_session(owner_id, session_id)

    async def list(
        self,
        owner_id: str,
        *,
        state: SessionState = "active",
        limit: int = 50,
        cursor: str | None = None,
        query: str = "",
    ) -> SessionPage:
        """A page of sessions, newest activity first. Raises: BadRequest for a bad cursor."""
        return await self.storage.database.list_sessions(
            owner_id, state=state, limit=limit, cursor=cursor, query=query
        )

    async def update(self, owner_id: str, session_id: str, patch: SessionPatch) -> Session:
        """Change what a person may change, and tell everyone. Raises: MessageNotFound."""
        session = await self.storage.database.update_session(
            owner_id, session_id, patch, at=utc_now()
        )
        self.announce(session)
        return session

    async def remove(self, owner_id: str, session_id: str, *, purge: bool = False) -> None:
        """Move a session to the trash, or erase it for good; tell everyone."""
        if purge:
            await self.storage.database.purge_session(owner_id, session_id)
        else:
            await self.storage.database.delete_session(owner_id, session_id, at=utc_now())
        logger.info("session deleted", session_id=session_id, purged=purge)
        self._bus.publish(owner_id, SessionDeleted(session_id=session_id))

    async def restore(self, owner_id: str, session_id: str) -> Session:
        """Take a session out of the trash, and tell everyone."""
        session = await self.storage.database.restore_session(owner_id, session_id)
        self._bus.publish(owner_id, SessionCreated(session=session, timestamp=session.created_at))
        return session

    async def save_all(self) -> int:
        """Prove that everything acknowledged is on disk; how many sessions are in memory.

        Messages are stored as they come, so there is nothing else to save. Raises: StorageError.
        """
        await self.storage.check()
        return len(self._held)

    async def stats(self, owner_id: str) -> SessionStats:
        """The brief's metrics. Raises: StorageError."""
        stored = await self.storage.database.stats(owner_id)
        return SessionStats(
            active_sessions=len(self._held),
            total_sessions=stored.total_sessions,
            total_messages=stored.total_messages,
            storage_connected=self.storage.connected,
            average_message_count=stored.total_messages / max(stored.total_sessions, 1),
        )

    def announce(self, session: Session) -> None:
        """Tell the owner's tabs that a session's row changed; of one in the trash nothing is told.

        Turns end and answers are kept in the trash too, but there is nothing that shows them.
        """
        if session.deleted_at is not None:
            return
        held = self._held.get(session.id)
        running = held is not None and held.running
        self._bus.publish(session.owner_id, SessionUpdated(session=session, running=running))

    def forget(self, session_id: str) -> None:
        """Evict one session, unless it runs."""
        held = self._held.get(session_id)
        if held is not None and held.evictable:
            del self._held[session_id]

    def _evict_beyond_limit(self, wanted: ConversationSession) -> None:
        excess = len(self._held) - self._config.max_sessions
        idle = (s.id for s in self._held.values() if s.evictable and s is not wanted)
        for session_id in list(islice(idle, excess)):
            del self._held[session_id]
            logger.debug("session evicted", session_id=session_id, reason="limit")

    async def _sweep_for_ever(self) -> None:
        pause = min(_SWEEP_SECONDS, self._config.idle.total_seconds() / 2)
        while True:
            await asyncio.sleep(pause)
            try:
                await self.sweep()
            except StorageError as error:
                self.storage.suspect()
                logger.warning("session sweep failed", code=error.code)
            except Exception:
                logger.exception("session sweep failed")

    async def sweep(self) -> None:
        """Evict sessions that are idle too long, expire stored ones if asked, empty the trash."""
        now = utc_now()
        for session in self.all_held():
            if session.idle_for(now) >= self._config.idle:
                self.forget(session.id)
        database = self.storage.database
        long_ago = now - timedelta(days=TRASH_DAYS)
        for _ in range(_PURGES_A_SWEEP):
            # One at a time, so that sends wait for one session's rows at most.
            if not await database.purge_deleted(deleted_before=long_ago, limit=1):
                break
        if self._config.ttl_action == "evict":
            return
        expired = await database.expire_sessions(
            self._config.ttl_action, idle_since=now - self._config.idle, at=now
        )
        for row in expired:
            logger.info("session expired", session_id=row.id, action=self._config.ttl_action)
            if row.deleted_at is not None:
                self._bus.publish(row.owner_id, SessionDeleted(session_id=row.id))
            else:
                self.announce(row)
