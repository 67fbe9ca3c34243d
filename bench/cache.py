"""What the cache is worth: first pages of 50 messages, straight from the database and through it.

In process, on SQLite and on PostgreSQL, without a cache, with the one in memory and with a Valkey.
`unchanged` reads pages that nobody wrote to in between; `grown` reads each page after a message was
appended to it, and times the reading alone. 50 sessions of 200 messages of 500 bytes, read by one
caller and by 50. The ways take turns in rounds, so that the machine's mood is the same for all.
PostgreSQL and Valkey are those of the tests, on the same machine.

    .venv/bin/python bench/cache.py [--rounds N]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from record import save

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cipher.model import NewMessage, new_id, text_parts, utc_now
from cipher.storage.base import DatabaseBackend
from cipher.storage.cache.base import CacheBackend
from cipher.storage.cache.database import CachedDatabase
from cipher.storage.cache.guard import GuardedCache
from cipher.storage.cache.memory import MemoryCache
from cipher.storage.cache.redis import RedisCache
from cipher.storage.postgres import PostgresDatabase
from cipher.storage.sqlite import SqliteDatabase
from tests.postgres import PostgresServer
from tests.valkey import ValkeyServer

SESSIONS = [f"s{number}" for number in range(50)]
MESSAGES = 200
TEXT = "Write it down before you say you have it. " * 12


def message() -> NewMessage:
    return NewMessage(id=new_id(), role="user", parts=text_parts(TEXT), timestamp=utc_now())


class Meter:
    """Wall and processor microseconds of reads."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self.reads = 0

    async def run(self, database: DatabaseBackend, *, callers: int) -> None:
        """Every session's first page once."""
        began, worked = time.perf_counter(), time.process_time()
        for start in range(0, len(SESSIONS), callers):
            names = SESSIONS[start : start + callers]
            await asyncio.gather(*(database.branch("local", name) for name in names))
        if isinstance(database, CachedDatabase):
            await database.settled()
        self.wall += time.perf_counter() - began
        self.cpu += time.process_time() - worked
        self.reads += len(SESSIONS)

    def figures(self) -> dict[str, float]:
        return {
            "us_a_read": self.wall / self.reads * 1e6,
            "cpu_us_a_read": self.cpu / self.reads * 1e6,
        }


async def compare(ways: dict[str, DatabaseBackend], rounds: int) -> dict[str, Any]:
    """All ways to read one database, in turn."""
    bare = ways["no cache"]
    for name in SESSIONS:
        await bare.create_session("local", name, at=utc_now())
        await asyncio.gather(*(bare.append("local", name, message()) for _ in range(MESSAGES)))
    meters: dict[tuple[str, int, str], Meter] = {}
    for count in range(rounds + 1):
        for callers in (1, 50):
            for case in ("unchanged", "grown"):
                for way, database in ways.items():
                    await Meter().run(database, callers=50)  # so that it is cached as it is now
                    if case == "grown":
                        appends = (bare.append("local", name, message()) for name in SESSIONS)
                        await asyncio.gather(*appends)
                    meter = Meter()
                    if count:  # the first round warms up
                        meter = meters.setdefault((case, callers, way), meter)
                    await meter.run(database, callers=callers)
    return {
        f"{case}, {callers} {'caller' if callers == 1 else 'callers'}": {
            way: meters[case, callers, way].figures() for way in ways
        }
        for case in ("unchanged", "grown")
        for callers in (1, 50)
    }


async def main(rounds: int) -> None:
    postgres, valkey, results = PostgresServer(), ValkeyServer(), {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            bare: dict[str, DatabaseBackend] = {
                "sqlite": SqliteDatabase(Path(folder) / "bench.db"),
                "postgres": PostgresDatabase(postgres.url),
            }
            for name, database in bare.items():
                await database.open()
                caches: dict[str, CacheBackend] = {
                    "in-memory": MemoryCache(),
                    "valkey": GuardedCache(RedisCache(valkey.url)),
                }
                ways: dict[str, DatabaseBackend] = {"no cache": database}
                for kind, cache in caches.items():
                    await cache.open()
                    ways[kind] = CachedDatabase(database, cache, secret=b"bench")
                results[name] = await compare(ways, rounds)
                for cache in caches.values():
                    await cache.close()
                await database.close()
    finally:
        postgres.close()
        valkey.close()
    save("cache", {"rounds": rounds, "sessions": len(SESSIONS), "results": results})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    asyncio.run(main(parser.parse_args().rounds))
