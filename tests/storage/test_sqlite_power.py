"""A power cut at any moment of a SQLite file's life loses nothing that was acknowledged.

The real store runs on a disk that keeps a tape. Afterwards the tape is played, and after every call
that changed the disk the files are built as a cut at that moment may have left them, in several
manners; each of these images is opened with the store's own code and has to hold everything that
anybody had been told by then.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import apsw
import pytest

from cipher.errors import CipherError, SessionNotFound
from cipher.model import Message
from cipher.storage.sqlite import SqliteDatabase, connection
from cipher.storage.sqlite import database as database_module
from tests.conftest import Scale
from tests.storage.disk import Disk, Event, Heard, Synced
from tests.storage.images import put_down, read_at_once
from tests.storage.platter import Manner, Platter
from tests.storage.samples import OWNER, answered, asked, created, said, whole_log, wish

pytestmark = [pytest.mark.backend, pytest.mark.long, pytest.mark.timeout(120)]

CALLERS = 4
IMAGES = 2_000
WHOLE_OPENS = 50
"""One image in so many is opened as a server opens it, with threads and a first write."""


class Findings(NamedTuple):
    """What the images of one run came to."""

    images: int
    losses: int
    damages: list[str]


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder for many small files, in memory where the machine has room for files there."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="images-", dir=shared if shared.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints come often enough for cuts to hit them too."""
    monkeypatch.setattr(connection, "CHECKPOINT_PAGES", 20)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_power_cut_after_any_call_loses_nothing_that_was_acknowledged(
    memory: Path, disk: Disk, seed: int, scale: Scale
) -> None:
    luck = Random(seed)
    await live(memory / "sessions.db", disk, luck, rounds=scale(8, 60))
    found = await examined(disk.tape, memory, luck)
    assert found.images >= IMAGES
    assert (found.losses, found.damages) == (0, [])


async def test_without_a_sync_for_each_commit_cuts_do_lose_acknowledged_messages(
    memory: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(path: Path, **options: object) -> apsw.Connection:
        made = connection.connect(path, **options)  # type: ignore[arg-type] # passed on as it is
        made.pragma("synchronous", "normal")
        return made

    monkeypatch.setattr(database_module, "connect", careless)
    await live(memory / "sessions.db", disk, Random(3), rounds=3)
    found = await examined(disk.tape, memory, Random(3))
    assert found.losses > found.images / 10
    assert found.damages == []


async def live(path: Path, disk: Disk, luck: Random, *, rounds: int) -> None:
    """Two lives of a store: a file is made, filled by several callers, closed, opened again."""
    for life in range(2):
        database = SqliteDatabase(path, vfs=disk.name)
        await database.open()
        if life == 0:
            await created(database)
            disk.hear(None)
        await asyncio.gather(
            *(converse(database, disk, luck, f"{life}-{n}", rounds) for n in range(CALLERS))
        )
        await database.close()


async def converse(
    database: SqliteDatabase, disk: Disk, luck: Random, name: str, rounds: int
) -> None:
    for n in range(rounds):
        key = f"{name}-{n}"
        text = "x" * luck.choice((10, 300, 6_000))
        appended = await database.append(OWNER, "s", said(text, key=key), turn=wish(key))
        disk.hear(appended.message)
        finished = await answered(database, key, text=text)
        disk.hear(finished.message)


async def examined(tape: list[Event], folder: Path, luck: Random) -> Findings:
    """Play the tape and open an image in each manner after each call."""
    platter = Platter()
    promised: dict[str, Message] = {}
    there = False
    images = losses = 0
    damages: list[str] = []
    for event in tape:
        platter.follow(event)
        if isinstance(event, Heard):
            there = True
            if event.what is not None:
                promised[event.what.id] = event.what
        # Without unsynced writes every manner finds the same as after the last sync.
        manners: tuple[Manner, ...] = ("dropped",)
        if not isinstance(event, Heard | Synced):
            manners = ("kept", "torn")
        for manner in manners:
            image = platter.image(manner, luck)
            put_down(image, folder / "image")
            images += 1
            try:
                whole = images % WHOLE_OPENS == 0
                path = folder / "image" / "sessions.db"
                log = await read_as_a_server(path) if whole else read_at_once(path)
            except (apsw.Error, CipherError, AssertionError) as error:
                damages.append(f"image {images}, {manner}: {error!r}")
                continue
            kept = {message.id: message for message in log or ()}
            if there > (log is not None) or not promised.items() <= kept.items():
                losses += 1
            if [message.seq for message in log or ()] != list(range(1, len(kept) + 1)):
                damages.append(f"image {images}, {manner}: the numbers have gaps")
    return Findings(images, losses, damages)


async def read_as_a_server(path: Path) -> tuple[Message, ...] | None:
    """The same through the public face, which has to take further messages too."""
    database = SqliteDatabase(path)
    await database.open()
    try:
        log = tuple(await whole_log(database))
        await asked(database, "after")
        return log
    except SessionNotFound:
        return None
    finally:
        await database.close()
