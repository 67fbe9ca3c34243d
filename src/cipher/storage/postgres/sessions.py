"""What the verbs about sessions do inside a transaction: rows of `sessions` in, nouns out.

`lock` comes first in every verb that writes a session, its messages or its turns: who holds the
row's lock is alone with the session. Reads that follow see what others committed before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Literal

from cipher.errors import SessionExists, SessionNotFound
from cipher.model import (
    Session,
    SessionPage,
    SessionPatch,
    SessionState,
    StorageStats,
    is_identifier,
    new_id,
    to_ms,
)
from cipher.storage.base import decode_cursor, encode_cursor
from cipher.storage.postgres.connections import Connection
from cipher.storage.rows import (
    SESSION,
    Row,
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
_INSERT = (
    f"INSERT INTO sessions ({SESSION}, folded_title) "
    "SELECT $1::text, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 "
    "WHERE NOT EXISTS (SELECT 1 FROM purged_sessions WHERE id = $1::text) "
    "ON CONFLICT DO NOTHING RETURNING id"
)


async def create(
    connection: Connection,
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
    if not await insert(connection, session):
        raise SessionExists
    return session


async def insert(connection: Connection, session: Session) -> bool:
    """Insert a session row as it is; False if the id is or was taken."""
    row = row_of_session(session)
    return await connection.fetchval(_INSERT, *row, session.title.casefold()) is not None


async def get(
    connection: Connection, owner_id: str, session_id: str, *, trashed: bool | None = False
) -> Session:
    """One session; `trashed` None takes it from the trash or not. Raises: SessionNotFound."""
    return session_from(await _row(connection, owner_id, session_id, "", trashed))


async def lock(
    connection: Connection, owner_id: str, session_id: str, *, trashed: bool | None = False
) -> Session:
    """One session, which nobody else changes until the transaction ends. Raises as `get`."""
    return session_from(await _row(connection, owner_id, session_id, "FOR UPDATE", trashed))


async def _row(
    connection: Connection, owner_id: str, session_id: str, locking: str, trashed: bool | None
) -> Row:
    if not is_identifier(session_id):
        raise SessionNotFound
    row = await connection.fetchrow(
        f"SELECT {SESSION} FROM sessions WHERE id = $1 AND owner_id = $2 {locking}",
        session_id,
        owner_id,
    )
    if row is None or (trashed is not None and (row["deleted_at"] is not None) is not trashed):
        raise SessionNotFound
    return row


async def lock_many(
    connection: Connection, session_ids: Iterable[str], on_damage: Callable[[str], None]
) -> dict[str, Session]:
    """The sessions that there are, locked, and always in one order: nobody waits in a ring."""
    rows = await connection.fetch(
        f"SELECT {SESSION} FROM sessions WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE",
        list(session_ids),
    )
    return {row["id"]: session_from(row, on_damage=on_damage) for row in rows}


async def page(
    connection: Connection,
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
    conditions = ["owner_id = $1", _IN_STATE[state]]
    bindings: list[Any] = [owner_id, limit + 1]
    if cursor is not None:
        bindings += decode_cursor(cursor)
        conditions.append(f"(last_activity, id) < (${len(bindings) - 1}, ${len(bindings)})")
    if query:
        bindings.append(query.casefold())
        conditions.append(f"strpos(folded_title, ${len(bindings)}) > 0")
    rows = await connection.fetch(
        f"SELECT {SESSION} FROM sessions WHERE {' AND '.join(conditions)} "
        "ORDER BY last_activity DESC, id DESC LIMIT $2",
        *bindings,
    )
    last = rows[limit - 1] if len(rows) > limit else None
    return SessionPage(
        sessions=tuple(session_from(row, on_damage=on_damage) for row in rows[:limit]),
        next_cursor=encode_cursor(last["last_activity"], last["id"]) if last else None,
    )


async def update(
    connection: Connection,
    owner_id: str,
    session_id: str,
    patch: SessionPatch,
    at: datetime,
) -> Session:
    """Write the fields that the patch sets."""
    session = await lock(connection, owner_id, session_id)
    changes = changed_columns(session, patch, at)
    if "title" in changes:
        changes["folded_title"] = changes["title"].casefold()
    if not changes:
        return session
    return session_from(await _set(connection, session_id, **changes))


async def _set(connection: Connection, session_id: str, **changes: Any) -> Row:
    assignments = ", ".join(f"{column} = ${n}" for n, column in enumerate(changes, start=2))
    row = await connection.fetchrow(
        f"UPDATE sessions SET {assignments} WHERE id = $1 RETURNING {SESSION}",
        session_id,
        *changes.values(),
    )
    assert row is not None  # we hold its lock
    return row


async def mark_deleted(
    connection: Connection, owner_id: str, session_id: str, at: datetime | None
) -> Session:
    """Move a session to the trash (`at` set) or out of it (None)."""
    await _row(connection, owner_id, session_id, "FOR UPDATE", at is None)
    return although_damaged(await _set(connection, session_id, deleted_at=at and to_ms(at)))


async def purge(connection: Connection, owner_id: str, session_id: str) -> None:
    """Erase a session and everything that belongs to it; remember its id."""
    await _row(connection, owner_id, session_id, "FOR UPDATE", None)
    await _erase(connection, [session_id])


async def purge_deleted(connection: Connection, deleted_before: datetime, limit: int) -> int:
    """Erase the oldest entries of the trash."""
    rows = await connection.fetch(
        "SELECT id FROM sessions WHERE deleted_at < $1 ORDER BY deleted_at LIMIT $2 "
        "FOR UPDATE SKIP LOCKED",
        to_ms(deleted_before),
        limit,
    )
    await _erase(connection, [row["id"] for row in rows])
    return len(rows)


async def _erase(connection: Connection, session_ids: list[str]) -> None:
    for table, column in (("turns", "session_id"), ("messages", "session_id"), ("sessions", "id")):
        await connection.execute(
            f"DELETE FROM {table} WHERE {column} = ANY($1::text[])", session_ids
        )
    await connection.execute("INSERT INTO purged_sessions SELECT unnest($1::text[])", session_ids)


async def expire(
    connection: Connection,
    action: Literal["archive", "delete"],
    idle_since: datetime,
    at: datetime,
    limit: int,
) -> tuple[Session, ...]:
    """Archive or trash the longest idle sessions that nobody pinned and nothing runs in."""
    column = "archived_at" if action == "archive" else "deleted_at"
    rows = await connection.fetch(
        f"WITH idle AS (SELECT id FROM sessions WHERE deleted_at IS NULL AND archived_at IS NULL "
        "AND NOT pinned AND last_activity < $1 AND NOT EXISTS (SELECT 1 FROM turns "
        "WHERE session_id = sessions.id AND status IN ('queued', 'running')) "
        "ORDER BY last_activity LIMIT $2 FOR UPDATE SKIP LOCKED) "
        f"UPDATE sessions SET {column} = $3 FROM idle WHERE sessions.id = idle.id "
        f"RETURNING {', '.join('sessions.' + name for name in SESSION.split(', '))}",
        to_ms(idle_since),
        limit,
        to_ms(at),
    )
    return tuple(sorted(map(although_damaged, rows), key=lambda session: session.last_activity))


async def stats(connection: Connection, owner_id: str) -> StorageStats:
    """Counts without the trash."""
    row = await connection.fetchrow(
        "SELECT count(*), coalesce(sum(message_count), 0)::bigint FROM sessions "
        "WHERE owner_id = $1 AND deleted_at IS NULL",
        owner_id,
    )
    assert row is not None
    return StorageStats(total_sessions=row[0], total_messages=row[1])
