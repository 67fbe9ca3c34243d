"""Reading and growing: first pages, lists, and the price of an append as a log gets long.

In process, through `SessionManager` and `ConversationSession` over a SQLite file on disk: the first
page (50 messages) of a session of 100,000, the list of 20 out of 100,000 sessions with their
counts, and durable appends one at a time to sessions of 10 to 100,000 messages. The sessions of
different length take turns, so that the machine's mood is the same for all.

    .venv/bin/python bench/reads.py [--sessions N] [--messages N]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from record import save

from cipher.model import Message, NewMessage, Session, new_id, text_parts, utc_now
from cipher.sessions.bus import LocalBus
from cipher.sessions.manager import SessionManager, SessionManagerConfig
from cipher.sessions.session import ConversationSession
from cipher.storage.manager import StorageManager
from cipher.storage.sqlite import SqliteDatabase

TEXT = "Write it down before you say that you have it. " * 10
LENGTHS = (10, 100, 1_000, 10_000, 100_000)
STRAIGHT_APPENDS = 60


async def milliseconds(verb: Callable[[], Awaitable[object]], times: int) -> dict[str, float]:
    """The median and p99 of a verb that is called one at a time."""
    waits = []
    for _ in range(times):
        began = time.perf_counter()
        await verb()
        waits.append((time.perf_counter() - began) * 1e3)
    waits.sort()
    return {"p50_ms": statistics.median(waits), "p99_ms": waits[int(len(waits) * 0.99)]}


async def fill(database: SqliteDatabase, session_id: str, length: int) -> None:
    """A session with a log of `length` messages, user and assistant in turn."""
    start = utc_now() - timedelta(days=1)
    session = Session(
        id=session_id,
        owner_id="local",
        title=session_id,
        created_at=start,
        last_activity=start,
        message_count=length,
        epoch=new_id(),
        head_seq=length,
        leaf_seq=length,
    )
    log = [
        Message(
            id=new_id(),
            seq=seq,
            parent_seq=seq - 1,
            role="user" if seq % 2 else "assistant",
            status=None if seq % 2 else "complete",
            parts=text_parts(TEXT),
            timestamp=start,
        )
        for seq in range(1, length + 1)
    ]
    assert await database.import_session(session, log)


async def append_costs(manager: SessionManager, names: dict[int, str]) -> dict[str, float]:
    """Median milliseconds of a durable append, by the length of the log it goes to."""

    async def append(session: ConversationSession) -> float:
        message = NewMessage(id=new_id(), role="user", parts=text_parts(TEXT), timestamp=utc_now())
        began = time.perf_counter()
        await session.append(message)
        return (time.perf_counter() - began) * 1e3

    sessions = {length: await manager.load("local", name) for length, name in names.items()}
    waits: dict[int, list[float]] = {length: [] for length in sessions}
    for _ in range(STRAIGHT_APPENDS):
        for length, session in sessions.items():
            waits[length].append(await append(session))
    return {str(length): statistics.median(several) for length, several in waits.items()}


async def measure(folder: Path, sessions: int, messages: int) -> dict[str, object]:
    database = SqliteDatabase(folder / "reads.db")
    storage = StorageManager(database)
    await storage.open()
    manager = SessionManager(storage, LocalBus(), SessionManagerConfig())
    lengths = [length for length in LENGTHS if length <= messages]
    names = {length: f"long-{length}" for length in lengths}
    for length, name in names.items():
        await fill(database, name, length)
    for start in range(0, sessions, 5_000):
        await asyncio.gather(
            *(
                database.create_session("local", f"s{number}", title=f"Chat {number}", at=utc_now())
                for number in range(start, min(start + 5_000, sessions))
            )
        )
    longest = await manager.load("local", names[lengths[-1]])
    oldest_page = 51
    figures: dict[str, object] = {
        "first_page_of_50": await milliseconds(lambda: longest.history(limit=50), 300),
        "page_near_the_root": await milliseconds(
            lambda: longest.history(before=oldest_page, limit=50), 300
        ),
        "list_of_20": await milliseconds(lambda: manager.list("local", limit=20), 300),
        "stats_over_all": await milliseconds(lambda: manager.stats("local"), 10),
        "append_ms_by_length": await append_costs(manager, names),
        "database_bytes": (folder / "reads.db").stat().st_size,
        "sessions": sessions,
        "messages_in_the_longest": lengths[-1],
    }
    await manager.close()
    await storage.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        save("reads", asyncio.run(measure(Path(name), options.sessions, options.messages)))


if __name__ == "__main__":
    main()
