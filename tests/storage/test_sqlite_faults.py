"""Every call to the disk fails once, the first, the second and so on, and nothing is lost by it.

One short life of a store, checkpoints and a second opening among it, is lived as often as it makes
calls; each time another one fails, until a life passes untouched. What the file then holds is read
without faults, and so is what a power cut at the end would have left.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from cipher.errors import NotFound, SessionExists, StorageError
from cipher.model import Appended, Finished, Message
from cipher.storage.base import OpenTurn
from cipher.storage.sqlite import SqliteDatabase, connection
from tests.storage.disk import Call, Disk, Errno
from tests.storage.images import put_down, read_at_once
from tests.storage.platter import Platter
from tests.storage.samples import OWNER, answer, created, lease, said

pytestmark = [pytest.mark.backend, pytest.mark.timeout(120)]

LIFE_SECONDS = 10
"""A store that hangs on a fault does so for ever."""
FEWEST = {"write": 200, "sync": 25, "truncate": 4, "open": 8}
"""How many calls a life makes at least, so that what is tried here is not silently less."""


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, where the machine has one, so that real syncs take no time."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=shared if shared.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


class Life:
    """What was done with one store, and what came of it."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.disk = disk
        self.database = SqliteDatabase(path, vfs=disk.name)
        self.acknowledged: dict[str, Message] = {}
        self.keys: list[str] = []
        self.refused: dict[str, str] = {}
        self.failures = 0

    async def live(self) -> None:
        """Make the file, converse, close, open again, converse, close."""
        for life, talks in (("one", 2), ("two", 1)):
            await self.opened()
            await self.tried(created(self.database))
            for n in range(talks):
                await self.ask(f"{life}-{n}", "x" * 500)
                await self.finish(f"{life}-{n}")
            await asyncio.gather(*(self.ask(f"{life}-together-{n}", "y") for n in range(3)))
            await self.tried(self.database.delete_session(OWNER, "s", at=lease().until))
            await self.tried(self.database.restore_session(OWNER, "s"))
            await self.tried(self.database.log(OWNER, "s"))
            await self.database.close()

    async def opened(self) -> None:
        """Open, a second time where the first one met the fault."""
        try:
            await self.database.open()
        except StorageError:
            self.failures += 1
            await self.database.open()

    async def tried(self, verb: Awaitable[object]) -> object:
        """What a verb returned; None if it was refused, in words of ours, after the fault."""
        try:
            return await verb
        except SessionExists:
            return None
        except StorageError:
            self.failures += 1
        except NotFound:
            # What this verb builds on was refused before.
            assert self.failures
        return None

    async def ask(self, key: str, text: str) -> None:
        self.keys.append(key)
        wish = OpenTurn(turn_id=key, lease=lease())
        appended = await self.tried(
            self.database.append(OWNER, "s", said(text, key=key), turn=wish)
        )
        if isinstance(appended, Appended):
            self.acknowledged[appended.message.id] = appended.message
        else:
            self.refused[key] = text

    async def finish(self, key: str) -> None:
        finished = await self.tried(
            self.database.finish_turn(OWNER, "s", key, 1, answer("z" * 500))
        )
        if isinstance(finished, Finished):
            self.acknowledged[finished.message.id] = finished.message


@pytest.mark.parametrize(
    ("call", "errno"),
    [
        ("write", "EIO"),
        ("write", "ENOSPC"),
        ("sync", "EIO"),
        ("truncate", "EIO"),
        ("open", "EIO"),
    ],
)
async def test_whichever_call_to_the_disk_fails_nothing_acknowledged_is_lost(
    memory: Path, monkeypatch: pytest.MonkeyPatch, call: Call, errno: Errno
) -> None:
    monkeypatch.setattr(connection, "CHECKPOINT_PAGES", 15)
    number, calls, refusals = 0, 1, 0
    while number < calls:
        number += 1
        disk = Disk()
        disk.fail(call, number, errno)
        folder = memory / str(number)
        folder.mkdir()
        life = Life(folder / "sessions.db", disk)
        async with asyncio.timeout(LIFE_SECONDS):
            await life.live()
        calls = disk.calls[call]
        refusals += bool(life.failures)
        await check(folder / "sessions.db", life)
        platter = Platter()
        for event in disk.tape:
            platter.follow(event)
        put_down(platter.image("dropped", Random(number)), folder / "cut")
        await check(folder / "cut" / "sessions.db", life)
        disk.close()
        shutil.rmtree(folder)
    assert number >= FEWEST[call]
    assert refusals > number / 4


async def send_again(path: Path, life: Life) -> None:
    """What a client does with what was refused, once the disk is well; the session is back too."""
    database = SqliteDatabase(path)
    await database.open()
    with suppress(SessionExists):
        await created(database)
    with suppress(NotFound):
        await database.restore_session(OWNER, "s")
    for key, text in life.refused.items():
        # Some are there: a fault in a checkpoint comes up through this driver's VFS after a COMMIT
        # that has succeeded.
        await database.append(OWNER, "s", said(text, key=key))
    await database.close()


async def check(path: Path, life: Life) -> None:
    """Everything acknowledged is there, and nothing is twice, not even what is sent again."""
    log = read_at_once(path)
    if log is None or life.refused:
        # There is no session, or it is in the trash, only where one of these verbs was refused.
        assert life.failures
        await send_again(path, life)
        log = read_at_once(path)
    assert log is not None
    found = {message.id: message for message in log}
    keys = [message.client_msg_id for message in log if message.role == "user"]
    assert [message.seq for message in log] == list(range(1, len(log) + 1))
    assert len(found) == len(log)
    assert len(set(keys)) == len(keys)
    assert set(keys) <= set(life.keys)
    assert life.acknowledged.items() <= found.items()
