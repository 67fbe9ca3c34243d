"""Growing: a database of 1 GB beside one of 10 MB.

Both hold sessions of 200 messages, as a person's conversations would lie in them. In process over
SQLite files on disk: opening the storage, the list of 20, the first page of sessions drawn at
random, and durable appends to sessions drawn at random. The two take turns; figures are medians,
and what counts is how much slower the large one is. Start-up of the whole server is in `start.py`.

    .venv/bin/python bench/size.py [--megabytes N] [--rounds N]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from reads import fill
from record import save

from cipher.model import NewMessage, new_id, text_parts, utc_now
from cipher.sessions.bus import LocalBus
from cipher.sessions.manager import SessionManager, SessionManagerConfig
from cipher.storage.manager import StorageManager
from cipher.storage.sqlite import SqliteDatabase

SMALL_MEGABYTES = 10
MESSAGES = 200
TEXT = "Write it down before you say that you have it. " * 10
CALLS = 100

Costs = dict[str, list[float]]


def size_of(path: Path) -> int:
    """Bytes of a file."""
    return path.stat().st_size


async def grow(path: Path, megabytes: int) -> int:
    """Fill a file up to a size; returns how many sessions that took."""
    database = SqliteDatabase(path)
    await database.open()
    sessions = 0
    while size_of(path) < megabytes * 1_000_000:
        for _ in range(20):
            await fill(database, f"s{sessions}", MESSAGES)
            sessions += 1
    await database.close()
    return sessions


async def visit(path: Path, sessions: int, costs: Costs, dice: random.Random) -> None:
    """One opening of a database, with everything that is measured on it."""

    async def timed(name: str, verb: Callable[[], Awaitable[object]]) -> None:
        began = time.perf_counter()
        await verb()
        costs.setdefault(name, []).append((time.perf_counter() - began) * 1e3)

    storage = StorageManager(SqliteDatabase(path))
    await timed("open_ms", storage.open)
    manager = SessionManager(storage, LocalBus(), SessionManagerConfig())
    for _ in range(CALLS):
        await timed("list_of_20_ms", partial(manager.list, "local", limit=20))
        session = manager.handle("local", f"s{dice.randrange(sessions)}")
        await timed("first_page_ms", partial(session.history, limit=50))
        other = manager.handle("local", f"s{dice.randrange(sessions)}")
        message = NewMessage(id=new_id(), role="user", parts=text_parts(TEXT), timestamp=utc_now())
        await timed("append_ms", partial(other.append, message))
    await manager.close()
    await storage.close()


async def measure(folder: Path, megabytes: int, rounds: int) -> dict[str, object]:
    dice = random.Random(1)
    files = {"small": SMALL_MEGABYTES, "large": megabytes}
    sessions = {name: await grow(folder / f"{name}.db", size) for name, size in files.items()}
    costs: dict[str, Costs] = {name: {} for name in files}
    for _ in range(rounds):
        for name in files:
            await visit(folder / f"{name}.db", sessions[name], costs[name], dice)
    medians = {
        name: {what: statistics.median(waits) for what, waits in several.items()}
        for name, several in costs.items()
    }
    ratios = {what: medians["large"][what] / cost for what, cost in medians["small"].items()}
    sizes = {name: size_of(folder / f"{name}.db") for name in files}
    return {"bytes": sizes, "sessions": sessions, "medians": medians, "large_over_small": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--megabytes", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        save("size", asyncio.run(measure(Path(name), options.megabytes, options.rounds)))


if __name__ == "__main__":
    main()
