"""The contract suite on every backend that there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cipher.model import MessagePage
from cipher.storage.base import DatabaseBackend
from cipher.storage.cache.base import CacheBackend
from cipher.storage.cache.database import CachedDatabase
from cipher.storage.cache.guard import GuardedCache
from cipher.storage.cache.memory import MemoryCache
from cipher.storage.cache.redis import RedisCache
from cipher.storage.memory import MemoryDatabase
from cipher.storage.postgres import PostgresDatabase
from cipher.storage.sqlite import SqliteDatabase
from tests.postgres import PostgresServer
from tests.storage.contract import StorageContract
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.backend


class TestMemory(StorageContract):
    """In plain dicts and lists."""

    @pytest.fixture
    async def database(self) -> AsyncIterator[DatabaseBackend]:
        backend = MemoryDatabase()
        await backend.open()
        yield backend
        await backend.close()


class TestSqlite(StorageContract):
    """In a file of its own for each test."""

    @pytest.fixture
    async def database(self, tmp_path: Path) -> AsyncIterator[DatabaseBackend]:
        backend = SqliteDatabase(tmp_path / "sessions.db")
        await backend.open()
        yield backend
        await backend.close()


class TestPostgres(StorageContract):
    """In a database that each test finds empty."""

    @pytest.fixture
    async def database(self, postgres: PostgresServer) -> AsyncIterator[DatabaseBackend]:
        backend = PostgresDatabase(postgres.url)
        await backend.open()
        yield backend
        await backend.close()


class Eager(CachedDatabase):
    """Reads branches twice, the second time when the cache knows all that it ever will."""

    async def branch(
        self, owner_id: str, session_id: str, *, before: int | None = None, limit: int = 50
    ) -> MessagePage:
        first = await super().branch(owner_id, session_id, before=before, limit=limit)
        await self.settled()
        again = await super().branch(owner_id, session_id, before=before, limit=limit)
        # Others may have changed the session in between; those tests look at the second.
        assert again == first or again.session != first.session or again.turns != first.turns
        return again


class CachedContract(StorageContract):
    """Everything once more, read through a cache: in this process, then on a server."""

    @pytest.fixture
    def behind(self) -> DatabaseBackend:
        raise NotImplementedError

    @pytest.fixture(params=["in-memory", "valkey"])
    def cache(self, request: pytest.FixtureRequest) -> CacheBackend:
        if request.param == "in-memory":
            return MemoryCache()
        valkey: ValkeyServer = request.getfixturevalue("valkey")
        return GuardedCache(RedisCache(valkey.url))

    @pytest.fixture
    async def database(
        self, behind: DatabaseBackend, cache: CacheBackend
    ) -> AsyncIterator[DatabaseBackend]:
        backend = Eager(behind, cache, secret=b"secret")
        await backend.open()
        yield backend
        await backend.close()


class TestCachedMemory(CachedContract):
    @pytest.fixture
    def behind(self) -> DatabaseBackend:
        return MemoryDatabase()


class TestCachedSqlite(CachedContract):
    @pytest.fixture
    def behind(self, tmp_path: Path) -> DatabaseBackend:
        return SqliteDatabase(tmp_path / "sessions.db")


class TestCachedPostgres(CachedContract):
    """Through the shared cache only: on PostgreSQL there may be several servers."""

    @pytest.fixture
    def cache(self, valkey: ValkeyServer) -> CacheBackend:
        return GuardedCache(RedisCache(valkey.url))

    @pytest.fixture
    def behind(self, postgres: PostgresServer) -> DatabaseBackend:
        return PostgresDatabase(postgres.url)
