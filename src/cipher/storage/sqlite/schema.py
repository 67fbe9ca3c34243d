"""Bringing a SQLite file to the schema that this version knows.

The version is `PRAGMA user_version`, which changes in the same transaction as the schema, so that a
process killed anywhere leaves the old schema or the new one. A file of a newer version, or one that
belongs to another program, is refused and left alone.
"""

from __future__ import annotations

import apsw

from cipher.errors import StorageCorrupt, StorageUnavailable
from cipher.storage.migrations import migrations_for

APPLICATION_ID = 0x43495048  # "CIPH", so that tools can tell whose file it is


def migrate(connection: apsw.Connection) -> int:
    """Apply the steps that are missing, each in one transaction; returns the schema version.

    Raises: StorageUnavailable for a newer schema, StorageCorrupt for another program's database.
    """
    steps = migrations_for("sqlite")
    _refuse_newer(_version(connection), steps[-1].number)
    if connection.pragma("journal_mode", "wal") != "wal":
        raise StorageUnavailable("The file system of the database can not share memory for a WAL.")
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = _version(connection)
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


def require_current(connection: apsw.Connection) -> None:
    """Refuse a schema that is not the newest known, for who may only read.

    Raises: StorageUnavailable for an older or a newer one, StorageCorrupt for another program's.
    """
    newest = migrations_for("sqlite")[-1].number
    version = _version(connection)
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


def _version(connection: apsw.Connection) -> int:
    with connection:  # one snapshot, for another process may be migrating
        version = connection.pragma("user_version")
        owner = connection.pragma("application_id")
        empty = connection.execute("SELECT 1 FROM sqlite_schema").get is None
    if owner != APPLICATION_ID and not (owner == 0 and version == 0 and empty):
        raise StorageCorrupt("The file is a database of another program; it was left untouched.")
    assert isinstance(version, int)
    return version
