"""A process that converses with a database and says on standard output what was acknowledged.

Run as `python appender.py PLACE PREFIX COUNT`, the place a SQLite file or PostgreSQL's URL: four
callers together append COUNT questions to the session `s` and end each one's turn. One line for
each acknowledged verb: `asked KEY` or `answered KEY`, written only after the verb returned.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from cipher.model import LOCAL_OWNER, Answer, NewMessage, new_id, text_parts, utc_now
from cipher.storage.base import DatabaseBackend, Lease, OpenTurn
from cipher.storage.postgres import PostgresDatabase
from cipher.storage.sqlite import SqliteDatabase

CALLERS = 4


async def converse(database: DatabaseBackend, keys: list[str]) -> None:
    for key in keys:
        new = NewMessage(
            id=new_id(),
            role="user",
            parts=text_parts(f"question {key} " * 20),
            timestamp=utc_now(),
            client_msg_id=key,
        )
        wish = OpenTurn(turn_id=key, lease=Lease(owner="appender", until=utc_now()))
        await database.append(LOCAL_OWNER, "s", new, turn=wish)
        acknowledge("asked", key)
        ending = Answer(
            message_id=new_id(),
            parts=text_parts(f"answer {key} " * 50),
            status="complete",
            timestamp=utc_now(),
        )
        await database.finish_turn(LOCAL_OWNER, "s", key, 1, ending)
        acknowledge("answered", key)


def acknowledge(what: str, key: str) -> None:
    os.write(1, f"{what} {key}\n".encode())


async def main(place: str, prefix: str, count: int) -> None:
    database: DatabaseBackend = SqliteDatabase(Path(place))
    if place.startswith("postgresql:"):
        database = PostgresDatabase(place)
    await database.open()
    keys = [f"{prefix}-{n}" for n in range(count)]
    await asyncio.gather(*(converse(database, keys[n::CALLERS]) for n in range(CALLERS)))
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
