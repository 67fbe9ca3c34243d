"""What must be done is done once the storage lets us, and the storage's manager hears of it."""

from __future__ import annotations

import pytest

from cipher.agent import insistence
from cipher.agent.insistence import insist
from cipher.errors import SessionNotFound, StorageCorrupt, StorageError, StorageFull
from cipher.storage.manager import StorageManager
from cipher.storage.memory import MemoryDatabase


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insistence, "_PAUSES", (0.0, 0.0))


class Stubborn:
    """A verb that fails as often as it has errors, and notes what is said of the storage."""

    def __init__(self, storage: StorageManager, *errors: Exception) -> None:
        self.errors = list(errors)
        self.storage = storage
        self.said: list[str] = []
        self.troubles: list[StorageError] = []

    async def __call__(self) -> str:
        try:
            await self.storage.check()
        except StorageError as error:
            self.said.append(error.code)
        else:
            self.said.append("ok")
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def insisted(self, *, gives_up: bool = False) -> str | None:
        return await insist(self, self.storage, self.troubles.append, gives_up=lambda: gives_up)


@pytest.fixture
async def storage() -> StorageManager:
    storage = StorageManager(MemoryDatabase())
    await storage.open()
    return storage


async def test_it_is_tried_until_it_works_and_the_storage_does_not_count_as_working_until_then(
    storage: StorageManager,
) -> None:
    verb = Stubborn(storage, StorageFull(), StorageFull())
    assert await verb.insisted() == "done"
    assert verb.said == ["ok", "storage_full", "storage_full"]
    assert [error.code for error in verb.troubles] == ["storage_full", "storage_full"]
    await storage.check()
    assert storage.connected


async def test_what_is_damaged_says_nothing_about_the_storage(storage: StorageManager) -> None:
    verb = Stubborn(storage, StorageCorrupt())
    assert await verb.insisted() == "done"
    assert verb.said == ["ok", "ok"]


async def test_what_was_erased_or_is_given_up_leaves_nothing_behind(
    storage: StorageManager,
) -> None:
    assert await Stubborn(storage, SessionNotFound()).insisted() is None
    assert await Stubborn(storage, StorageFull()).insisted(gives_up=True) is None
    await storage.check()
    assert storage.connected
