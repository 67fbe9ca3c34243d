"""The database that a command works on: found by the settings, opened beside a running server.

Owns the flags that name it and the opening. Commands that only read open the file for reading: they
make none, migrate none and need no free space; a file of an older version is refused with the way
out. Only `import` may make a file that is not there yet.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cipher.cli import Failure, NotThere
from cipher.errors import StorageError

if TYPE_CHECKING:
    from cipher.storage.base import DatabaseBackend

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


def database_flags(command: Command) -> Command:
    """Give a command the flags that say where the database is, as `where`."""
    path = click.option(
        "--database-path",
        "--storage-database-path",
        "database_path",
        metavar="FOLDER",
        help="Folder of the SQLite file. [STORAGE_DATABASE_PATH; default: ./data]",
    )
    name = click.option(
        "--database-name",
        "--storage-database-name",
        "database_name",
        metavar="NAME",
        help="Name of the SQLite file. [STORAGE_DATABASE_NAME; default: cipher-sessions.db]",
    )
    return path(name(command))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part to its end."""
    import asyncio

    return asyncio.run(work)


@asynccontextmanager
async def opened(
    where: dict[str, str | None], *, read_only: bool = False, make: bool = False
) -> AsyncIterator[DatabaseBackend]:
    """The database that flags and settings name; `make` allows one that does not exist yet.

    Raises: NotThere, Failure, SettingsError.
    """
    from cipher.config import load_settings
    from cipher.storage.manager import StorageManager

    settings = load_settings(
        storage_database_path=where["database_path"], storage_database_name=where["database_name"]
    )
    if settings.storage_database_type == "in-memory" or not settings.session_persistence_enabled:
        raise Failure("The settings keep sessions in the server's memory only; none is stored.")
    file = settings.database_file
    if not make and not file.exists():
        raise NotThere(f"There is no database at {file} yet.")
    if read_only and not os.access(file, os.R_OK):
        raise Failure(f"This user may not read {file}.")
    storage = StorageManager.from_settings(settings, read_only=read_only)
    try:
        await storage.open()
    except StorageError as error:
        raise Failure(f"{error.message} ({file})") from error
    try:
        yield storage.database
    finally:
        await storage.close()
