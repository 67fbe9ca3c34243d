"""A session manager over a real SQLite file, and a bus that remembers what was said on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from cipher.events import Event
from cipher.sessions.bus import LocalBus
from cipher.sessions.manager import SessionManager, SessionManagerConfig
from cipher.storage.manager import StorageManager
from cipher.storage.sqlite import SqliteDatabase

OWNER = "ada"


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[StorageManager]:
    manager = StorageManager(SqliteDatabase(tmp_path / "sessions.db"))
    await manager.open()
    yield manager
    await manager.close()


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def bus(heard: list[Event]) -> LocalBus:
    local = LocalBus()
    local.subscribe(OWNER, heard.append)
    return local


@pytest.fixture
def config() -> SessionManagerConfig:
    return SessionManagerConfig(max_sessions=3, idle=timedelta(hours=1))


@pytest.fixture
async def manager(
    storage: StorageManager, bus: LocalBus, config: SessionManagerConfig
) -> SessionManager:
    return SessionManager(storage, bus, config)
