"""`StorageManager`: opens, watches and closes the one database behind the conversations.

Owns the choice of backend by the settings, and the answer to "does storage work right now". Owns no
fallback: a storage that fails says so, and nothing is kept in memory behind a person's back unless
the settings ask for it (`STORAGE_DATABASE_TYPE=in-memory`, `SESSION_PERSISTENCE_ENABLED=false`).
"""

from __future__ import annotations

from datetime import datetime

from cipher.config import Settings
from cipher.errors import ReadOnly, StorageError, StorageFull
from cipher.events import StorageState
from cipher.model import utc_now
from cipher.storage.base import DatabaseBackend


class StorageManager:
    """One database backend and what is known of its health.

    `state` is `ok`, `volatile` for a memory backend, `read_only` when writing fails for want of
    space or rights, else `unavailable`; `since` is when that began.
    """

    def __init__(self, database: DatabaseBackend) -> None:
        self.database = database
        self.state: StorageState = "unavailable"
        self.since: datetime = utc_now()

    @classmethod
    def from_settings(
        cls, settings: Settings, *, exclusive: bool = False, read_only: bool = False
    ) -> StorageManager:
        """The manager of the configured backend, not yet open.

        `exclusive` is for the server: only one process may run the turns of a SQLite file.
        `read_only` is for commands that only look: they make, migrate and write nothing.
        Raises: SettingsError for a backend that this version does not have.
        """
        if (
            settings.storage_database_type == "in-memory"
            or not settings.session_persistence_enabled
        ):
            from cipher.storage.memory import MemoryDatabase

            return cls(MemoryDatabase())
        from cipher.storage.sqlite import SqliteDatabase

        return cls(SqliteDatabase(settings.database_file, exclusive=exclusive, read_only=read_only))

    @property
    def connected(self) -> bool:
        """Whether the last thing known of the storage is that it takes writes."""
        return self.state in ("ok", "volatile")

    async def open(self) -> None:
        """Open the backend and prove that it takes a write. Raises: StorageError."""
        await self.database.open()
        self._become("ok" if self.database.durability == "committed" else "volatile")

    async def check(self) -> None:
        """Make one small durable write, and remember how it went. Raises: StorageError."""
        try:
            await self.database.check()
        except StorageError as error:
            full = isinstance(error, StorageFull | ReadOnly)
            self._become("read_only" if full else "unavailable")
            raise
        self._become("ok" if self.database.durability == "committed" else "volatile")

    async def close(self) -> None:
        """Let what was accepted finish and close the backend."""
        await self.database.close()
        self._become("unavailable")

    def _become(self, state: StorageState) -> None:
        if state != self.state:
            self.state, self.since = state, utc_now()
