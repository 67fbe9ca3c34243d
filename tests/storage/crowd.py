"""A process in which many writers append to one session at the same time.

Run as `python crowd.py PLACE PREFIX WRITERS COUNT`, the place a SQLite file or PostgreSQL's URL.
When it has opened the storage it says `ready` and waits for a line, so that several begin together.
At the end it says how many appends were refused and had to be sent again.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from cipher.errors import StorageUnavailable
from cipher.model import LOCAL_OWNER, NewMessage, new_id, text_parts, utc_now
from cipher.storage.base import DatabaseBackend
from cipher.storage.postgres import PostgresDatabase
from cipher.storage.sqlite import SqliteDatabase


async def write(database: DatabaseBackend, name: str, count: int) -> int:
    """Append `count` messages, one after the other, and each until it is kept."""
    refusals = 0
    for number in range(count):
        new = NewMessage(
            id=new_id(),
            role="user",
            parts=text_parts(f"{name}/{number}"),
            timestamp=utc_now(),
            client_msg_id=f"{name}-{number}",
        )
        while True:
            try:
                await database.append(LOCAL_OWNER, "s", new)
                break
            except StorageUnavailable:
                refusals += 1
    return refusals


async def main(place: str, prefix: str, writers: int, count: int) -> None:
    database: DatabaseBackend = SqliteDatabase(Path(place))
    if place.startswith("postgresql:"):
        database = PostgresDatabase(place)
    await database.open()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    refusals = await asyncio.gather(
        *(write(database, f"{prefix}-{number}", count) for number in range(writers))
    )
    sys.stdout.write(f"{sum(refusals)}\n")
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
