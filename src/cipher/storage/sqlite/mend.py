"""Making whole logs from the rows that were saved out of a damaged file.

Owns the rules by which gaps close: the messages that are left of a session are numbered anew from 1
in their old order, one whose parent is lost hangs below the nearest that is left above it, a
session whose row is lost gets one from its messages. Turns whose question or answer is lost are
left out: there is nothing to retry. A session that lost something says so in its metadata.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import apsw
import msgspec

from cipher.model import new_id, title_from
from cipher.storage.rows import MESSAGE, SESSION, encode_metadata, message_from, session_from
from cipher.storage.sqlite.check import TURNS_AMISS, unreadable

_SOME_TITLE = "Recovered conversation"


class SessionLoss(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A session that is not as it was: messages are lost, or its row was made anew."""

    session_id: str
    lost_messages: int
    rebuilt: bool


def mend(connection: apsw.Connection) -> Iterator[SessionLoss]:
    """Close the gaps in all logs. The foreign keys must be off until it has ended."""
    _drop_unreadable(connection)
    connection.execute(
        "DELETE FROM messages WHERE session_id IN (SELECT id FROM purged_sessions); "
        "DELETE FROM sessions WHERE id IN (SELECT id FROM purged_sessions)"
    )
    rebuilt = list(_rebuild_sessions(connection))
    # A head that the count does not agree with is damaged, and tells nothing of what is lost.
    heads: list[tuple[Any, ...]] = connection.execute(
        "SELECT id, iif(head_seq = message_count, head_seq, 0), leaf_seq FROM sessions"
    ).fetchall()
    for session_id, head, leaf in heads:
        lost = _close_gaps(connection, session_id, head, leaf)
        if lost or session_id in rebuilt:
            _mark(connection, session_id, lost)
            yield SessionLoss(
                session_id=session_id, lost_messages=lost, rebuilt=session_id in rebuilt
            )
    connection.execute("DELETE FROM turns WHERE session_id NOT IN (SELECT id FROM sessions)")
    for query in TURNS_AMISS:
        for place in connection.execute(query).fetchall():
            connection.execute("DELETE FROM turns WHERE session_id = ? AND id = ?", place)


def _drop_unreadable(connection: apsw.Connection) -> None:
    """Leave out rows whose values are none of ours; damaged metadata becomes empty."""
    for row in connection.execute(f"SELECT {SESSION} FROM sessions").fetchall():
        if unreadable(session_from, row):
            emptied = (*row[:12], "{}")
            connection.execute("UPDATE sessions SET metadata = '{}' WHERE id = ?", (row[0],))
            if unreadable(session_from, emptied):
                connection.execute("DELETE FROM sessions WHERE id = ?", (row[0],))
    bad = [
        row[-1]
        for row in connection.execute(f"SELECT {MESSAGE}, rowid FROM messages")
        if row[0] < 1 or unreadable(message_from, row)
    ]
    connection.executemany("DELETE FROM messages WHERE rowid = ?", ((rowid,) for rowid in bad))


def _rebuild_sessions(connection: apsw.Connection) -> Iterator[str]:
    """Make a row for each session of which only messages are left."""
    orphans: list[tuple[Any, ...]] = connection.execute(
        "SELECT session_id, min(owner_id), min(timestamp), max(timestamp), max(seq) FROM messages "
        "WHERE session_id NOT IN (SELECT id FROM sessions) GROUP BY session_id"
    ).fetchall()
    for session_id, owner_id, first, last, head in orphans:
        opening = connection.execute(
            f"SELECT {MESSAGE} FROM messages WHERE session_id = ? AND role = 'user' "
            "ORDER BY seq LIMIT 1",
            (session_id,),
        ).fetchone()
        title = title_from(message_from(opening).content) if opening else ""
        connection.execute(
            "INSERT INTO sessions (id, owner_id, title, created_at, last_activity, epoch, "
            "head_seq, message_count, leaf_seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?7)",
            (session_id, owner_id, title or _SOME_TITLE, first, last, new_id(), head),
        )
        yield session_id


def _close_gaps(connection: apsw.Connection, session_id: str, head: int, leaf: int) -> int:
    """Number the messages of a session 1, 2, 3…; returns how many are lost, as far as is known."""
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT seq, parent_seq FROM messages WHERE session_id = ? ORDER BY seq", (session_id,)
    ).fetchall()
    left = [seq for seq, _ in rows]

    def place(seq: int) -> int:
        """The new number of a message, or of the nearest above it that is left."""
        return bisect_right(left, seq)

    # Ascending, and never to a higher number: no two have the same one in between.
    for number, (seq, parent) in enumerate(rows, start=1):
        above = min(place(parent), number - 1)
        if (number, above) != (seq, parent):
            connection.execute(
                "UPDATE messages SET seq = ?, parent_seq = ? WHERE session_id = ? AND seq = ?",
                (number, above, session_id, seq),
            )
    count = len(rows)
    connection.execute(
        "UPDATE messages SET owner_id = (SELECT owner_id FROM sessions WHERE id = ?1) "
        "WHERE session_id = ?1",
        (session_id,),
    )
    connection.execute(
        "UPDATE sessions SET head_seq = ?1, message_count = ?1, leaf_seq = ?2 WHERE id = ?3",
        (count, place(leaf), session_id),
    )
    _move_turns(connection, session_id, left)
    return max(0, head - count, left[-1] - count if left else 0)


def _move_turns(connection: apsw.Connection, session_id: str, left: list[int]) -> None:
    """Point the turns of a session at the new numbers, and leave out those that lost a message."""
    numbers = {seq: number for number, seq in enumerate(left, start=1)}
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT rowid, user_seq, answer_seq FROM turns WHERE session_id = ?", (session_id,)
    ).fetchall()
    for rowid, user_seq, answer_seq in rows:
        if user_seq not in numbers or (answer_seq is not None and answer_seq not in numbers):
            connection.execute("DELETE FROM turns WHERE rowid = ?", (rowid,))
            continue
        connection.execute(
            "UPDATE turns SET user_seq = ?, answer_seq = ? WHERE rowid = ?",
            (numbers[user_seq], numbers.get(answer_seq), rowid),
        )


def _mark(connection: apsw.Connection, session_id: str, lost: int) -> None:
    """Say in the metadata of a session that it went through a recovery."""
    text = connection.execute("SELECT metadata FROM sessions WHERE id = ?", (session_id,)).get
    metadata = {**msgspec.json.decode(text), "recovered": {"lostMessages": lost}}
    connection.execute(
        "UPDATE sessions SET metadata = ? WHERE id = ?",
        (encode_metadata(metadata), session_id),
    )
