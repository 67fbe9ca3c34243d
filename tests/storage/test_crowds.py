"""Sixty-four writers on one session: every message once, numbered 1 to 6,400 without a gap."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from threading import Thread

import pytest

from cipher.model import LOCAL_OWNER
from cipher.storage.base import DatabaseBackend
from cipher.storage.postgres import PostgresDatabase
from cipher.storage.sqlite import SqliteDatabase
from tests.postgres import PostgresServer
from tests.storage.crowd import write
from tests.storage.samples import START

pytestmark = [pytest.mark.backend, pytest.mark.timeout(120)]

WRITERS = 64
COUNT = 100
CROWD = Path(__file__).with_name("crowd.py")


@pytest.mark.parametrize("kind", ["tasks", "threads"])
async def test_sixty_four_writers_in_one_process(tmp_path: Path, kind: str) -> None:
    database = SqliteDatabase(tmp_path / "sessions.db")
    await prepared(database)
    refusals: list[int] = []
    if kind == "tasks":
        refusals += await asyncio.gather(
            *(write(database, f"w-{number}", COUNT) for number in range(WRITERS))
        )
    else:

        def work(number: int) -> None:
            refusals.append(asyncio.run(write(database, f"w-{number}", COUNT)))

        threads = [Thread(target=work, args=(number,)) for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
    assert refusals == [0] * WRITERS
    await complete(database, {f"w-{number}" for number in range(WRITERS)})
    await database.close()


async def test_sixty_four_writers_in_four_processes_on_one_file(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "sessions.db")
    await prepared(database)
    await crowds(str(tmp_path / "sessions.db"))
    await complete(database, OF_FOUR)
    await database.close()


async def test_sixty_four_writers_in_four_processes_on_postgres(postgres: PostgresServer) -> None:
    database = PostgresDatabase(postgres.url)
    await prepared(database)
    await crowds(postgres.url)
    await complete(database, OF_FOUR)
    await database.close()


OF_FOUR = {f"{process}-{writer}" for process in range(4) for writer in range(WRITERS // 4)}


async def prepared(database: DatabaseBackend) -> None:
    await database.open()
    await database.create_session(LOCAL_OWNER, "s", at=START)


async def crowds(place: str) -> None:
    """Four processes that begin together; a slow disk may make them send a few messages again."""
    children = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, str(CROWD), place, str(number), str(WRITERS // 4), str(COUNT)),
            stdin=PIPE,
            stdout=PIPE,
        )
        for number in range(4)
    ]
    try:
        for child in children:
            assert await said_by(child) == b"ready\n"
        outputs = await asyncio.gather(*(child.communicate(b"\n") for child in children))
    finally:
        for child in children:
            if child.returncode is None:
                child.kill()
                await child.wait()
    assert [child.returncode for child in children] == [0] * 4
    assert sum(int(out) for out, _ in outputs) <= WRITERS


async def said_by(child: Process) -> bytes:
    assert child.stdout is not None
    return await asyncio.wait_for(child.stdout.readline(), timeout=30)


async def complete(database: DatabaseBackend, names: set[str]) -> None:
    """Nothing is missing, nothing is there twice, and each writer's messages are in its order."""
    page = await database.log(LOCAL_OWNER, "s", limit=WRITERS * COUNT * 2)
    assert [message.seq for message in page.messages] == list(range(1, WRITERS * COUNT + 1))
    assert page.session.head_seq == page.session.message_count == WRITERS * COUNT
    by_writer: dict[str, list[str]] = {name: [] for name in names}
    for message in page.messages:
        assert message.client_msg_id == message.content.replace("/", "-")
        by_writer[message.content.partition("/")[0]].append(message.content)
    for name, contents in by_writer.items():
        assert contents == [f"{name}/{number}" for number in range(COUNT)]
