"""`DatabaseHistoryProvider`: one session's history as a list that can be added to.

The brief's narrow face of a conversation, for code that only wants its messages: no turns, no
branches. Owns nothing; every call is one verb of the database.
"""

from __future__ import annotations

from cipher.model import Message, NewMessage, SessionPatch, utc_now
from cipher.storage.base import DatabaseBackend

PAGE = 500


class DatabaseHistoryProvider:
    """The history of one session of one owner, in the database."""

    def __init__(self, database: DatabaseBackend, owner_id: str, session_id: str) -> None:
        self._database = database
        self._owner_id = owner_id
        self._session_id = session_id

    async def add_message(self, message: NewMessage) -> Message:
        """Append a message to the active branch; it is on disk when this returns.

        Raises: SessionNotFound, MessageNotFound, IdempotencyConflict, StorageError.
        """
        appended = await self._database.append(self._owner_id, self._session_id, message)
        return appended.message

    async def get_messages(self) -> list[Message]:
        """The whole active branch in order of `seq`. Raises: SessionNotFound, StorageError."""
        pages: list[tuple[Message, ...]] = []
        before: int | None = None
        more = True
        while more:
            page = await self._database.branch(
                self._owner_id, self._session_id, before=before, limit=PAGE
            )
            pages.append(page.messages)
            more = page.has_more
            before = page.messages[0].seq if page.messages else None
        return [message for page_ in reversed(pages) for message in page_]

    async def clear_messages(self) -> None:
        """Start over on an empty branch. The log keeps what was said; nothing is erased.

        Raises: SessionNotFound, StorageError.
        """
        await self._database.update_session(
            self._owner_id, self._session_id, SessionPatch(leaf_seq=0), at=utc_now()
        )
