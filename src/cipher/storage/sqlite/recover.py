"""Saving what can be read out of a damaged SQLite file into a new one.

Owns the reading of rows around damaged pages, on a scratch copy with a mended header where that is
needed, and the making of whole logs from what is left: what is lost leaves no gap, a message whose
parent is lost hangs below the next one above, and every log gets a new epoch. Promises: the damaged
file is not touched; the new one passes `check`; what was lost is counted where it can be known.
SQLite's own recovery extension is not part of apsw.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import apsw
import msgspec

from cipher.errors import StorageCorrupt, StorageUnavailable
from cipher.storage.migrations import migrations_for
from cipher.storage.sqlite.backup import OnProgress, silently
from cipher.storage.sqlite.check import examine
from cipher.storage.sqlite.connection import connect, translated_errors
from cipher.storage.sqlite.files import (
    beside,
    publish,
    take_lock,
    temporary_beside,
    translated_os_errors,
)
from cipher.storage.sqlite.mend import SessionLoss, mend
from cipher.storage.sqlite.restore import renew
from cipher.storage.sqlite.schema import APPLICATION_ID, migrate

MAX_FAILURES = 2_000_000
"""Reads that may fail in one table before the rest of it is given up: about a minute."""
_PAGE = 4096
_HEADER = 100
_IN_USE = "A server uses this database; stop it first."
_UNREADABLE = (
    "Nothing can be read out of this file: it is no database of Cipher, or too much of it is gone. "
    "It was left untouched."
)
_READING_ERRORS = (apsw.CorruptError, apsw.NotADBError, apsw.IOError, apsw.CantOpenError)


class TableLoss(msgspec.Struct, frozen=True, kw_only=True):
    """What was saved of a table; `lost` is None where nothing tells how much there was."""

    table: str
    saved: int
    lost: int | None


class Recovered(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a recovery saved, and which sessions it changed."""

    tables: tuple[TableLoss, ...]
    sessions: tuple[SessionLoss, ...]
    interrupted: int


def recover(path: Path, target: Path, *, on_progress: OnProgress = silently) -> Recovered:
    """Save what can be read out of `path` into `target`, which must not exist.

    Raises: FileExistsError; StorageUnavailable while a server has the file; StorageCorrupt if
    nothing can be read; StorageError.
    """
    if target.exists():
        raise FileExistsError(target)
    with ExitStack() as stack:
        if beside(path, ".lock").exists():
            try:
                stack.enter_context(take_lock(path))
            except StorageUnavailable as error:
                raise StorageUnavailable(_IN_USE) from error
        scratch = stack.enter_context(temporary_beside(target))
        blank = stack.enter_context(temporary_beside(target))
        fresh = stack.enter_context(temporary_beside(target))
        stack.enter_context(translated_errors())
        _make(blank, migrations_for("sqlite")[-1].number)
        source = stack.enter_context(closing(_readable(path, scratch, blank)))
        version = _version(source)
        _make(fresh, version)
        with closing(connect(fresh)) as saved:
            saved.pragma("foreign_keys", False)
            tables = [_save(source, saved, name, on_progress) for name in _tables(saved)]
            migrate(saved)
            with saved:
                sessions = tuple(mend(saved))
            saved.pragma("foreign_keys", True)
            interrupted = renew(saved)
            if not examine(saved).whole:
                raise StorageCorrupt(_UNREADABLE)
            saved.pragma("journal_mode", "delete")
        publish(fresh, target)
    return Recovered(
        tables=_with_lost(tables, sessions), sessions=sessions, interrupted=interrupted
    )


def _make(path: Path, version: int) -> None:
    """Make the empty tables of a version in an empty file."""
    with closing(connect(path, new=True)) as connection:
        migrate(connection, steps=migrations_for("sqlite")[:version])


def _readable(path: Path, scratch: Path, blank: Path) -> apsw.Connection:
    """A connection to a copy of the file whose tables can be found.

    Tried as it is, then with the header of a blank database, then with all pages of its schema:
    those are the same in every file that one version has made. Raises: StorageCorrupt.
    """
    with closing(connect(blank)) as connection:
        query = "SELECT pageno FROM dbstat WHERE name = 'sqlite_schema'"
        schema_pages = [number for (number,) in connection.execute(query)]
    whole = blank.read_bytes()
    for pages in (None, [], schema_pages):
        with translated_os_errors():
            _copy(path, scratch)
            if pages is not None:
                _graft(whole, scratch, pages)
        connection = apsw.Connection(str(scratch), flags=apsw.SQLITE_OPEN_READWRITE)
        with suppress(apsw.Error):
            connection.pragma("query_only", True)
            query = "SELECT count(*) FROM sqlite_schema WHERE name IN ('sessions', 'messages')"
            if connection.execute(query).get == 2 and _holds_something(connection):
                return connection
        connection.close()
    raise StorageCorrupt(_UNREADABLE)


def _copy(path: Path, scratch: Path) -> None:
    for end in ("", "-wal"):
        beside(scratch, end).unlink(missing_ok=True)
        if beside(path, end).exists():
            shutil.copyfile(beside(path, end), beside(scratch, end))
            beside(scratch, end).chmod(0o600)


def _graft(blank: bytes, scratch: Path, pages: list[int]) -> None:
    """Write pages of a blank database, at least its header, over those of a file."""
    count = scratch.stat().st_size // _PAGE
    header = bytearray(blank[:_HEADER])
    header[28:32] = count.to_bytes(4, "big")
    header[32:40] = bytes(8)  # no free pages that anything could be written to
    header[92:96] = header[24:28]  # the count of pages is to be believed
    with scratch.open("r+b") as file:
        for number in pages:
            file.seek((number - 1) * _PAGE)
            file.write(blank[(number - 1) * _PAGE : number * _PAGE])
        file.seek(0)
        file.write(header)


def _holds_something(connection: apsw.Connection) -> bool:
    return any(
        next(_rows(connection, table, "rowid"), None) is not None
        for table in ("sessions", "messages")
    )


def _version(connection: apsw.Connection) -> int:
    """The schema version, if the header can be believed; else the newest."""
    newest = migrations_for("sqlite")[-1].number
    version = connection.pragma("user_version")
    ours = connection.pragma("application_id") == APPLICATION_ID
    return version if ours and 0 < version <= newest else newest


def _tables(connection: apsw.Connection) -> list[str]:
    """The tables that hold data of their own, parents first."""
    rows = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
        "AND name NOT LIKE 'sqlite_%' AND name <> 'durability_check'"
    )
    return sorted((name for (name,) in rows), key=lambda name: (name != "sessions", name))


def _save(
    source: apsw.Connection, saved: apsw.Connection, table: str, on_progress: OnProgress
) -> TableLoss:
    """Copy the rows of a table that can be read and have the types of its columns."""
    columns = [row[1] for row in saved.execute(f"PRAGMA table_info({table})")]
    insert = f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(columns))})"
    total = _last_rowid(source, table)
    with saved:
        for done, row in enumerate(_rows(source, table, ", ".join(columns)), start=1):
            # A row that is none does not fit the types or the rules of the table.
            with suppress(apsw.ConstraintError, apsw.MismatchError):
                saved.execute(insert, row)
            if done % 1_000 == 0:
                on_progress(min(done, total), total)
    count = saved.execute(f"SELECT count(*) FROM {table}").get
    expected = _expected(source, table)
    return TableLoss(
        table=table,
        saved=count,
        lost=None if expected is None else max(0, expected - count),
    )


def _rows(connection: apsw.Connection, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    """All rows that can be read, in the order of their rowids, around the damaged pages.

    Where reading a range fails it goes on behind the last good row, in halves: what can not be read
    is at last a range of one row.
    """
    ranges, failures = [(1, _last_rowid(connection, table))], 0
    while ranges and failures < MAX_FAILURES:
        low, high = ranges.pop()
        try:
            for row in connection.execute(
                f"SELECT rowid, {columns} FROM {table} NOT INDEXED "
                "WHERE rowid BETWEEN ? AND ? ORDER BY rowid",
                (low, high),
            ):
                if row[0] < low:
                    raise apsw.CorruptError("rowids out of order")
                low = row[0] + 1
                yield row[1:]
        except (*_READING_ERRORS, UnicodeDecodeError):
            failures += 1
            if low < high:
                middle = (low + high) // 2
                ranges += [(middle + 1, high), (low, middle)]


def _last_rowid(connection: apsw.Connection, table: str) -> int:
    """The highest rowid, as an index or the table itself says, or the most that there can be."""
    for where in (*(f"INDEXED BY {name}" for name in _indexes(connection, table)), "NOT INDEXED"):
        with suppress(*_READING_ERRORS):
            last = connection.execute(f"SELECT max(rowid) FROM {table} {where}").get
            if last is not None:
                return int(last)
    return int(connection.pragma("page_count")) * _PAGE // 16


def _expected(connection: apsw.Connection, table: str) -> int | None:
    """How many rows the table had, as a whole index says."""
    for name in _indexes(connection, table):
        with suppress(*_READING_ERRORS):
            count: int = connection.execute(f"SELECT count(*) FROM {table} INDEXED BY {name}").get
            return count
    return None


def _indexes(connection: apsw.Connection, table: str) -> list[str]:
    """The indexes that hold every row of a table, those of a primary key among them."""
    rows = connection.execute("SELECT name FROM pragma_index_list(?) WHERE partial = 0", (table,))
    return [name for (name,) in rows]


def _with_lost(tables: list[TableLoss], sessions: tuple[SessionLoss, ...]) -> tuple[TableLoss, ...]:
    """The tables, with the messages counted that their sessions miss."""
    missed = sum(loss.lost_messages for loss in sessions)
    return tuple(
        msgspec.structs.replace(table, lost=max(table.lost or 0, missed))
        if table.table == "messages"
        else table
        for table in tables
    )
