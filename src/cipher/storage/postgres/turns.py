"""What the verbs about turns do inside a transaction.

A turn is `queued`, then `running` under a lease, then ended; a retry makes it queued or running
again with the next attempt. At most one turn of a session runs, which an index enforces.
`position` orders the queue of a session.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from cipher.errors import BadRequest, TurnNotFound
from cipher.model import Turn, is_identifier, to_ms
from cipher.storage.base import Lease, OwnedTurn
from cipher.storage.postgres import sessions
from cipher.storage.postgres.connections import Connection
from cipher.storage.rows import TURN, Row, turn_from

_encoder = msgspec.json.Encoder()
_text_decoder = msgspec.json.Decoder(str)


def from_row(row: Row) -> Turn:
    """The noun of a row of `TURN`, whose `partial` is a JSON string here."""
    turn = turn_from(row)
    return msgspec.structs.replace(turn, partial=_text_decoder.decode(turn.partial))


async def row_of(connection: Connection, session_id: str, turn_id: str) -> Row:
    """The row of `TURN` of a turn. Raises: TurnNotFound."""
    if is_identifier(turn_id):
        row = await connection.fetchrow(
            f"SELECT {TURN} FROM turns WHERE session_id = $1 AND id = $2", session_id, turn_id
        )
        if row is not None:
            return row
    raise TurnNotFound


async def get(connection: Connection, session_id: str, turn_id: str) -> Turn:
    """One turn. Raises: TurnNotFound."""
    return from_row(await row_of(connection, session_id, turn_id))


async def unfinished(connection: Connection, session_id: str) -> tuple[Turn, ...]:
    """The turns of a session that are queued or running, in the order they run."""
    rows = await connection.fetch(
        f"SELECT {TURN} FROM turns WHERE session_id = $1 AND status IN ('queued', 'running') "
        "ORDER BY position",
        session_id,
    )
    return tuple(map(from_row, rows))


async def start_next(
    connection: Connection, owner_id: str, session_id: str, lease: Lease
) -> Turn | None:
    """Make the oldest queued turn the running one; one that runs is always first."""
    await sessions.lock(connection, owner_id, session_id)
    row = await connection.fetchrow(
        "UPDATE turns SET status = 'running', lease_owner = $2, lease_until = $3 "
        "WHERE session_id = $1 AND status = 'queued' AND position = (SELECT min(position) "
        "FROM turns WHERE session_id = $1 AND status IN ('queued', 'running')) "
        f"RETURNING {TURN}",
        session_id,
        lease.owner,
        to_ms(lease.until),
    )
    return None if row is None else from_row(row)


async def checkpoint(
    connection: Connection,
    session_id: str,
    turn_id: str,
    attempt: int,
    partial: str,
    lease: Lease,
) -> bool:
    """Keep the partial text and renew the lease, if the attempt runs under this lease's owner."""
    changed = await connection.execute(
        "UPDATE turns SET partial = $4, lease_until = $5 WHERE session_id = $1 AND id = $2 "
        "AND attempt = $3 AND status = 'running' AND lease_owner = $6",
        session_id,
        turn_id,
        attempt,
        encode_partial(partial),
        to_ms(lease.until),
        lease.owner,
    )
    return changed == "UPDATE 1"


def encode_partial(partial: str) -> str:
    """The JSON string of a partial answer. Raises: BadRequest."""
    try:
        return _encoder.encode(partial).decode()
    except UnicodeEncodeError as error:
        raise BadRequest("The text has a lone surrogate, which no encoding can keep.") from error


async def all_unfinished(
    connection: Connection, lease_before: datetime | None
) -> tuple[OwnedTurn, ...]:
    """Unfinished turns of all owners in the order they run; see `DatabaseBackend`."""
    condition = "" if lease_before is None else " AND status = 'running' AND lease_until < $1"
    rows = await connection.fetch(
        f"SELECT {TURN}, owner_id FROM turns WHERE status IN ('queued', 'running'){condition} "
        "ORDER BY session_id, position",
        *(() if lease_before is None else (to_ms(lease_before),)),
    )
    return tuple(OwnedTurn(owner_id=row["owner_id"], turn=from_row(row)) for row in rows)
