"""Opening, checking and closing a backend, and what it says about its durability."""

from __future__ import annotations

import pytest

from cipher.errors import StorageUnavailable
from cipher.storage.base import DatabaseBackend
from tests.storage.samples import OWNER, START, created, said


class LifecyclePromises:
    """What holds for the backend as a whole."""

    async def test_durability_is_one_of_the_two_words(self, database: DatabaseBackend):
        assert database.durability in ("committed", "volatile")

    async def test_check_passes_while_open_and_changes_nothing_that_is_read(
        self, database: DatabaseBackend
    ):
        session = await created(database)
        await database.check()
        await database.check()
        assert await database.get_session(OWNER, "s") == session

    async def test_closing_twice_is_fine(self, database: DatabaseBackend):
        await database.close()
        await database.close()

    async def test_every_kind_of_verb_raises_storage_unavailable_after_close(
        self, database: DatabaseBackend
    ):
        await created(database)
        await database.close()
        with pytest.raises(StorageUnavailable):
            await database.check()
        with pytest.raises(StorageUnavailable):
            await database.create_session(OWNER, "t", at=START)
        with pytest.raises(StorageUnavailable):
            await database.get_session(OWNER, "s")
        with pytest.raises(StorageUnavailable):
            await database.append(OWNER, "s", said())
        with pytest.raises(StorageUnavailable):
            await database.list_sessions(OWNER)
        with pytest.raises(StorageUnavailable):
            await database.unfinished_turns()

    async def test_a_backend_can_be_opened_again_after_close(self, database: DatabaseBackend):
        await database.close()
        await database.open()
        session = await created(database, "fresh")
        assert await database.get_session(OWNER, "fresh") == session
