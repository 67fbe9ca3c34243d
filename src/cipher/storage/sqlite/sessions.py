"""What the verbs about sessions do inside a transaction: rows of `sessions` in, nouns out.

Damaged metadata (a file that something else has written to) makes reading its session fail. Lists,
and what moves or erases a session without showing it, go on: one row must not take the others with
it, and a person must be able to get rid of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import apsw

from cipher.errors import SessionExists, SessionNotFound
from cipher.model import (
    Session,
    SessionPage,
    SessionPatch,
    SessionState,
    StorageStats,
    new_id,
    to_ms,
)
from cipher.storage.base import decode_cursor, encode_cursor
from cipher.storage.rows import (
    SESSION,
    although_damaged,
    changed_columns,
    row_of_session,
    session_from,
)

_IN_STATE = {
    "active": "deleted_at IS NULL AND archived_at IS NULL",
    "archived": "deleted_at IS NULL AND archived_at IS NOT NULL",
    "trash": "deleted_at IS NOT NULL",
}
_INSERT = f"INSERT INTO sessions ({SESSION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SELECT = f"SELECT {SESSION} FROM sessions WHERE id = ? AND owner_id = ?"


def create(
    connection: apsw.Connection,
    owner_id: str,
    session_id: str,
    title: str,
    metadata: dict[str, Any],
    at: datetime,
) -> Session:
    """Insert a new, empty session."""
    session = Session(
        id=session_id,
        owner_id=owner_id,
        title=title,
        created_at=at,
        last_activity=at,
        message_count=0,
        epoch=new_id(),
        head_seq=0,
        leaf_seq=0,
        metadata=metadata,
    )
    if not insert(connection, session):
        raise SessionExists
    return session


def insert(connection: apsw.Connection, session: Session) -> bool:
    """Insert a session row as it is; False if the id is or was taken."""
    taken = connection.execute(
        "SELECT 1 FROM sessions WHERE id = ?1 "
        "UNION ALL SELECT 1 FROM purged_sessions WHERE id = ?1",
        (session.id,),
    ).get
    if taken:
        return False
    connection.execute(_INSERT, row_of_session(session))
    return True


def get(
    connection: apsw.Connection, owner_id: str, session_id: str, *, trashed: bool | None = False
) -> Session:
    """One session; `trashed` None takes it from the trash or not."""
    return session_from(_row(connection, owner_id, session_id, trashed))


def _row(
    connection: apsw.Connection, owner_id: str, session_id: str, trashed: bool | None
) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(_SELECT, (session_id, owner_id)).fetchone()
    if row is None or (trashed is not None and (row[11] is not None) is not trashed):
        raise SessionNotFound
    return row


def page(
    connection: apsw.Connection,
    owner_id: str,
    state: SessionState,
    limit: int,
    cursor: str | None,
    query: str,
    on_damage: Callable[[str], None],
) -> SessionPage:
    """A keyset page; one more row than asked tells whether there is a next page.

    `on_damage` is called with the id of each session that comes without its metadata.
    """
    conditions = ["owner_id = ?", _IN_STATE[state]]
    bindings: list[Any] = [owner_id]
    if cursor is not None:
        conditions.append("(last_activity, id) < (?, ?)")
        bindings += decode_cursor(cursor)
    if query:
        conditions.append("instr(casefold(title), ?) > 0")
        bindings.append(query.casefold())
    rows: list[tuple[Any, ...]] = connection.execute(
        f"SELECT {SESSION} FROM sessions WHERE {' AND '.join(conditions)} "
        "ORDER BY last_activity DESC, id DESC LIMIT ?",
        (*bindings, limit + 1),
    ).fetchall()
    sessions = tuple(session_from(row, on_damage=on_damage) for row in rows[:limit])
    more = len(rows) > limit
    return SessionPage(
        sessions=sessions,
        next_cursor=encode_cursor(rows[limit - 1][4], rows[limit - 1][0]) if more else None,
    )


def update(
    connection: apsw.Connection,
    owner_id: str,
    session_id: str,
    patch: SessionPatch,
    at: datetime,
) -> Session:
    """Write the fields that the patch sets."""
    session = get(connection, owner_id, session_id)
    changes = changed_columns(session, patch, at)
    if not changes:
        return session
    assignments = ", ".join(f"{column} = ?" for column in changes)
    connection.execute(
        f"UPDATE sessions SET {assignments} WHERE id = ?", (*changes.values(), session_id)
    )
    return get(connection, owner_id, session_id)


def mark_deleted(
    connection: apsw.Connection, owner_id: str, session_id: str, at: datetime | None
) -> Session:
    """Move a session to the trash (`at` set) or out of it (None)."""
    _row(connection, owner_id, session_id, at is None)
    connection.execute(
        "UPDATE sessions SET deleted_at = ? WHERE id = ?", (at and to_ms(at), session_id)
    )
    return although_damaged(_row(connection, owner_id, session_id, None))


def purge(connection: apsw.Connection, owner_id: str, session_id: str) -> None:
    """Erase a session and everything that belongs to it; remember its id."""
    _row(connection, owner_id, session_id, None)
    connection.execute("DELETE FROM turns WHERE session_id = ?", (session_id,))
    connection.execute("DELETE FROM messages WHERE session_id = ?", (session_id,))
    connection.execute("DELETE FROM sessions WHERE id = ?", (session_id,))
    connection.execute("INSERT INTO purged_sessions (id) VALUES (?)", (session_id,))


def purge_deleted(connection: apsw.Connection, deleted_before: datetime, limit: int) -> int:
    """Erase the oldest entries of the trash."""
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT owner_id, id FROM sessions WHERE deleted_at < ? ORDER BY deleted_at LIMIT ?",
        (to_ms(deleted_before), limit),
    ).fetchall()
    for owner_id, session_id in rows:
        purge(connection, owner_id, session_id)
    return len(rows)


def expire(
    connection: apsw.Connection,
    action: Literal["archive", "delete"],
    idle_since: datetime,
    at: datetime,
    limit: int,
) -> tuple[Session, ...]:
    """Archive or trash the longest idle sessions that nobody pinned and nothing runs in."""
    column = "archived_at" if action == "archive" else "deleted_at"
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT owner_id, id FROM sessions WHERE deleted_at IS NULL AND archived_at IS NULL "
        "AND pinned = 0 AND last_activity < ? AND NOT EXISTS (SELECT 1 FROM turns "
        "WHERE session_id = sessions.id AND status IN ('queued', 'running')) "
        "ORDER BY last_activity LIMIT ?",
        (to_ms(idle_since), limit),
    ).fetchall()
    for _, session_id in rows:
        connection.execute(
            f"UPDATE sessions SET {column} = ? WHERE id = ?", (to_ms(at), session_id)
        )
    return tuple(
        although_damaged(_row(connection, owner, session_id, None)) for owner, session_id in rows
    )


def stats(connection: apsw.Connection, owner_id: str) -> StorageStats:
    """Counts without the trash."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(message_count), 0) FROM sessions "
        "WHERE owner_id = ? AND deleted_at IS NULL",
        (owner_id,),
    ).fetchone()
    assert row is not None
    return StorageStats(total_sessions=row[0], total_messages=row[1])
