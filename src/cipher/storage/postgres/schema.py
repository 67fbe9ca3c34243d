"""Bringing a PostgreSQL database to the schema that this version knows.

The tables live in the schema `cipher`, the version in `cipher.schema_version`, which changes in the
same transaction as the tables: a process killed anywhere leaves the old schema or the new one. A
lock lets one server migrate while the others wait. A newer schema is refused and left alone.
"""

from __future__ import annotations

from typing import Final

from cipher.errors import StorageUnavailable
from cipher.storage.migrations import migrations_for
from cipher.storage.postgres.connections import SCHEMA, Connection, Connections

_LOCK: Final = 0x43495048  # "CIPH"; other programs lock other numbers


async def require_current(connections: Connections) -> None:
    """Refuse a schema that is not the newest known, for who may only read.

    Raises: StorageUnavailable for none, an older and a newer one.
    """
    newest = migrations_for("postgres")[-1].number

    async def look(connection: Connection) -> int:
        if not await connection.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.schema_version"):
            return 0
        version: int = await connection.fetchval("SELECT version FROM schema_version")
        return version

    version = await connections.read(look)
    _refuse_newer(version, newest)
    if version == 0:
        raise StorageUnavailable(
            "The database holds no conversations yet; starting the server prepares it."
        )
    if version < newest:
        raise StorageUnavailable(
            f"The database is of an older version of Cipher (schema {version}, this version has "
            f"{newest}); starting the server brings it up to date."
        )


async def migrate(connections: Connections) -> None:
    """Apply the steps that are missing, each in one transaction. Raises: StorageUnavailable."""
    steps = migrations_for("postgres")
    for step in steps:

        async def apply(
            connection: Connection, number: int = step.number, sql: str = step.sql
        ) -> None:
            version = await _version(connection)
            _refuse_newer(version, steps[-1].number)
            if version == number - 1:
                await connection.execute(sql)
                await connection.execute("UPDATE schema_version SET version = $1", number)

        await connections.write(apply)


def _refuse_newer(version: int, newest: int) -> None:
    if version > newest:
        raise StorageUnavailable(
            f"The database was made by a newer version of Cipher (schema {version}, this version "
            f"knows {newest}). Update Cipher to open it."
        )


async def _version(connection: Connection) -> int:
    """The schema version, 0 for a fresh database, with the lock of migrations taken."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    if not await connection.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.schema_version"):
        await connection.execute(
            f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}; "
            "CREATE TABLE schema_version (version integer NOT NULL); "
            "INSERT INTO schema_version VALUES (0)"
        )
    version: int = await connection.fetchval("SELECT version FROM schema_version")
    return version
