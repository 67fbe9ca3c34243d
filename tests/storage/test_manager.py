"""What `StorageManager` knows of a storage that fails, hangs, and comes back."""

from __future__ import annotations

import asyncio

import pytest

from cipher.errors import StorageFull, StorageUnavailable
from cipher.storage import manager as manager_module
from cipher.storage.manager import StorageManager
from cipher.storage.sqlite import SqliteDatabase
from tests.storage.disk import Disk

pytestmark = pytest.mark.backend


@pytest.fixture
async def storage(database: SqliteDatabase) -> StorageManager:
    storage = StorageManager(database)
    await storage.check()
    return storage


async def test_a_disk_that_hangs_is_unavailable_until_it_answers(
    storage: StorageManager, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager_module, "CHECK_SECONDS", 0.05)
    disk.hold_syncs()
    for _ in range(3):
        with pytest.raises(StorageUnavailable):
            await storage.check()
        assert (storage.state, storage.connected) == ("unavailable", False)
    before = disk.syncs
    monkeypatch.setattr(manager_module, "CHECK_SECONDS", 10)
    disk.let_go()
    await storage.check()
    assert storage.state == "ok"
    # The checks that gave up did not queue a write each.
    assert disk.syncs == before + 1


async def test_a_verb_that_takes_long_makes_the_storage_suspect(
    storage: StorageManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager_module, "SLOW_SECONDS", 0.01)
    with storage.timed():
        pass
    assert not storage.suspected.is_set()
    with storage.timed():
        async with asyncio.timeout(10):
            await storage.suspected.wait()


async def test_while_something_waits_for_it_a_storage_does_not_work(
    storage: StorageManager,
) -> None:
    storage.refused("an answer", StorageFull())
    assert storage.suspected.is_set()
    with pytest.raises(StorageFull):
        await storage.check()
    assert str(storage.state) == "read_only"
    storage.taken("an answer")
    await storage.check()
    assert storage.state == "ok"


async def test_a_storage_can_be_closed_while_a_check_hangs(
    storage: StorageManager, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager_module, "CHECK_SECONDS", 0.05)
    disk.hold_syncs()
    with pytest.raises(StorageUnavailable):
        await storage.check()
    async with asyncio.timeout(10):
        closing = asyncio.create_task(storage.close())
        async with disk.held_sync():
            pass
        await closing
    assert storage.state == "unavailable"
