"""What the verbs about turns do inside a transaction.

A turn is `queued`, then `running` under a lease, then ended; a retry makes it queued or running
again with the next attempt. At most one turn of a session runs, which an index enforces.
`position` orders the queue of a session.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import apsw

from cipher.errors import SessionBusy, TurnNotFound
from cipher.model import Session, Turn, TurnStatus, to_ms
from cipher.storage.base import Lease, OpenTurn, OwnedTurn
from cipher.storage.rows import TURN, turn_from

# Running if the session has no unfinished turn, else queued behind them.
_OPEN = (
    "INSERT INTO turns (id, session_id, owner_id, user_seq, position, attempt, status, "
    "lease_owner, lease_until) "
    "SELECT ?1, ?2, ?3, ?4, ifnull(max(position), 0) + 1, 1, iif(count(*), 'queued', 'running'), "
    "iif(count(*), NULL, ?5), iif(count(*), NULL, ?6) FROM turns "
    "WHERE session_id = ?2 AND status IN ('queued', 'running') RETURNING status"
)


def row_of(connection: apsw.Connection, session_id: str, turn_id: str) -> tuple[Any, ...]:
    """The row of `TURN` of a turn. Raises: TurnNotFound."""
    row = _row(connection, session_id, turn_id)
    if row is None:
        raise TurnNotFound
    return row


def get(connection: apsw.Connection, session_id: str, turn_id: str) -> Turn:
    """One turn. Raises: TurnNotFound."""
    return turn_from(row_of(connection, session_id, turn_id))


def find(connection: apsw.Connection, session_id: str, turn_id: str) -> Turn | None:
    """One turn, if it is here: imported messages name turns that are not."""
    row = _row(connection, session_id, turn_id)
    return None if row is None else turn_from(row)


def _row(connection: apsw.Connection, session_id: str, turn_id: str) -> tuple[Any, ...] | None:
    row: tuple[Any, ...] | None = connection.execute(
        f"SELECT {TURN} FROM turns WHERE session_id = ? AND id = ?", (session_id, turn_id)
    ).fetchone()
    return row


def unfinished(connection: apsw.Connection, session_id: str) -> tuple[Turn, ...]:
    """The turns of a session that are queued or running, in the order they run."""
    rows = connection.execute(
        f"SELECT {TURN} FROM turns WHERE session_id = ? "
        "AND status IN ('queued', 'running') ORDER BY position",
        (session_id,),
    )
    return tuple(map(turn_from, rows))


def is_busy(connection: apsw.Connection, session_id: str) -> bool:
    """Whether a turn of the session is queued or running."""
    return bool(
        connection.execute(
            "SELECT 1 FROM turns WHERE session_id = ? AND status IN ('queued', 'running') LIMIT 1",
            (session_id,),
        ).get
    )


def next_position(connection: apsw.Connection, session_id: str) -> int:
    """The place behind every unfinished turn of a session."""
    last = connection.execute(
        "SELECT max(position) FROM turns WHERE session_id = ? AND status IN ('queued', 'running')",
        (session_id,),
    ).get
    return (last or 0) + 1


def open_turn(connection: apsw.Connection, session: Session, user_seq: int, wish: OpenTurn) -> Turn:
    """Insert the turn that answers a user message: running if none is unfinished, else queued."""
    lease = wish.lease
    status: TurnStatus = connection.execute(
        _OPEN,
        (wish.turn_id, session.id, session.owner_id, user_seq, lease.owner, to_ms(lease.until)),
    ).get
    busy = status == "queued"
    if busy and wish.when_busy == "reject":
        raise SessionBusy
    return Turn(
        id=wish.turn_id,
        session_id=session.id,
        user_seq=user_seq,
        attempt=1,
        status=status,
        lease_owner=None if busy else lease.owner,
        lease_until=None if busy else lease.until,
    )


def start_next(connection: apsw.Connection, session_id: str, lease: Lease) -> Turn | None:
    """Make the oldest queued turn the running one; one that runs is always first."""
    first = connection.execute(
        "SELECT id, status FROM turns WHERE session_id = ? AND status IN ('queued', 'running') "
        "ORDER BY position LIMIT 1",
        (session_id,),
    ).fetchone()
    if first is None or first[1] == "running":
        return None
    connection.execute(
        "UPDATE turns SET status = 'running', lease_owner = ?, lease_until = ? "
        "WHERE session_id = ? AND id = ?",
        (lease.owner, to_ms(lease.until), session_id, first[0]),
    )
    return get(connection, session_id, first[0])


def checkpoint(
    connection: apsw.Connection,
    session_id: str,
    turn_id: str,
    attempt: int,
    partial: str,
    lease: Lease,
) -> bool:
    """Keep the partial text and renew the lease, if the attempt runs under this lease's owner."""
    connection.execute(
        "UPDATE turns SET partial = ?, lease_until = ? WHERE session_id = ? AND id = ? "
        "AND attempt = ? AND status = 'running' AND lease_owner = ?",
        (partial, to_ms(lease.until), session_id, turn_id, attempt, lease.owner),
    )
    return connection.changes() == 1


def all_unfinished(
    connection: apsw.Connection, lease_before: datetime | None
) -> tuple[OwnedTurn, ...]:
    """Unfinished turns of all owners in the order they run; see `DatabaseBackend`."""
    condition = "" if lease_before is None else " AND status = 'running' AND lease_until < ?"
    rows: Iterable[tuple[Any, ...]] = connection.execute(
        f"SELECT owner_id, {TURN} FROM turns WHERE status IN ('queued', 'running'){condition} "
        "ORDER BY session_id, position",
        () if lease_before is None else (to_ms(lease_before),),
    )
    return tuple(OwnedTurn(owner_id=row[0], turn=turn_from(row[1:])) for row in rows)
