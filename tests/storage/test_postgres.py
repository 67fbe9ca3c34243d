"""What only PostgreSQL can do to us: stop, hang, die, be cut off in mid-COMMIT, be shared."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from cipher.errors import ReadOnly, StorageCorrupt, StorageUnavailable
from cipher.model import Message
from cipher.storage.postgres import PostgresDatabase
from tests.postgres import PostgresServer
from tests.storage.cutting_proxy import CuttingProxy
from tests.storage.samples import (
    OWNER,
    answer,
    answered,
    asked,
    created,
    lease,
    said,
    whole_log,
    wish,
)

pytestmark = pytest.mark.backend

APPENDER = Path(__file__).with_name("appender.py")


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A server that the tests of this module may stop."""
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


async def contents(database: PostgresDatabase) -> list[str]:
    return [message.content for message in await whole_log(database)]


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    database = PostgresDatabase("postgresql://cipher@127.0.0.1:1/cipher")
    with pytest.raises(StorageUnavailable, match="can not be reached"):
        await database.open()
    await database.close()


async def test_a_database_or_a_url_that_is_wrong_is_named(own_postgres: PostgresServer) -> None:
    with pytest.raises(StorageUnavailable, match="no database of that name"):
        await PostgresDatabase(own_postgres.url + "-not").open()
    with pytest.raises(StorageUnavailable, match="not a PostgreSQL URL"):
        await PostgresDatabase("postgresql://[").open()


async def test_a_url_that_demands_encryption_takes_no_connection_without(
    own_postgres: PostgresServer,
) -> None:
    database = PostgresDatabase(own_postgres.url + "?sslmode=require")
    with pytest.raises(StorageUnavailable):
        await database.open()
    await database.close()


async def test_a_server_that_would_lose_commits_is_refused(own_postgres: PostgresServer) -> None:
    own_postgres.sql("ALTER SYSTEM SET fsync = off")
    own_postgres.sql("SELECT pg_reload_conf()")
    try:
        with pytest.raises(StorageUnavailable, match="fsync"):
            await PostgresDatabase(own_postgres.url).open()
    finally:
        own_postgres.sql("ALTER SYSTEM RESET fsync")
        own_postgres.sql("SELECT pg_reload_conf()")


async def test_commits_are_waited_for_whatever_the_role_is_set_to(
    own_postgres: PostgresServer,
) -> None:
    own_postgres.sql("ALTER ROLE cipher SET synchronous_commit = off")
    try:
        database = PostgresDatabase(own_postgres.url)
        await database.open()
        setting = await database._connections.read(
            lambda connection: connection.fetchval("SHOW synchronous_commit")
        )
        await database.close()
    finally:
        own_postgres.sql("ALTER ROLE cipher RESET synchronous_commit")
    assert setting == "on"


async def test_a_frozen_server_is_unavailable_within_five_seconds_and_then_works_again(
    database: PostgresDatabase, own_postgres: PostgresServer
) -> None:
    await created(database)
    own_postgres.freeze()
    try:
        async with asyncio.timeout(5):
            calls = [
                database.append(OWNER, "s", said("during", key="k"), turn=wish()),
                database.branch(OWNER, "s"),
                database.create_session(OWNER, "t", at=lease().until),
                database.check(),
            ]
            ended = await asyncio.gather(*calls, return_exceptions=True)
    finally:
        own_postgres.thaw()
    assert [type(one) for one in ended] == [StorageUnavailable] * 4
    again = await database.append(OWNER, "s", said("during", key="k"), turn=wish())
    assert again.turn is not None
    assert await contents(database) == ["during"]
    await answered(database)
    assert len(await contents(database)) == 2


async def test_a_killed_server_loses_nothing_that_was_acknowledged(
    database: PostgresDatabase, own_postgres: PostgresServer
) -> None:
    await created(database)
    for life in range(3):
        acknowledged: list[str] = []

        async def talk(life: int = life, acknowledged: list[str] = acknowledged) -> None:
            for number in range(10_000):
                text = f"{life}/{number}"
                await database.append(OWNER, "s", said(text, key=text.replace("/", "-")))
                acknowledged.append(text)
                if number == 40:
                    own_postgres.kill()

        with pytest.raises(StorageUnavailable):
            await talk()
        own_postgres.start()
        kept = [text for text in await contents(database) if text.startswith(f"{life}/")]
        assert kept[: len(acknowledged)] == acknowledged
        assert len(kept) - len(acknowledged) in (0, 1)


async def test_a_server_that_was_restarted_is_used_again_at_once(
    database: PostgresDatabase, own_postgres: PostgresServer
) -> None:
    await created(database)
    own_postgres.stop()
    with pytest.raises(StorageUnavailable):
        await database.append(OWNER, "s", said("away"))
    with pytest.raises(StorageUnavailable):
        await database.check()
    own_postgres.start()
    await database.append(OWNER, "s", said("back"))
    assert await contents(database) == ["back"]


@pytest.mark.parametrize("verb", ["append", "finish", "create"])
async def test_a_commit_whose_answer_was_lost_is_found_to_have_happened(
    own_postgres: PostgresServer, database: PostgresDatabase, verb: str
) -> None:
    await created(database)
    await asked(database)
    async with CuttingProxy(own_postgres.port) as proxy:
        beyond = PostgresDatabase(own_postgres.url.replace(str(own_postgres.port), str(proxy.port)))
        await beyond.open()
        proxy.cut_at(b"COMMIT", deliver=True)
        if verb == "append":
            done = await beyond.append(OWNER, "s", said("kept", key="k"), turn=wish("second"))
            assert not done.duplicate
            assert (await contents(database))[1:] == ["kept"]
        elif verb == "finish":
            ended = await beyond.finish_turn(OWNER, "s", "turn", 1, answer("kept"))
            assert (await whole_log(database))[1:] == [ended.message]
        else:
            session = await created(beyond, "t")
            assert await database.get_session(OWNER, "t") == session
        assert proxy.cuts == 1
        await beyond.close()


async def test_a_commit_that_never_arrived_is_found_not_to_have_happened(
    own_postgres: PostgresServer, database: PostgresDatabase
) -> None:
    await created(database)
    async with CuttingProxy(own_postgres.port) as proxy:
        beyond = PostgresDatabase(own_postgres.url.replace(str(own_postgres.port), str(proxy.port)))
        await beyond.open()
        proxy.cut_at(b"COMMIT", deliver=False)
        with pytest.raises(StorageUnavailable):
            await beyond.append(OWNER, "s", said("once", key="k"), turn=wish())
        assert proxy.cuts == 1
        assert await contents(database) == []
        await beyond.append(OWNER, "s", said("once", key="k"), turn=wish())
        assert await contents(database) == ["once"]
        await beyond.close()


async def test_who_finds_every_connection_taken_hears_within_a_second(
    own_postgres: PostgresServer, database: PostgresDatabase
) -> None:
    await created(database)
    small = PostgresDatabase(own_postgres.url, pool_size=2)
    await small.open()
    in_the_way = await asyncpg.connect(own_postgres.url)
    try:
        await in_the_way.execute("BEGIN; LOCK TABLE cipher.sessions")
        stuck = [asyncio.ensure_future(small.get_session(OWNER, "s")) for _ in range(2)]
        await asyncio.sleep(0)
        async with asyncio.timeout(1.5):
            with pytest.raises(StorageUnavailable, match="free"):
                await small.get_session(OWNER, "s")
        assert not any(one.done() for one in stuck)
    finally:
        await in_the_way.close()
    assert [session.id for session in await asyncio.gather(*stuck)] == ["s", "s"]
    await small.close()


async def test_servers_that_start_together_on_an_empty_database_all_work(
    own_postgres: PostgresServer,
) -> None:
    own_postgres.sql("DROP SCHEMA IF EXISTS cipher CASCADE")
    servers = [PostgresDatabase(own_postgres.url) for _ in range(4)]
    await asyncio.gather(*(server.open() for server in servers))
    await created(servers[0])
    assert [(await server.get_session(OWNER, "s")).id for server in servers] == ["s"] * 4
    await asyncio.gather(*(server.close() for server in servers))


async def test_a_newer_schema_is_refused_and_left_alone(
    own_postgres: PostgresServer, database: PostgresDatabase
) -> None:
    before = own_postgres.sql("SELECT version FROM cipher.schema_version")
    own_postgres.sql("UPDATE cipher.schema_version SET version = 999")
    try:
        for read_only in (False, True):
            with pytest.raises(StorageUnavailable, match="newer version of Cipher"):
                await PostgresDatabase(own_postgres.url, read_only=read_only).open()
        assert own_postgres.sql("SELECT version FROM cipher.schema_version") == "999"
    finally:
        own_postgres.sql(f"UPDATE cipher.schema_version SET version = {before}")


async def test_who_opens_for_reading_makes_nothing_and_writes_nothing(
    own_postgres: PostgresServer, database: PostgresDatabase
) -> None:
    session = await created(database)
    reader = PostgresDatabase(own_postgres.url, read_only=True)
    await reader.open()
    assert await reader.get_session(OWNER, "s") == session
    with pytest.raises(ReadOnly):
        await reader.append(OWNER, "s", said())
    with pytest.raises(ReadOnly):
        await reader.delete_session(OWNER, "s", at=lease().until)
    await reader.close()
    own_postgres.sql("DROP SCHEMA cipher CASCADE")
    with pytest.raises(StorageUnavailable, match="no conversations yet"):
        await PostgresDatabase(own_postgres.url, read_only=True).open()
    assert own_postgres.sql("SELECT to_regnamespace('cipher')") == ""
    again = PostgresDatabase(own_postgres.url)
    await again.open()
    await again.close()


async def test_four_processes_append_to_one_session_without_loss_or_gap(
    own_postgres: PostgresServer, database: PostgresDatabase
) -> None:
    await database.create_session("local", "s", at=lease().until)
    keys = ("one", "two", "three", "four")
    children = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, str(APPENDER), own_postgres.url, key, "50"), stdout=PIPE
        )
        for key in keys
    ]
    said_by_all = [(await child.communicate())[0].decode().split() for child in children]
    assert [child.returncode for child in children] == [0] * 4
    assert [len(words) for words in said_by_all] == [200] * 4
    log: list[Message] = []
    while (page := await database.log("local", "s", after=len(log))).messages:
        log += page.messages
    assert [message.seq for message in log] == list(range(1, 401))
    asked_keys = {message.client_msg_id for message in log if message.role == "user"}
    assert asked_keys == {f"{key}-{number}" for key in keys for number in range(50)}
    assert {message.turn_id for message in log if message.role == "assistant"} == asked_keys


async def test_a_log_with_a_gap_is_corrupt_and_not_shorter(
    own_postgres: PostgresServer, database: PostgresDatabase
) -> None:
    await created(database)
    for number in range(3):
        await database.append(OWNER, "s", said(f"m{number}"))
    own_postgres.sql("DELETE FROM cipher.messages WHERE seq = 2")
    with pytest.raises(StorageCorrupt):
        await database.log(OWNER, "s")
    with pytest.raises(StorageCorrupt):
        await database.branch(OWNER, "s")


async def test_a_session_that_is_damaged_harms_no_other_and_can_be_deleted(
    own_postgres: PostgresServer, database: PostgresDatabase
) -> None:
    for name in ("s", "whole"):
        await created(database, name, metadata={"a": 1})
    own_postgres.sql("UPDATE cipher.sessions SET metadata = 'x' WHERE id = 's'")
    page = await database.list_sessions(OWNER)
    assert {row.id: row.metadata for row in page.sessions} == {"s": {}, "whole": {"a": 1}}
    with pytest.raises(StorageCorrupt):
        await database.get_session(OWNER, "s")
    # In one batch, beside each other.
    bad, good = await asyncio.gather(
        database.append(OWNER, "s", said()),
        database.append(OWNER, "whole", said()),
        return_exceptions=True,
    )
    assert isinstance(bad, StorageCorrupt)
    assert not isinstance(good, BaseException)
    await database.delete_session(OWNER, "s", at=lease().until)
    await database.restore_session(OWNER, "s")
    await database.purge_session(OWNER, "s")
    assert [row.id for row in (await database.list_sessions(OWNER)).sessions] == ["whole"]
