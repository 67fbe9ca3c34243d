"""The writer thread outlives whatever goes wrong on it, and answers every caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from cipher.errors import StorageUnavailable
from cipher.storage.sqlite import SqliteDatabase
from cipher.storage.sqlite.writer import Writer
from tests.storage.disk import Disk
from tests.storage.samples import OWNER, created

pytestmark = pytest.mark.backend


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    connection = apsw.Connection(str(tmp_path / "sessions.db"))
    connection.pragma("journal_mode", "wal")
    connection.execute("CREATE TABLE notes (text)")
    writer = Writer(connection)
    yield writer
    await writer.close()


def note(text: str, connection: apsw.Connection) -> None:
    connection.execute("INSERT INTO notes VALUES (?)", (text,))


def notes(connection: apsw.Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM notes")]


async def test_a_commit_that_fails_outside_sqlite_fails_its_callers_and_no_later_one(
    writer: Writer,
) -> None:
    def out_of_memory() -> bool:
        raise MemoryError

    def break_the_commit(connection: apsw.Connection) -> None:
        note("lost", connection)
        connection.set_commit_hook(out_of_memory)

    def mend(connection: apsw.Connection) -> None:
        connection.set_commit_hook(None)
        note("kept", connection)

    async with asyncio.timeout(10):
        with pytest.raises(StorageUnavailable) as caught:
            await writer.run(break_the_commit)
        assert isinstance(caught.value.__cause__, MemoryError)
        await writer.run(mend)
        assert await writer.run(notes) == ["kept"]


async def test_a_verb_that_ends_the_transaction_fails_all_that_share_it(writer: Writer) -> None:
    def end_it(connection: apsw.Connection) -> None:
        connection.execute("ROLLBACK")

    async with asyncio.timeout(10):
        with pytest.raises(StorageUnavailable):
            await writer.run(end_it)
        await writer.run(lambda connection: note("after", connection))
        assert await writer.run(notes) == ["after"]


async def test_a_verb_that_would_end_the_thread_ends_its_transaction_only(writer: Writer) -> None:
    def leave(connection: apsw.Connection) -> None:
        note("undone", connection)
        raise SystemExit

    async with asyncio.timeout(10):
        with pytest.raises(StorageUnavailable):
            await writer.run(leave)
        await writer.run(lambda connection: note("after", connection))
        assert await writer.run(notes) == ["after"]


async def test_a_file_that_can_not_be_closed_well_still_lets_go(tmp_path: Path, disk: Disk) -> None:
    backend = SqliteDatabase(tmp_path / "sessions.db", exclusive=True, vfs=disk.name)
    await backend.open()
    await created(backend)
    disk.broken = True
    await backend.close()
    disk.broken = False
    await backend.open()
    assert (await backend.get_session(OWNER, "s")).id == "s"
    await backend.close()
