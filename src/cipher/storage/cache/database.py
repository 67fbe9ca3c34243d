"""`CachedDatabase`: a `DatabaseBackend` whose verbs ask a database, and a cache to save it work.

Owns the one rule that makes a cache harmless: **the database decides, in every read**. The newest
messages of a branch are taken from the cache only together with a read, in one transaction, of the
session's row and of what was added since; the row's epoch and leaf say whether, and how, what is
cached is part of the branch. So nothing has to be invalidated in time: a value that is old, lost,
foreign or forged is not used, whichever server wrote it and whenever, and writing verbs do nothing
about the cache at all. Only removing a session does: what is erased must not lie about.

What can not be checked, because the database is away, is never returned by these verbs. It is what
`LastKnown` is for: answers to whoever says that they are stale.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, Literal

from cipher.errors import SessionNotFound
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
)
from cipher.storage.base import DatabaseBackend, Lease, OpenTurn, OwnedTurn
from cipher.storage.cache.base import CacheBackend, list_key, messages_key, session_key
from cipher.storage.cache.filling import BAR_SECONDS, ERASING_SECONDS, Filling
from cipher.storage.cache.known import (
    FEWEST_MESSAGES,
    MEMO_BYTES,
    MOST_MESSAGES,
    KnownList,
    KnownMessages,
    KnownSession,
    Sealed,
    branch_from,
)
from cipher.storage.cache.last_known import CachedLastKnown, LastKnown

_ADDED: Final = 20
"""Messages since the cached leaf that are read with it; where more were added, all are read."""


class CachedDatabase:
    """A database read through a cache; it opens and closes both.

    `secret` seals what is cached. Servers that share a cache help each other if they share it, and
    do not disturb each other if not.
    """

    def __init__(self, database: DatabaseBackend, cache: CacheBackend, *, secret: bytes) -> None:
        self.durability: Durability = database.durability
        self.sole_runner = database.sole_runner
        self._database = database
        self._cache = cache
        self._filling = Filling(cache)
        self._rows = Sealed(KnownSession, secret)
        self._pages = Sealed(KnownMessages, secret, memo_bytes=MEMO_BYTES)
        self._lists = Sealed(KnownList, secret)
        self.hits = 0
        self.misses = 0

    @property
    def cache_connected(self) -> bool:
        """Whether the cache is asked, or known not to answer."""
        return self._cache.connected

    @property
    def last_known(self) -> LastKnown:
        """What to answer, marked as stale, while the database is away."""
        return CachedLastKnown(self._cache, self._rows, self._pages, self._lists)

    async def open(self) -> None:
        await self._database.open()
        await self._cache.open()

    async def close(self) -> None:
        await self._database.close()
        await self.settled()
        await self._cache.close()

    async def settled(self) -> None:
        """Wait until what was read is in the cache, or was given up."""
        await self._filling.settled()

    async def forget(self, owner_id: str, *session_ids: str) -> None:
        """Let the cache know nothing of sessions that another process removed."""
        keys = _keys(owner_id, *session_ids)
        self._forgotten(keys)
        await self._cache.bar(*keys, seconds=BAR_SECONDS)

    # Reads that fill the cache, and the one that is answered with its help.

    async def get_session(self, owner_id: str, session_id: str) -> Session:
        read_at = time.monotonic()
        async with self._noticing_loss(session_id):
            session = await self._database.get_session(owner_id, session_id)
        key = session_key(session_id)
        self._filling.put(
            key, session, lambda: self._rows.write(key, KnownSession(session)), read_at=read_at
        )
        return session

    async def list_sessions(
        self,
        owner_id: str,
        *,
        state: SessionState = "active",
        limit: int = 50,
        cursor: str | None = None,
        query: str = "",
    ) -> SessionPage:
        read_at = time.monotonic()
        page = await self._database.list_sessions(
            owner_id, state=state, limit=limit, cursor=cursor, query=query
        )
        if state == "active" and cursor is None and not query and page.sessions:
            key = list_key(owner_id)
            known = KnownList(owner_id, page.sessions, page.next_cursor)
            self._filling.put(key, page, lambda: self._lists.write(key, known), read_at=read_at)
        return page

    async def branch(
        self, owner_id: str, session_id: str, *, before: int | None = None, limit: int = 50
    ) -> MessagePage:
        if before is not None or limit < 1:
            return await self._database.branch(owner_id, session_id, before=before, limit=limit)
        key = messages_key(session_id)
        known = self._pages.recall(key, await self._cache.get(key))
        if known is None:
            self._filling.forget(key)  # whatever was put there before, it is gone
        read_at = time.monotonic()
        async with self._noticing_loss(session_id):
            page = await self._branch_with(known, owner_id, session_id, limit)
            if page is not None:
                self.hits += 1
                return page
            self.misses += 1
            page = await self._database.branch(owner_id, session_id, limit=limit)
        self._keep(page.session, page.messages, read_at)
        return page

    async def _branch_with(
        self, known: KnownMessages | None, owner_id: str, session_id: str, limit: int
    ) -> MessagePage | None:
        """The newest messages of a branch, with those that are known; None if that is no help."""
        if known is None or not _reaches(known.messages, limit):
            return None
        read_at = time.monotonic()
        leaf = known.messages[-1]
        added = await self._database.log(owner_id, session_id, after=leaf.seq, limit=_ADDED)
        session = added.session
        if session.epoch != known.session.epoch or session.id != known.session.id:
            return None
        messages = known.messages
        if session.leaf_seq != leaf.seq:
            walked = branch_from((*messages, *added.messages), session.leaf_seq, limit)
            if walked is None:
                return None
            messages = walked[-max(limit, len(known.messages)) :]
            self._keep(session, messages, read_at)
        newest = messages[-limit:]
        return MessagePage(
            session=session,
            messages=newest,
            has_more=bool(newest) and newest[0].parent_seq > 0,
            turns=added.turns,
        )

    def _keep(self, session: Session, messages: tuple[Message, ...], read_at: float) -> None:
        """Let the cache know a branch, or the newest of it where it is too large."""
        if not messages:
            return
        key = messages_key(session.id)

        def sealed() -> bytes | None:
            for most in (MOST_MESSAGES, FEWEST_MESSAGES):
                made = self._pages.write(key, KnownMessages(session, messages[-most:]))
                if made is not None:
                    return made
            return None

        self._filling.put(key, (session, len(messages)), sealed, read_at=read_at)

    @asynccontextmanager
    async def _noticing_loss(self, session_id: str) -> AsyncIterator[None]:
        """Forget what is cached of a session that is not there any more.

        Another process may have erased it. Whoever asks for a stranger's session makes the cache
        forget it too, which costs its owner one slower read.
        """
        try:
            yield
        except SessionNotFound:
            for key in (session_key(session_id), messages_key(session_id)):
                self._forgotten([key])
                self._filling.remove(key)
            raise

    # Removing sessions: the cache forgets them before it is done, and after.

    async def delete_session(self, owner_id: str, session_id: str, *, at: datetime) -> Session:
        async with self._removing(owner_id, session_id, seconds=BAR_SECONDS):
            return await self._database.delete_session(owner_id, session_id, at=at)

    async def purge_session(self, owner_id: str, session_id: str) -> None:
        async with self._removing(owner_id, session_id, seconds=ERASING_SECONDS):
            await self._database.purge_session(owner_id, session_id)

    @asynccontextmanager
    async def _removing(
        self, owner_id: str, session_id: str, *, seconds: float
    ) -> AsyncIterator[None]:
        """Nothing of the session is in the cache after this, even if this process is killed in it.

        The first bar keeps out readers who saw the session until its end is committed, and is not
        taken away if nobody can say what became of that. The second keeps out those among them who
        come later still, and forgets what got in if the cache was emptied in between.
        """
        keys = _keys(owner_id, session_id)
        self._forgotten(keys)
        await self._cache.bar(*keys, seconds=seconds)
        yield
        await self._cache.bar(*keys, seconds=BAR_SECONDS)

    async def expire_sessions(
        self,
        action: Literal["archive", "delete"],
        *,
        idle_since: datetime,
        at: datetime,
        limit: int = 100,
    ) -> Sequence[Session]:
        expired = await self._database.expire_sessions(
            action, idle_since=idle_since, at=at, limit=limit
        )
        if action == "delete":
            for session in expired:
                await self.forget(session.owner_id, session.id)
        return expired

    async def purge_deleted(self, *, deleted_before: datetime, limit: int = 100) -> int:
        # What is in the trash was forgotten when it was moved there, and has not been read since.
        return await self._database.purge_deleted(deleted_before=deleted_before, limit=limit)

    def _forgotten(self, keys: Sequence[str]) -> None:
        self._filling.forget(*keys)
        self._pages.forget(keys)

    # The verbs that have nothing to do with the cache.

    async def check(self) -> None:
        await self._database.check()

    async def create_session(
        self,
        owner_id: str,
        session_id: str,
        *,
        title: str = "",
        metadata: dict[str, Any] | None = None,
        at: datetime,
    ) -> Session:
        return await self._database.create_session(
            owner_id, session_id, title=title, metadata=metadata, at=at
        )

    async def update_session(
        self, owner_id: str, session_id: str, patch: SessionPatch, *, at: datetime
    ) -> Session:
        return await self._database.update_session(owner_id, session_id, patch, at=at)

    async def restore_session(self, owner_id: str, session_id: str) -> Session:
        return await self._database.restore_session(owner_id, session_id)

    async def import_session(self, session: Session, messages: Sequence[Message]) -> bool:
        return await self._database.import_session(session, messages)

    async def append(
        self,
        owner_id: str,
        session_id: str,
        message: NewMessage,
        *,
        turn: OpenTurn | None = None,
    ) -> Appended:
        return await self._database.append(owner_id, session_id, message, turn=turn)

    async def log(
        self, owner_id: str, session_id: str, *, after: int = 0, limit: int = 500
    ) -> MessagePage:
        return await self._database.log(owner_id, session_id, after=after, limit=limit)

    async def get_turn(self, owner_id: str, session_id: str, turn_id: str) -> Turn:
        return await self._database.get_turn(owner_id, session_id, turn_id)

    async def start_turn(self, owner_id: str, session_id: str, lease: Lease) -> Turn | None:
        return await self._database.start_turn(owner_id, session_id, lease)

    async def retry_turn(
        self, owner_id: str, session_id: str, turn_id: str, lease: Lease
    ) -> Appended:
        return await self._database.retry_turn(owner_id, session_id, turn_id, lease)

    async def checkpoint_turn(
        self, session_id: str, turn_id: str, attempt: int, *, partial: str, lease: Lease
    ) -> bool:
        return await self._database.checkpoint_turn(
            session_id, turn_id, attempt, partial=partial, lease=lease
        )

    async def finish_turn(
        self, owner_id: str, session_id: str, turn_id: str, attempt: int, answer: Answer
    ) -> Finished:
        return await self._database.finish_turn(owner_id, session_id, turn_id, attempt, answer)

    async def unfinished_turns(
        self, *, lease_before: datetime | None = None
    ) -> Sequence[OwnedTurn]:
        return await self._database.unfinished_turns(lease_before=lease_before)

    async def stats(self, owner_id: str) -> StorageStats:
        return await self._database.stats(owner_id)


def _reaches(messages: tuple[Message, ...], limit: int) -> bool:
    """Whether a branch has so many messages, or its root."""
    return len(messages) >= limit or messages[0].parent_seq == 0


def _keys(owner_id: str, *session_ids: str) -> list[str]:
    keys = [list_key(owner_id)]
    for session_id in session_ids:
        keys += [session_key(session_id), messages_key(session_id)]
    return keys
