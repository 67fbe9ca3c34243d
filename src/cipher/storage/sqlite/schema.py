"""Bringing a SQLite file to the schema that this version knows.

The version is `PRAGMA user_version`, which changes in the same transaction as the schema, so that a
process killed anywhere leaves the old schema or the new one. Before a database with data is changed
a copy of it is kept. A file of a newer version, or one that belongs to another program, is refused
and left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import apsw

from cipher.errors import StorageCorrupt, StorageUnavailable
from cipher.storage.migrations import Migration, migrations_for

APPLICATION_ID = 0x43495048  # "CIPH", so that tools can tell whose file it is


def migrate(
    connection: apsw.Connection,
    *,
    steps: Sequence[Migration] | None = None,
    before: Callable[[int], None] = lambda _: None,
) -> int:
    """Apply the steps that are missing, each in one transaction; returns the schema version.

    `steps` are those of this version unless others are given. `before` is called with the present
    version before a database that has one is changed; what it raises leaves everything as it is.

    Raises: StorageUnavailable for a newer schema, StorageCorrupt for another program's database.
    """
    steps = migrations_for("sqlite") if steps is None else steps
    present = version_of(connection)
    _refuse_newer(present, steps[-1].number)
    if 0 < present < steps[-1].number:
        before(present)
    if connection.pragma("journal_mode", "wal") != "wal":
        raise StorageUnavailable("The file system of the database can not share memory for a WAL.")
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = version_of(connection)
            _refuse_newer(version, steps[-1].number)
            missing = [step for step in steps if step.number == version + 1]
            if not missing:
                return version
            connection.execute(missing[0].sql)
            connection.pragma("application_id", APPLICATION_ID)
            connection.pragma("user_version", missing[0].number)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def is_older(connection: apsw.Connection, steps: Sequence[Migration] | None = None) -> bool:
    """Whether `migrate` would change a database that has a schema already. Raises as it does."""
    steps = migrations_for("sqlite") if steps is None else steps
    version = version_of(connection)
    _refuse_newer(version, steps[-1].number)
    return 0 < version < steps[-1].number


def tables_of(version: int, steps: Sequence[Migration] | None = None) -> list[tuple[Any, ...]]:
    """The type, name and SQL of everything in the schema of a version, in the order of names."""
    memory = apsw.Connection(":memory:")
    for step in migrations_for("sqlite") if steps is None else steps:
        if step.number <= version:
            memory.execute(step.sql)
    return schema_of(memory)


def schema_of(connection: apsw.Connection) -> list[tuple[Any, ...]]:
    """The same of a database that is open."""
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    ).fetchall()
    return rows


def require_current(connection: apsw.Connection, steps: Sequence[Migration] | None = None) -> None:
    """Refuse a schema that is not the newest known, for who may only read.

    Raises: StorageUnavailable for an older or a newer one, StorageCorrupt for another program's.
    """
    newest = (migrations_for("sqlite") if steps is None else steps)[-1].number
    version = version_of(connection)
    _refuse_newer(version, newest)
    if version < newest:
        raise StorageUnavailable(
            f"The database is of an older version of Cipher (schema {version}, this version has "
            f"{newest}); starting the server brings it up to date."
        )


def _refuse_newer(version: int, newest: int) -> None:
    if version > newest:
        raise StorageUnavailable(
            f"The database was made by a newer version of Cipher (schema {version}, "
            f"this version knows {newest}). Update Cipher to open it."
        )


def version_of(connection: apsw.Connection) -> int:
    """The schema version, 0 for a database without tables. Raises: StorageCorrupt."""
    with connection:  # one snapshot, for another process may be migrating
        version = connection.pragma("user_version")
        owner = connection.pragma("application_id")
        empty = connection.execute("SELECT 1 FROM sqlite_schema").get is None
    if owner != APPLICATION_ID and not (owner == 0 and version == 0 and empty):
        raise StorageCorrupt("The file is a database of another program; it was left untouched.")
    assert isinstance(version, int)
    return version
