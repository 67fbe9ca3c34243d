"""The database that a command works on: found by the settings, opened beside a running server.

Owns the flags that name it, the opening, Ctrl-C, and what is said where an argument is missing.
Commands that only read open the file for reading: they make none, migrate none and need no free
space; a file of an older version is refused with the way out. Only `import` may make a file that is
not there yet.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cipher.cli import Failure, NotThere
from cipher.errors import StorageError

if TYPE_CHECKING:
    from cipher.config import Settings
    from cipher.storage.base import DatabaseBackend

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


def database_flags(command: Command) -> Command:
    """Give a command the flags that say where the database is, as `where`."""
    kind = click.option(
        "--database-type",
        "--storage-database-type",
        "database_type",
        metavar="sqlite|postgres",
        help="Where conversations are kept. [STORAGE_DATABASE_TYPE; default: sqlite]",
    )
    url = click.option(
        "--database-url",
        "--storage-database-url",
        "database_url",
        metavar="URL",
        help="PostgreSQL's URL. [STORAGE_DATABASE_URL]",
    )
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
    return kind(path(name(url(command))))


class Needed(click.Argument):
    """An argument that must be there; where it is not, `hint` says what it is and an example."""

    def __init__(self, *args: Any, hint: str, **attributes: Any) -> None:
        super().__init__(*args, **{**attributes, "required": True})
        self._hint = hint

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        try:
            return super().process_value(ctx, value)
        except click.MissingParameter as error:
            hint = self._hint.format(command=ctx.command_path)
            raise click.MissingParameter(hint, ctx, self) from error


def place_of(settings: Settings) -> str:
    """Where the settings keep conversations, in a word that shows no password."""
    if settings.storage_database_type == "sqlite":
        return str(settings.database_file)
    return "PostgreSQL"


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part to its end. Raises: KeyboardInterrupt.

    Ctrl-C ends it between two steps of the loop: asyncio's own handler does so in the middle of
    any, and one that it caught while a future was being settled was lost.
    """
    import asyncio

    async def interruptible() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def interrupt() -> None:
            # The next one ends the process wherever it is.
            loop.remove_signal_handler(signal.SIGINT)
            task.cancel()

        loop.add_signal_handler(signal.SIGINT, interrupt)
        try:
            return await work
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def settings_of(where: dict[str, str | None]) -> Settings:
    """The settings that flags and everything else name. Raises: Failure, SettingsError.

    From here on rooms may log, and standard output is for answers.
    """
    import structlog

    from cipher.config import load_settings

    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))

    settings = load_settings(**{f"storage_{name}": value for name, value in where.items()})
    if settings.storage_database_type == "in-memory" or not settings.session_persistence_enabled:
        raise Failure("The settings keep sessions in the server's memory only; none is stored.")
    return settings


@asynccontextmanager
async def opened(
    where: dict[str, str | None], *, read_only: bool = False, make: bool = False
) -> AsyncIterator[DatabaseBackend]:
    """The database that flags and settings name; `make` allows one that does not exist yet.

    Raises: NotThere, Failure, SettingsError.
    """
    from cipher.storage.manager import StorageManager

    settings = settings_of(where)
    if settings.storage_database_type == "sqlite":
        file = settings.database_file
        if not make and not file.exists():
            raise NotThere(f"There is no database at {file} yet.")
        if read_only and not os.access(file, os.R_OK):
            raise Failure(f"This user may not read {file}.")
    storage = StorageManager.from_settings(settings, read_only=read_only)
    try:
        await storage.open()
    except StorageError as error:
        raise Failure(f"{error.message} ({place_of(settings)})") from error
    try:
        yield storage.database
    finally:
        await storage.close()
