"""The writer of a SQLite file: one sync for all who waited together, and readers never wait."""

from __future__ import annotations

import asyncio
import threading

import apsw
import pytest

from cipher.errors import StorageUnavailable
from cipher.model import Appended
from cipher.storage.sqlite import SqliteDatabase, connection, writer
from tests.storage.disk import Disk
from tests.storage.samples import OWNER, answered, asked, created, said, whole_log, wish

pytestmark = pytest.mark.backend


async def test_an_append_is_not_acknowledged_before_its_sync_has_happened(
    database: SqliteDatabase, disk: Disk
):
    await created(database)
    disk.hold_syncs()
    appending = asyncio.ensure_future(database.append(OWNER, "s", said()))
    async with disk.held_sync():
        assert (await database.get_session(OWNER, "s")).head_seq == 0
        assert not appending.done()
    assert (await appending).message.seq == 1


async def test_readers_do_not_wait_for_a_writer_that_waits_for_the_disk(
    database: SqliteDatabase, disk: Disk
):
    await created(database)
    await asked(database)
    disk.hold_syncs()
    appending = asyncio.ensure_future(database.append(OWNER, "s", said()))
    async with disk.held_sync():
        pages = await asyncio.wait_for(
            asyncio.gather(*(database.branch(OWNER, "s") for _ in range(20))), timeout=20
        )
        assert [len(page.messages) for page in pages] == [1] * 20
        assert (await database.stats(OWNER)).total_messages == 1
        assert not appending.done()
    await appending


async def test_a_hundred_appends_that_waited_together_cost_one_sync(
    database: SqliteDatabase, disk: Disk
):
    await created(database)
    disk.hold_syncs()
    first = asyncio.ensure_future(database.append(OWNER, "s", said("first")))
    async with disk.held_sync():
        waiting = [
            asyncio.ensure_future(database.append(OWNER, "s", said(f"m{n}"), turn=wish(f"t{n}")))
            for n in range(100)
        ]
        await asyncio.sleep(0)
        before = disk.syncs
    await asyncio.gather(first, *waiting)
    assert disk.syncs - before == 2


async def test_an_append_alone_costs_one_sync(database: SqliteDatabase, disk: Disk):
    await created(database)
    before = disk.syncs
    await asked(database)
    await answered(database)
    assert disk.syncs - before == 2


async def test_a_bad_verb_in_a_batch_fails_alone(database: SqliteDatabase, disk: Disk):
    await created(database)
    disk.hold_syncs()
    first = asyncio.ensure_future(database.append(OWNER, "s", said("first")))
    async with disk.held_sync():
        batch = [
            asyncio.ensure_future(
                database.append(
                    OWNER, "s" if n % 3 else "no-such", said(f"m{n}"), turn=wish(f"t{n}")
                )
            )
            for n in range(60)
        ]
        await asyncio.sleep(0)
        before = disk.syncs
    done = await asyncio.gather(first, *batch, return_exceptions=True)
    assert disk.syncs - before == 2
    assert sum(isinstance(one, Appended) for one in done) == 41
    assert [message.seq for message in await whole_log(database)] == list(range(1, 42))


async def test_past_its_bound_the_queue_refuses_and_keeps_what_it_took(
    database: SqliteDatabase, disk: Disk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writer, "MAX_WAITING", 10)
    await created(database)
    disk.hold_syncs()
    first = asyncio.ensure_future(database.append(OWNER, "s", said("first")))
    async with disk.held_sync():
        waiting = [
            asyncio.ensure_future(database.append(OWNER, "s", said(f"m{n}"))) for n in range(15)
        ]
        await asyncio.sleep(0)
        refused = [task for task in waiting if task.done()]
        assert len(refused) == 5
        assert all(isinstance(task.exception(), StorageUnavailable) for task in refused)
    await asyncio.gather(first, *waiting[:10])
    assert len(await whole_log(database)) == 11


async def test_a_caller_whose_event_loop_is_gone_disturbs_nobody(
    database: SqliteDatabase, disk: Disk
):
    await created(database)
    disk.hold_syncs()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(database.append(OWNER, "s", said("orphan")), timeout=0.01)

    gone = threading.Thread(target=lambda: asyncio.run(give_up()))
    gone.start()
    async with disk.held_sync():
        await asyncio.to_thread(gone.join)
        waiting = asyncio.ensure_future(database.append(OWNER, "s", said("mine")))
    assert (await waiting).message.seq == 2
    assert [message.content for message in await whole_log(database)] == ["orphan", "mine"]


async def test_a_batch_that_another_process_keeps_waiting_too_long_is_refused_whole(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connection, "BUSY_MILLISECONDS", 20)
    await database.close()
    await database.open()
    await created(database)
    other = apsw.Connection(str(database.path))
    other.execute("BEGIN IMMEDIATE")
    done = await asyncio.gather(
        *(database.append(OWNER, "s", said(f"m{n}")) for n in range(10)), return_exceptions=True
    )
    assert [type(one) for one in done] == [StorageUnavailable] * 10
    assert await whole_log(database) == []
    other.execute("ROLLBACK")
    other.close()
    assert (await database.append(OWNER, "s", said())).message.seq == 1


async def test_readers_see_a_session_that_another_process_is_changing(database: SqliteDatabase):
    await created(database)
    await asked(database)
    other = apsw.Connection(str(database.path))
    other.execute("BEGIN IMMEDIATE; UPDATE sessions SET title = 'not yet'")
    assert (await database.get_session(OWNER, "s")).title == "Hello"
    other.execute("DELETE FROM messages")
    assert len(await whole_log(database)) == 1
    other.execute("ROLLBACK")
    other.close()
