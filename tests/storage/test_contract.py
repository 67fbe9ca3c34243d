"""The contract suite on every backend that there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cipher.storage.base import DatabaseBackend
from cipher.storage.memory import MemoryDatabase
from cipher.storage.postgres import PostgresDatabase
from cipher.storage.sqlite import SqliteDatabase
from tests.postgres import PostgresServer
from tests.storage.contract import StorageContract

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
