"""`StorageManager`: opens, checks and closes the one database behind the conversations.

Owns the choice of database and cache by the settings, and the answer to "does storage work right
now": what others saw fail, and a small durable write with a deadline, for a disk that hangs raises
nothing. Owns no fallback: a storage that fails says so, and nothing is kept in memory behind a
person's back unless the settings ask for it (`STORAGE_DATABASE_TYPE=in-memory`,
`SESSION_PERSISTENCE_ENABLED=false`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cipher.config import Settings
from cipher.errors import ReadOnly, StorageError, StorageFull, StorageUnavailable
from cipher.events import StorageState
from cipher.model import utc_now
from cipher.storage.base import DatabaseBackend

if TYPE_CHECKING:
    from cipher.storage.cache.database import CachedDatabase

CHECK_SECONDS: Final = 4.0
"""How long the small write of a check may take: whoever asks hears within 5 s."""
SLOW_SECONDS: Final = 2.0
"""A verb that takes longer than this makes the storage suspect."""


class StorageManager:
    """One database backend and what is known of its health.

    `state` is `ok`, `volatile` for a memory backend, `read_only` when writing fails for want of
    space or rights, else `unavailable`; `since` is when that began. `suspected` is set while
    somebody has seen it fail and no check has been made since. `cached` is the same database where
    it is read through a cache, for those who care.
    """

    def __init__(self, database: DatabaseBackend, *, cached: CachedDatabase | None = None) -> None:
        self.database = database
        self.cached = cached
        self.state: StorageState = "unavailable"
        self.since: datetime = utc_now()
        self.suspected = asyncio.Event()
        self._checking: asyncio.Task[None] | None = None
        self._refused: dict[object, StorageError] = {}

    @classmethod
    def from_settings(
        cls, settings: Settings, *, exclusive: bool = False, read_only: bool = False
    ) -> StorageManager:
        """The manager of the configured backend, not yet open.

        `exclusive` is for the server: only one process may run the turns of a SQLite file.
        `read_only` is for commands that only look: they make, migrate and write nothing.
        """
        if (
            settings.storage_database_type == "in-memory"
            or not settings.session_persistence_enabled
        ):
            from cipher.storage.memory import MemoryDatabase

            return cls(MemoryDatabase())
        database: DatabaseBackend
        if settings.storage_database_type == "postgres":
            from cipher.storage.postgres import PostgresDatabase

            url = settings.storage_database_url.get_secret_value()
            database = PostgresDatabase(url, read_only=read_only)
        else:
            from cipher.storage.sqlite import SqliteDatabase

            database = SqliteDatabase(
                settings.database_file, exclusive=exclusive, read_only=read_only
            )
        shared = settings.storage_cache_type == "redis"
        # A command that ends soon has nothing to remember, but may have something to forget.
        if settings.storage_cache_type == "none" or not (exclusive or (shared and not read_only)):
            return cls(database)
        from cipher.storage.cache.choice import cached

        behind_cache = cached(database, settings)
        return cls(behind_cache, cached=behind_cache)

    @property
    def connected(self) -> bool:
        """Whether the last thing known of the storage is that it takes writes."""
        return self.state in ("ok", "volatile")

    async def open(self) -> None:
        """Open the backend and prove that it takes a write. Raises: StorageError."""
        await self.database.open()
        self._become("ok" if self.database.durability == "committed" else "volatile")

    async def check(self) -> None:
        """Make one small durable write, and remember how it went.

        Raises: StorageError, also while something waits that the storage has refused, and
        StorageUnavailable after `CHECK_SECONDS` without an answer.
        """
        try:
            await self._write()
            for error in self._refused.values():
                raise type(error)(error.message)
        except StorageError as error:
            full = isinstance(error, StorageFull | ReadOnly)
            self._become("read_only" if full else "unavailable")
            raise
        self._become("ok" if self.database.durability == "committed" else "volatile")

    def suspect(self) -> None:
        """Somebody saw the storage fail, or be slow: it should be checked."""
        self.suspected.set()

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Suspect the storage if what happens inside the block takes longer than `SLOW_SECONDS`."""
        timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, self.suspect)
        try:
            yield
        finally:
            timer.cancel()

    def refused(self, what: object, error: StorageError) -> None:
        """Something waits until the storage takes it.

        Until it was `taken` the storage does not count as working, whatever a small write says: on
        a disk that is nearly full that may still fit.
        """
        self._refused[what] = error
        self.suspect()

    def taken(self, what: object) -> None:
        """Something waits for the storage no longer. Twice is fine."""
        if self._refused.pop(what, None) is not None:
            self.suspect()

    async def close(self) -> None:
        """Let what was accepted finish and close the backend."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
            self._checking = None
        await self.database.close()
        self._become("unavailable")

    async def _write(self) -> None:
        """The write of a check. One that hangs is waited for again, and not queued once more."""
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self.database.check(), name="storage-check")
            self._checking.add_done_callback(_hear)
        await asyncio.wait({self._checking}, timeout=CHECK_SECONDS)
        if not self._checking.done():
            raise StorageUnavailable
        self._checking.result()

    def _become(self, state: StorageState) -> None:
        if state != self.state:
            self.state, self.since = state, utc_now()


def _hear(check: asyncio.Task[None]) -> None:
    """Take note of how a check ended that nobody waits for any more: asyncio would complain."""
    if not check.cancelled():
        check.exception()
