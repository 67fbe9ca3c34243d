"""Small values that storage tests are made of: moments, messages, answers, leases, wishes.

Every moment is a fixed one, so that what a test says about order does not depend on a clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from cipher.model import (
    Answer,
    Appended,
    Finished,
    Message,
    NewMessage,
    Role,
    Session,
    TerminalStatus,
    new_id,
    text_parts,
)
from cipher.storage.base import DatabaseBackend, Lease, OpenTurn

OWNER = "ada"
STRANGER = "bob"
START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """A moment so many seconds after the start of all tests."""
    return START + timedelta(seconds=seconds)


def said(
    text: str = "Hello",
    *,
    role: Role = "user",
    key: str | None = None,
    parent: int | None = None,
    seconds: float = 0,
) -> NewMessage:
    """A message that was not stored yet."""
    return NewMessage(
        id=new_id(),
        role=role,
        parts=text_parts(text),
        timestamp=at(seconds),
        client_msg_id=key,
        parent_seq=parent,
    )


def answer(text: str = "Hi", *, status: TerminalStatus = "complete", seconds: float = 0) -> Answer:
    """What ends an attempt."""
    return Answer(message_id=new_id(), parts=text_parts(text), status=status, timestamp=at(seconds))


def lease(owner: str = "worker", *, seconds: float = 60) -> Lease:
    """A worker's lease until so many seconds after the start."""
    return Lease(owner=owner, until=at(seconds))


def wish(turn_id: str = "turn", *, when_busy: Literal["enqueue", "reject"] = "enqueue") -> OpenTurn:
    """The wish to open a turn under the lease of `worker`."""
    return OpenTurn(turn_id=turn_id, lease=lease(), when_busy=when_busy)


async def created(database: DatabaseBackend, session_id: str = "s", **options: Any) -> Session:
    """A new, empty session of `OWNER`."""
    options.setdefault("at", START)
    return await database.create_session(OWNER, session_id, **options)


async def asked(
    database: DatabaseBackend, turn_id: str = "turn", *, session_id: str = "s", text: str = "Hello"
) -> Appended:
    """A user message with the turn that answers it."""
    return await database.append(OWNER, session_id, said(text), turn=wish(turn_id))


async def answered(
    database: DatabaseBackend,
    turn_id: str = "turn",
    attempt: int = 1,
    *,
    session_id: str = "s",
    text: str = "Hi",
    status: TerminalStatus = "complete",
) -> Finished:
    """The end of an attempt."""
    return await database.finish_turn(
        OWNER, session_id, turn_id, attempt, answer(text, status=status)
    )


async def whole_log(database: DatabaseBackend, session_id: str = "s") -> list[Message]:
    """Every message of a session, read page by page."""
    messages: list[Message] = []
    while True:
        page = await database.log(OWNER, session_id, after=len(messages), limit=100)
        messages += page.messages
        if not page.has_more:
            return messages


async def everything(database: DatabaseBackend, session_id: str = "s") -> tuple[object, ...]:
    """All that a session's owner can read of it, to compare before and after."""
    page = await database.log(OWNER, session_id, limit=10_000)
    return page, await database.stats(OWNER), await database.branch(OWNER, session_id, limit=10_000)
