"""A database file with conversations, seeded damages to it, and what is read of it afterwards.

`outcome_of` says of one damage what became of the conversations: `intact`, `refused` (an error
wherever something is missing), `changed` (all messages are there, but a value is another one:
nothing in a file without checksums can tell that) or `lost`, which must never be: a conversation
that is shorter, empty or gone without an error.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any, Literal

from cipher.errors import StorageError
from cipher.model import Session, SessionState
from cipher.storage.sqlite import SqliteDatabase
from tests.storage.samples import OWNER, answered, asked, at, created

Outcome = Literal["intact", "refused", "changed", "lost"]
View = dict[str, Any]

SESSIONS = 60
IN_TRASH = 9
"""The last digit of the sessions that are in the trash, where only the list can be read."""
PATIENCE = 20
"""Seconds after which reading a damaged file counts as hung."""
STATES: tuple[SessionState, ...] = ("active", "archived", "trash")


async def make(path: Path) -> View:
    """Fill a file with conversations of many lengths, and say what is in it."""
    luck = Random(7)
    database = SqliteDatabase(path)
    await database.open()
    for number in range(SESSIONS):
        name = f"session-{number}"
        await created(database, name, title=f"Title {number}", metadata={"number": number})
        for turn in range(luck.randrange(1, 14)):
            text = f"question {turn} " * luck.randrange(1, 40)
            await asked(database, f"turn-{turn}", session_id=name, text=text)
            text = f"answer {turn} " * luck.randrange(1, 400)
            await answered(database, f"turn-{turn}", session_id=name, text=text)
        if number % 10 == IN_TRASH:
            await database.delete_session(OWNER, name, at=at(number))
    await database.close()
    return await view(path)


def damage(content: bytes, luck: Random) -> bytes:
    """One random damage: bits turned over, bytes or whole blocks replaced, the end cut off."""
    harmed = bytearray(content)
    place = luck.randrange(len(harmed))
    match luck.randrange(5):
        case 0:
            harmed[place] ^= 1 << luck.randrange(8)
        case 1:
            for _ in range(luck.randrange(2, 64)):
                harmed[luck.randrange(len(harmed))] ^= luck.randrange(1, 256)
        case 2:
            end = min(len(harmed), place + luck.randrange(1, 16_384))
            harmed[place:end] = bytes(end - place)
        case 3:
            start = place // 512 * 512
            harmed[start : start + 512] = luck.randbytes(len(harmed[start : start + 512]))
        case _:
            del harmed[place:]
    return bytes(harmed)


async def outcome_of(path: Path, before: View) -> Outcome:
    """What a server that starts on the file would serve, against what was stored."""
    async with asyncio.timeout(PATIENCE):
        found = await view(path)
    if found == before:
        return "intact"
    if "start" in found:
        return "refused"
    verdicts = {_verdict(found.get(name), stored) for name, stored in before.items()}
    if any(name not in before for name in found):
        verdicts.add("changed")
    ranked: tuple[Outcome, ...] = ("lost", "changed", "refused")
    return next(outcome for outcome in ranked if outcome in verdicts)


async def view(path: Path) -> View:
    """All that can be read: the lists, and each session's log and branch, or the error instead."""
    database = SqliteDatabase(path, exclusive=True)
    try:
        await database.open()
    except StorageError as error:
        return {"start": error}
    found: View = {}
    try:
        for state in STATES:
            found[state] = await _listed(database, state)
        for number in range(SESSIONS):
            if number % 10 != IN_TRASH:
                found[f"session-{number}"] = await _read(database, f"session-{number}")
        return found
    finally:
        await database.close()


async def _listed(database: SqliteDatabase, state: SessionState) -> Any:
    sessions: list[Session] = []
    cursor: str | None = None
    try:
        while True:
            page = await database.list_sessions(OWNER, state=state, limit=20, cursor=cursor)
            sessions += page.sessions
            cursor = page.next_cursor
            if cursor is None:
                return sessions
    except StorageError as error:
        return error
    except Exception as error:  # noqa: BLE001 - what is no error of ours is a verdict of its own
        return repr(error)


async def _read(database: SqliteDatabase, name: str) -> Any:
    try:
        log = await database.log(OWNER, name, limit=1_000)
        branch = await database.branch(OWNER, name, limit=1_000)
    except StorageError as error:
        return error
    except Exception as error:  # noqa: BLE001 - what is no error of ours is a verdict of its own
        return repr(error)
    return log.session, branch.messages, log.messages


def _verdict(found: Any, stored: Any) -> Outcome:
    if found == stored:
        return "intact"
    if isinstance(found, StorageError):
        return "refused"
    if isinstance(found, str) or found is None:
        return "lost"
    # Of a session, the log; of a list, the sessions.
    complete, now = (stored, found) if isinstance(stored, list) else (stored[-1], found[-1])
    return "changed" if len(now) == len(complete) else "lost"
