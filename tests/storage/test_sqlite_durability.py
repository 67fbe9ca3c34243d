"""What SQLite promises beyond the contract: nothing that was acknowledged is lost.

Kills are real ones of real processes; power cuts are in `test_sqlite_power.py`.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from random import Random

import pytest

from cipher.errors import SessionExists, StorageError, StorageFull, StorageUnavailable
from cipher.model import LOCAL_OWNER, utc_now
from cipher.storage.sqlite import SqliteDatabase
from tests.storage.disk import Disk
from tests.storage.samples import (
    OWNER,
    answered,
    asked,
    created,
    everything,
    said,
    whole_log,
)

pytestmark = pytest.mark.backend

KILLS = 20
APPENDER = Path(__file__).with_name("appender.py")


async def test_a_full_disk_refuses_whole_batches_and_recovers(database: SqliteDatabase, disk: Disk):
    await created(database)
    await asked(database)
    before = await everything(database)
    disk.full = True
    done = await asyncio.gather(
        *(database.append(OWNER, "s", said(f"m{n}")) for n in range(30)), return_exceptions=True
    )
    assert [type(one) for one in done] == [StorageFull] * 30
    with pytest.raises(StorageFull):
        await database.check()
    assert await everything(database) == before
    disk.full = False
    await database.check()
    assert (await database.append(OWNER, "s", said("after"))).message.seq == 2
    assert len(await whole_log(database)) == 2


async def test_a_sync_that_fails_means_that_nothing_was_stored(
    database: SqliteDatabase, disk: Disk
):
    await created(database)
    before = await everything(database)
    disk.broken = True
    done = await asyncio.gather(
        *(database.append(OWNER, "s", said(f"m{n}", key=f"k{n}")) for n in range(30)),
        return_exceptions=True,
    )
    assert [type(one) for one in done] == [StorageUnavailable] * 30
    disk.broken = False
    assert await everything(database) == before
    again = await database.append(OWNER, "s", said("m0", key="k0"))
    assert (again.duplicate, again.message.seq) == (False, 1)


async def test_an_open_that_fails_for_want_of_space_can_be_tried_again(tmp_path: Path, disk: Disk):
    backend = SqliteDatabase(tmp_path / "sessions.db", exclusive=True, vfs=disk.name)
    disk.full = True
    with pytest.raises(StorageFull):
        await backend.open()
    other = SqliteDatabase(tmp_path / "sessions.db", exclusive=True, vfs=disk.name)
    with pytest.raises(StorageFull):
        await other.open()
    disk.full = False
    await backend.open()
    await created(backend)
    await backend.close()


async def test_an_open_whose_check_fails_lets_go_of_the_file(tmp_path: Path, disk: Disk):
    path = tmp_path / "sessions.db"
    first = SqliteDatabase(path, vfs=disk.name)
    await first.open()
    await first.close()
    backend = SqliteDatabase(path, exclusive=True, vfs=disk.name)
    disk.broken = True
    with pytest.raises(StorageError):
        await backend.open()
    disk.broken = False
    other = SqliteDatabase(path, exclusive=True, vfs=disk.name)
    await other.open()
    await other.close()


async def test_a_failure_carries_its_cause(database: SqliteDatabase, disk: Disk):
    disk.full = True
    with pytest.raises(StorageFull) as caught:
        await created(database)
    assert caught.value.__cause__ is not None


@pytest.mark.timeout(180)
async def test_twenty_kills_lose_no_acknowledged_message(tmp_path: Path):
    path = tmp_path / "sessions.db"
    luck = Random(20)
    acknowledged: set[str] = set()
    await _prepared(path)
    for kill in range(KILLS):
        child = await _appender(path, f"life{kill}", 2_000)
        lines = [await _line(child) for _ in range(luck.randrange(1, 120))]
        child.kill()
        assert child.stdout is not None
        lines += (await child.stdout.read()).decode().split("\n")[:-1]
        assert await child.wait() == -9
        acknowledged |= set(lines)
        assert await _stored(path) >= acknowledged
    assert len(acknowledged) > KILLS * 10


async def test_two_processes_that_append_to_one_session_lose_nothing(tmp_path: Path):
    path = tmp_path / "sessions.db"
    await _prepared(path)
    children = [await _appender(path, prefix, 60) for prefix in ("one", "two")]
    outputs = await asyncio.gather(*(child.communicate() for child in children))
    assert [child.returncode for child in children] == [0, 0]
    acknowledged = {line for out, _ in outputs for line in out.decode().splitlines()}
    assert len(acknowledged) == 240
    assert await _stored(path) == acknowledged


async def test_what_was_written_is_there_after_opening_again(tmp_path: Path):
    path = tmp_path / "sessions.db"
    backend = SqliteDatabase(path)
    await backend.open()
    await created(backend, title="Kept", metadata={"a": 1})
    await asked(backend, "one")
    await answered(backend, "one")
    await asked(backend, "two")
    await created(backend, "gone")
    await backend.purge_session(OWNER, "gone")
    before = await everything(backend), await backend.unfinished_turns()
    await backend.close()
    for _ in range(2):
        await backend.open()
        assert (await everything(backend), await backend.unfinished_turns()) == before
        with pytest.raises(SessionExists):
            await created(backend, "gone")
        await backend.close()


async def _prepared(path: Path) -> None:
    backend = SqliteDatabase(path)
    await backend.open()
    await backend.create_session(LOCAL_OWNER, "s", at=utc_now())
    await backend.close()


async def _appender(path: Path, prefix: str, count: int) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, str(APPENDER), str(path), prefix, str(count), stdout=PIPE
    )


async def _line(child: Process) -> str:
    assert child.stdout is not None
    line = await asyncio.wait_for(child.stdout.readline(), timeout=30)
    assert line.endswith(b"\n")
    return line.decode().rstrip()


async def _stored(path: Path) -> set[str]:
    """What the log holds, in the words of the appender; its numbers are checked on the way."""
    backend = SqliteDatabase(path)
    await backend.open()
    page = await backend.log(LOCAL_OWNER, "s", limit=1_000_000)
    await backend.close()
    seqs = [message.seq for message in page.messages]
    assert seqs == list(range(1, page.session.head_seq + 1))
    assert page.session.message_count == len(seqs)
    stored = [
        f"asked {message.client_msg_id}" if message.client_msg_id else f"answered {message.turn_id}"
        for message in page.messages
    ]
    assert len(stored) == len(set(stored))
    return set(stored)
