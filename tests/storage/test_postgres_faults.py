"""What becomes of many callers when PostgreSQL dies, loses connections, or takes a number twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sized
from functools import partial

import pytest

from cipher.errors import StorageCorrupt, StorageError, StorageUnavailable
from cipher.model import Appended, Message
from cipher.storage.postgres import PostgresDatabase, connections
from tests.postgres import PostgresServer
from tests.storage.cutting_proxy import CuttingProxy
from tests.storage.samples import OWNER, created, said, whole_log

pytestmark = [pytest.mark.backend, pytest.mark.timeout(120)]

CALLERS = 20


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A server that the tests of this module may kill."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
async def database(own_postgres: PostgresServer) -> AsyncIterator[PostgresDatabase]:
    own_postgres.empty()
    backend = PostgresDatabase(own_postgres.url)
    await backend.open()
    yield backend
    await backend.close()


@pytest.mark.parametrize("crash", ["kill the server", "kill a process"])
async def test_a_transaction_number_that_a_crash_gave_away_again_is_not_taken_for_a_commit(
    own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    own_postgres.sql("ALTER SYSTEM SET wal_writer_delay = '10s'")  # nothing is flushed unasked
    own_postgres.sql("SELECT pg_reload_conf()")
    own_postgres.empty()
    monkeypatch.setattr(connections, "ASK_SECONDS", 30)
    monkeypatch.setattr(connections, "BORROW_SECONDS", 30)
    direct = PostgresDatabase(own_postgres.url)
    await direct.open()
    await created(direct, "s")
    await created(direct, "other")
    async with CuttingProxy(own_postgres.port) as proxy:
        beyond = PostgresDatabase(own_postgres.url.replace(str(own_postgres.port), str(proxy.port)))
        await beyond.open()
        own_postgres.sql("CHECKPOINT")
        proxy.cut_at(b"COMMIT", deliver=False)
        proxy.hold_after_cut()
        sending = asyncio.create_task(beyond.append(OWNER, "s", said("lost", key="k")))
        await proxy.cut.wait()
        _strike(own_postgres, crash)
        for number in range(10):
            await _insisting(direct, "other", f"{number}")
        proxy.let_go()
        with pytest.raises(StorageUnavailable):
            await sending
        assert await whole_log(direct) == []
        await beyond.append(OWNER, "s", said("lost", key="k"))
        assert [message.content for message in await whole_log(direct)] == ["lost"]
        await beyond.close()
    await direct.close()


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
async def test_callers_of_one_session_wait_for_each_other_whatever_the_role_is_set_to(
    own_postgres: PostgresServer, database: PostgresDatabase, level: str
) -> None:
    await created(database)
    own_postgres.sql(f"ALTER ROLE cipher SET default_transaction_isolation = '{level}'")
    servers = [PostgresDatabase(own_postgres.url) for _ in range(8)]

    async def caller(server: PostgresDatabase) -> None:
        await server.open()
        for number in range(10):
            await server.append(OWNER, "s", said(f"{number}"))

    try:
        await asyncio.gather(*map(caller, servers))
    finally:
        own_postgres.sql("ALTER ROLE cipher RESET default_transaction_isolation")
    assert len(await whole_log(database)) == 80
    await asyncio.gather(*(server.close() for server in servers))


async def test_a_damaged_session_fails_nobody_who_shares_a_transaction_with_it(
    own_postgres: PostgresServer, database: PostgresDatabase
) -> None:
    for name in ("good", "damaged", "fine"):
        await created(database, name)
    own_postgres.sql("UPDATE cipher.sessions SET metadata = '{' WHERE id = 'damaged'")
    ended = await asyncio.gather(
        *(
            database.append(OWNER, name, said(str(number)))
            for number in range(5)
            for name in ("good", "damaged", "fine")
        ),
        return_exceptions=True,
    )
    assert [type(one) for one in ended] == [Appended, StorageCorrupt, Appended] * 5
    for name in ("good", "fine"):
        log = await whole_log(database, name)
        assert [message.content for message in log] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("fault", ["kill the server", "kill a process", "end the connections"])
async def test_twenty_callers_in_the_middle_of_a_fault_lose_nothing_and_have_nothing_twice(
    own_postgres: PostgresServer, database: PostgresDatabase, fault: str
) -> None:
    names = [f"s{number}" for number in range(5)]
    for name in names:
        await created(database, name)
    acknowledged: list[tuple[str, str]] = []
    progress = asyncio.Condition()
    refusals = 0

    async def caller(number: int) -> None:
        nonlocal refusals
        name = names[number % len(names)]
        for n in range(12):
            key = f"{number}-{n}"
            refusals += await _insisting(database, name, key)
            acknowledged.append((name, key))
            async with progress:
                progress.notify_all()

    work = asyncio.gather(*(caller(number) for number in range(CALLERS)))
    for target in (40, 110, 170):
        async with progress:
            await asyncio.wait_for(progress.wait_for(partial(_has, acknowledged, target)), 30)
        await asyncio.to_thread(_strike, own_postgres, fault)
    async with asyncio.timeout(30):
        await work
    assert refusals, "no caller noticed the fault"
    for name in names:
        log = await log_of(own_postgres, name)
        keys = [message.client_msg_id for message in log]
        assert [message.seq for message in log] == list(range(1, len(log) + 1))
        assert sorted(filter(None, keys)) == sorted(key for s, key in acknowledged if s == name)


async def test_a_pool_whose_connections_all_died_serves_the_next_callers(
    own_postgres: PostgresServer, database: PostgresDatabase
) -> None:
    await created(database)
    await asyncio.gather(*(database.get_session(OWNER, "s") for _ in range(10)))
    _strike(own_postgres, "end the connections")
    # The news of it may still be under way: at most the ten that are in the pool can fail.
    refusals = 0
    for number in range(20):
        refusals += await _insisting(database, "s", f"{number}")
    assert refusals <= 10
    assert len(await log_of(own_postgres, "s")) == 20
    assert own_postgres.sql(_OURS) <= "10"


async def test_a_caller_who_left_takes_no_connection_along(
    own_postgres: PostgresServer, database: PostgresDatabase
) -> None:
    await created(database)
    small = PostgresDatabase(own_postgres.url, pool_size=2)
    await small.open()
    for number in range(20):
        calls = [
            asyncio.create_task(small.get_session(OWNER, "s")),
            asyncio.create_task(small.append(OWNER, "s", said(f"{number}", key=f"{number}"))),
        ]
        for _ in range(number % 7):
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    async with asyncio.timeout(5):
        for number in range(20):
            await small.append(OWNER, "s", said(f"{number}", key=f"{number}"))
        await small.close()
    assert len(await whole_log(database)) == 20


_OURS = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cipher' "
    "AND backend_type = 'client backend'"
)


async def log_of(server: PostgresServer, session_id: str) -> list[Message]:
    """A session's log, read over a connection that no fault has met."""
    database = PostgresDatabase(server.url)
    await database.open()
    log = await whole_log(database, session_id)
    await database.close()
    return log


def _has(some: Sized, number: int) -> bool:
    return len(some) >= number


def _strike(server: PostgresServer, fault: str) -> None:
    """Do to a server what goes wrong with servers."""
    match fault:
        case "kill the server":
            server.kill()
            server.start()
        case "kill a process":
            # The server ends all the others after it, and goes through recovery.
            server.kill_backend()
        case _:
            server.sql(_OURS.replace("count(*)", "count(pg_terminate_backend(pid))"))


async def _insisting(database: PostgresDatabase, session_id: str, key: str) -> int:
    """Append as a client does that sends again until it has an answer; how often it had none."""
    for refusals in range(10_000):
        try:
            appended = await database.append(OWNER, session_id, said(key, key=key))
        except StorageError:
            await asyncio.sleep(0.01)
        else:
            assert appended.message.content == key
            return refusals
    raise AssertionError("the storage never came back")
