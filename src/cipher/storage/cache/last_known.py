"""`LastKnown`: answers for the time in which the database is away.

Owns reading what is cached without a database to check it against. That is a view of the past, up
to an hour old, and whoever shows it says so; nothing is decided by it, and no prompt made of it.
"""

from __future__ import annotations

from typing import Protocol

from cipher.model import MessagePage, Session, SessionPage, to_ms
from cipher.storage.base import encode_cursor
from cipher.storage.cache.base import CacheBackend, list_key, messages_key, session_key
from cipher.storage.cache.known import KnownList, KnownMessages, KnownSession, Sealed


class LastKnown(Protocol):
    """What was read last, for as long as the database is away. None of it is checked: say so.

    None where nothing is known. What was changed or moved to the trash since may still be here.
    """

    async def session(self, owner_id: str, session_id: str) -> Session | None:
        """A session's row as it was once."""

    async def branch(self, owner_id: str, session_id: str, *, limit: int) -> MessagePage | None:
        """The newest messages of a session as they were once, without turns; maybe fewer."""

    async def sessions(self, owner_id: str, *, limit: int) -> SessionPage | None:
        """The first page of an owner's active sessions as it was once; maybe shorter."""


class CachedLastKnown:
    """`LastKnown` from the values of a cache. A value of another owner is none."""

    def __init__(
        self,
        cache: CacheBackend,
        rows: Sealed[KnownSession],
        pages: Sealed[KnownMessages],
        lists: Sealed[KnownList],
    ) -> None:
        self._cache = cache
        self._rows = rows
        self._pages = pages
        self._lists = lists

    async def session(self, owner_id: str, session_id: str) -> Session | None:
        key = session_key(session_id)
        known = self._rows.read(key, await self._cache.get(key))
        if known is not None and known.session.owner_id == owner_id:
            return known.session
        page = await self.branch(owner_id, session_id, limit=1)
        return page.session if page is not None else None

    async def branch(self, owner_id: str, session_id: str, *, limit: int) -> MessagePage | None:
        key = messages_key(session_id)
        known = self._pages.read(key, await self._cache.get(key))
        if known is None or known.session.owner_id != owner_id:
            return None
        newest = known.messages[-limit:]
        return MessagePage(
            session=known.session, messages=newest, has_more=newest[0].parent_seq > 0
        )

    async def sessions(self, owner_id: str, *, limit: int) -> SessionPage | None:
        key = list_key(owner_id)
        known = self._lists.read(key, await self._cache.get(key))
        if known is None or known.owner_id != owner_id:
            return None
        if len(known.sessions) <= limit:
            return SessionPage(sessions=known.sessions, next_cursor=known.next_cursor)
        last = known.sessions[limit - 1]
        return SessionPage(
            sessions=known.sessions[:limit],
            next_cursor=encode_cursor(to_ms(last.last_activity), last.id),
        )
