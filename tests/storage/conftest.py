"""What the storage tests share: a disk that can fail, and a SQLite file on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cipher.storage.sqlite import SqliteDatabase
from tests.storage.disk import Disk


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.let_go()
    disk.close()


@pytest.fixture
async def database(tmp_path: Path, disk: Disk) -> AsyncIterator[SqliteDatabase]:
    backend = SqliteDatabase(tmp_path / "sessions.db", vfs=disk.name)
    await backend.open()
    yield backend
    disk.let_go()
    disk.full = disk.broken = False
    await backend.close()
