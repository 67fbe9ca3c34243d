"""What opens the next attempt at an answer: turn and log change in one transaction.

Answers themselves are written by `batch`, many at a time.
"""

from __future__ import annotations

import msgspec

from cipher.model import Appended, to_ms
from cipher.storage.base import Lease
from cipher.storage.postgres import messages, sessions, turns
from cipher.storage.postgres.connections import Connection
from cipher.storage.rows import TURN


async def retry(
    connection: Connection, owner_id: str, session_id: str, turn_id: str, lease: Lease
) -> Appended:
    """Open the next attempt beside the last answer; see `DatabaseBackend`."""
    session = await sessions.lock(connection, owner_id, session_id)
    row = await turns.row_of(connection, session_id, turn_id)
    turn = turns.from_row(row)
    message = await messages.get(connection, session_id, turn.user_seq)
    if turn.status in ("queued", "running"):
        return Appended(message=message, session=session, turn=turn, duplicate=True)
    last = await connection.fetchval(
        "SELECT max(position) FROM turns WHERE session_id = $1 AND status IN ('queued', 'running')",
        session_id,
    )
    opened = await connection.fetchrow(
        "UPDATE turns SET attempt = attempt + 1, status = $3, position = $4, lease_owner = $5, "
        f"lease_until = $6 WHERE session_id = $1 AND id = $2 RETURNING {TURN}",
        session_id,
        turn_id,
        "queued" if last else "running",
        (last or 0) + 1,
        None if last else lease.owner,
        None if last else to_ms(lease.until),
    )
    assert opened is not None
    answer = await messages.get(connection, session_id, row[8])
    await connection.execute(
        "UPDATE sessions SET leaf_seq = $2 WHERE id = $1", session_id, answer.parent_seq
    )
    return Appended(
        message=message,
        session=msgspec.structs.replace(session, leaf_seq=answer.parent_seq),
        turn=turns.from_row(opened),
    )
