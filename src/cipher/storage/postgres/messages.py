"""What the verbs about messages do inside a transaction: reading the log, and importing one.

Appends and answers are written by `batch`, many at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from cipher.errors import MessageNotFound, StorageCorrupt
from cipher.model import Message, MessagePage, Session
from cipher.storage.base import imported
from cipher.storage.postgres import sessions, turns
from cipher.storage.postgres.connections import Connection
from cipher.storage.postgres.recordset import encoded, names, recordset
from cipher.storage.rows import MESSAGE, message_from, row_of_message


class Said(msgspec.Struct, frozen=True):
    """A row of `messages`; the first fields are those of `MESSAGE`, in its order."""

    seq: int
    parent_seq: int
    id: str
    client_msg_id: str | None
    turn_id: str | None
    attempt: int | None
    role: str
    status: str | None
    message_data: str
    timestamp: int
    session_id: str
    owner_id: str

    @classmethod
    def of(cls, message: Message, session: Session) -> Said:
        """The row of a message whose `seq` is chosen already."""
        columns: tuple[Any, ...] = (*row_of_message(message), session.id, session.owner_id)
        return cls(*columns)


INSERT = f"INSERT INTO messages ({names(Said)}) SELECT * FROM {recordset(Said, 1)}"
_IMPORT_ROWS = 500
"""Messages of an import in one statement."""


async def get(connection: Connection, session_id: str, seq: int) -> Message:
    """The message at a `seq`. Raises: MessageNotFound."""
    row = await connection.fetchrow(
        f"SELECT {MESSAGE} FROM messages WHERE session_id = $1 AND seq = $2", session_id, seq
    )
    if row is None:
        raise MessageNotFound
    return message_from(row)


async def branch(
    connection: Connection, owner_id: str, session_id: str, before: int | None, limit: int
) -> MessagePage:
    """Walk from the leaf, or from above `before`, towards the root.

    Reads runs of rows and follows `parent_seq` through them: a branch without forks above it is one
    range scan, and each fork costs one more.
    """
    session = await sessions.get(connection, owner_id, session_id)
    wanted = session.leaf_seq
    if before is not None:
        if not 0 < before <= session.head_seq:
            raise MessageNotFound
        wanted = (await get(connection, session_id, before)).parent_seq
    found: list[Message] = []
    while wanted and len(found) < limit:
        run = await connection.fetch(
            f"SELECT {MESSAGE} FROM messages WHERE session_id = $1 AND seq <= $2 "
            "ORDER BY seq DESC LIMIT $3",
            session_id,
            wanted,
            limit - len(found),
        )
        if not run or run[0]["seq"] != wanted:
            raise StorageCorrupt
        for row in run:
            if row["seq"] == wanted:
                found.append(message_from(row))
                wanted = row["parent_seq"]
    found.reverse()
    return MessagePage(
        session=session,
        messages=tuple(found),
        has_more=wanted > 0,
        turns=await turns.unfinished(connection, session_id),
    )


async def log(
    connection: Connection, owner_id: str, session_id: str, after: int, limit: int
) -> MessagePage:
    """The rows after a `seq`, all branches. Raises: StorageCorrupt where the numbers have a gap."""
    session = await sessions.get(connection, owner_id, session_id)
    start = max(min(after, session.head_seq), 0)
    rows = await connection.fetch(
        f"SELECT {MESSAGE} FROM messages WHERE session_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        session_id,
        start,
        limit,
    )
    found = tuple(map(message_from, rows))
    end = min(start + limit, session.head_seq)
    if [message.seq for message in found] != list(range(start + 1, end + 1)):
        raise StorageCorrupt
    return MessagePage(
        session=session,
        messages=found,
        has_more=bool(found) and found[-1].seq < session.head_seq,
        turns=await turns.unfinished(connection, session_id),
    )


async def import_session(connection: Connection, session: Session, log: Sequence[Message]) -> bool:
    """Insert a session and its whole log; counts and head follow from the log."""
    whole = imported(session, log)
    if not await sessions.insert(connection, whole):
        return False
    for start in range(0, len(log), _IMPORT_ROWS):
        rows = [Said.of(message, whole) for message in log[start : start + _IMPORT_ROWS]]
        await connection.execute(INSERT, encoded(rows))
    return True
