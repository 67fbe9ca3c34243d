"""Whether a SQLite database holds what its logs promise.

Owns the questions: SQLite's own check of its pages and indexes, foreign keys, the schema, and the
invariants of sessions, messages and turns. Reads only, in one transaction, beside a running server.
Promises: a database without a finding serves every conversation whole. It can not tell whether a
text is the one that was stored: rows have no checksum.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import apsw
import msgspec

from cipher.errors import StorageCorrupt, StorageError
from cipher.storage.rows import MESSAGE, SESSION, message_from, session_from
from cipher.storage.sqlite.backup import OnProgress, silently
from cipher.storage.sqlite.connection import DRIVER_ERRORS, connect
from cipher.storage.sqlite.schema import schema_of, tables_of, version_of

Kind = Literal["file", "schema", "reference", "session", "message", "turn"]

MAX_FINDINGS = 1_000
"""Beyond it a check stops: the file is damaged all over."""
_STEP = 1_000
"""Messages between two reports of progress."""

_MISCOUNTED = (
    "SELECT s.id, s.head_seq, s.message_count, s.leaf_seq, count(m.seq), min(m.seq), max(m.seq) "
    "FROM sessions s LEFT JOIN messages m ON m.session_id = s.id GROUP BY s.id "
    "HAVING count(m.seq) <> s.head_seq OR s.message_count <> s.head_seq "
    "OR (s.head_seq > 0 AND (min(m.seq) <> 1 OR max(m.seq) <> s.head_seq)) "
    "OR s.leaf_seq NOT BETWEEN 0 AND s.head_seq"
)
_MISPLACED = (
    "SELECT m.session_id, m.seq FROM messages m LEFT JOIN sessions s ON s.id = m.session_id "
    "WHERE m.parent_seq < 0 OR m.parent_seq >= m.seq OR m.owner_id IS NOT s.owner_id"
)
_PURGED = "SELECT id FROM sessions WHERE id IN (SELECT id FROM purged_sessions)"
# Each ended attempt has one answer, and `answer_seq` is that of the last one.
_UNANSWERED = (
    "SELECT t.session_id, t.id FROM turns t LEFT JOIN messages a ON a.session_id = t.session_id "
    "AND a.seq > t.user_seq AND a.turn_id = t.id AND a.role = 'assistant' GROUP BY t.rowid "
    "HAVING count(DISTINCT a.attempt) <> t.attempt - (t.status IN ('queued', 'running')) "
    "OR count(a.seq) <> count(DISTINCT a.attempt) "
    "OR (t.status NOT IN ('queued', 'running') AND max(a.seq) IS NOT t.answer_seq)"
)
_UNASKED = (
    "SELECT t.session_id, t.id FROM turns t LEFT JOIN messages u ON u.session_id = t.session_id "
    "AND u.seq = t.user_seq WHERE u.role IS NOT 'user' OR t.status NOT IN "
    "('queued', 'running', 'complete', 'cancelled', 'failed', 'interrupted')"
)

TURNS_AMISS = (_UNANSWERED, _UNASKED)
"""Queries for turns, by session and id, that are not whole."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One thing that is not as it should be. `detail` never holds what a person wrote."""

    kind: Kind
    detail: str
    session_id: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a check found; without findings the database is whole."""

    schema_version: int = 0
    sessions: int = 0
    messages: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def whole(self) -> bool:
        return not self.findings


def check(path: Path, *, on_progress: OnProgress = silently) -> Report:
    """Check the file at `path`. Raises: StorageError where it can not be looked at at all."""
    try:
        with closing(connect(path, read_only=True)) as connection:
            # Who closes a file last would move its WAL into it: it is only looked at here.
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            return examine(connection, on_progress=on_progress)
    except StorageCorrupt as error:
        return Report(findings=(Finding(kind="file", detail=error.message),))


def require_whole_lists(connection: apsw.Connection) -> None:
    """Refuse a database whose table of sessions or an index of it is damaged.

    A log with something missing is noticed where it is read, for its messages are numbered; a list
    with something missing looks like a list. Takes 2 to 3 µs a session. Raises: StorageCorrupt.
    """
    if connection.pragma("integrity_check", "sessions") != "ok":
        raise StorageCorrupt


def examine(connection: apsw.Connection, *, on_progress: OnProgress = silently) -> Report:
    """Check a database that is open. Raises: StorageCorrupt for another program's."""
    found: list[Finding] = []
    version = sessions_count = messages_count = 0
    try:
        with connection:
            version = version_of(connection)
            sessions_count = connection.execute("SELECT count(*) FROM sessions").get
            messages_count = connection.execute("SELECT count(*) FROM messages").get
            for finding in _findings(connection, version, messages_count, on_progress):
                found.append(finding)
                if len(found) == MAX_FINDINGS:
                    break
    except StorageError:
        raise
    except DRIVER_ERRORS as error:
        found.append(Finding(kind="file", detail=f"Reading breaks off: {error}"))
    return Report(
        schema_version=version,
        sessions=sessions_count,
        messages=messages_count,
        findings=tuple(found),
    )


def _findings(
    connection: apsw.Connection, version: int, total: int, on_progress: OnProgress
) -> Iterator[Finding]:
    for (line,) in connection.execute(f"PRAGMA integrity_check({MAX_FINDINGS})"):
        if line != "ok":
            yield Finding(kind="file", detail=line)
    if schema_of(connection) != tables_of(version):
        yield Finding(kind="schema", detail=f"The tables are not those of schema {version}.")
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield Finding(kind="reference", detail=f"A row of {table} belongs to no row of {parent}.")
    yield from _of_sessions(connection)
    yield from _of_messages(connection, total, on_progress)
    yield from _of_turns(connection)


def _of_sessions(connection: apsw.Connection) -> Iterator[Finding]:
    for session_id, head, count, leaf, stored, first, last in connection.execute(_MISCOUNTED):
        yield Finding(
            kind="session",
            session_id=session_id,
            detail=f"It says head {head}, count {count}, leaf {leaf}; stored are {stored} messages "
            f"from {first} to {last}.",
        )
    for (session_id,) in connection.execute(_PURGED):
        yield Finding(kind="session", session_id=session_id, detail="It was purged and is there.")
    for row in connection.execute(f"SELECT {SESSION} FROM sessions"):
        if (reason := unreadable(session_from, row)) is not None:
            yield Finding(kind="session", session_id=row[0], detail=reason)


def _of_messages(
    connection: apsw.Connection, total: int, on_progress: OnProgress
) -> Iterator[Finding]:
    for session_id, seq in connection.execute(_MISPLACED):
        detail = f"Message {seq} has a parent that is not above it, or another owner."
        yield Finding(kind="message", session_id=session_id, detail=detail)
    rows = connection.execute(f"SELECT {MESSAGE}, session_id FROM messages")
    for done, row in enumerate(rows, start=1):
        if (reason := unreadable(message_from, row)) is not None:
            detail = f"Message {row[0]}: {reason}"
            yield Finding(kind="message", session_id=row[-1], detail=detail)
        if done % _STEP == 0 or done == total:
            on_progress(done, total)


def _of_turns(connection: apsw.Connection) -> Iterator[Finding]:
    for session_id, turn_id in connection.execute(_UNANSWERED):
        detail = f"Turn {turn_id} has not one answer for each attempt that ended."
        yield Finding(kind="turn", session_id=session_id, detail=detail)
    for session_id, turn_id in connection.execute(_UNASKED):
        detail = f"Turn {turn_id} answers no message of a person, or has no known status."
        yield Finding(kind="turn", session_id=session_id, detail=detail)


def unreadable(read: Any, row: tuple[Any, ...]) -> str | None:
    """Why a row is none of ours, without its content; None if it is one."""
    try:
        noun = read(row)
        msgspec.convert(msgspec.to_builtins(noun), type(noun))
    except (StorageCorrupt, msgspec.MsgspecError, ValueError, TypeError) as error:
        return f"It can not be read ({type(error).__name__})."
    return None
