"""Copies of a SQLite database that is in use.

Owns making them with SQLite's backup API inside one read transaction: a copy is the database at one
moment, writers go on meanwhile (only their WAL can not be reused until the copy is made). Promises:
a copy appears under its name when it is whole, checked and on disk; it is one file without a WAL,
for its owner only; nothing is written over.
"""

from __future__ import annotations

import filecmp
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw

from cipher.errors import StorageCorrupt, StorageError, StorageFull
from cipher.storage.sqlite.connection import connect, translated_errors
from cipher.storage.sqlite.files import beside, publish, temporary_beside
from cipher.storage.sqlite.schema import version_of

OnProgress = Callable[[int, int], None]
"""Is told how much is done, and of how much."""

_PAGES = 1_000
"""Pages (4 KiB) that are copied between two reports of progress."""
_DAMAGED = (
    "The database is damaged: no backup was kept. `cipher db check` says what is wrong with it, "
    "and `cipher db check --recover` saves what can be read."
)


def silently(done: int, total: int) -> None:
    """Report no progress."""


def back_up(path: Path, target: Path, *, on_progress: OnProgress = silently) -> None:
    """Copy the database at `path` as it is now to a file that must not exist.

    Raises: FileExistsError; StorageCorrupt for a database that is damaged or not ours;
    StorageError.
    """
    if target.exists():
        raise FileExistsError(target)
    with translated_errors(), closing(connect(path, read_only=True)) as connection:
        version_of(connection)
        with temporary_beside(target) as temporary:
            copy(connection, temporary, on_progress=on_progress)
            publish(temporary, target)


def keep_copy(connection: apsw.Connection, name: Path, *, vfs: str | None = None) -> Path:
    """Copy a database under a name, or that with a number if another copy has it.

    A start that fails and is tried again keeps one copy, not one each time. Returns the copy.
    Raises: StorageError; StorageFull where there is no room for a copy.
    """
    try:
        with temporary_beside(name) as temporary:
            copy(connection, temporary, vfs=vfs)
            number, target = 1, name
            while target.exists():
                if filecmp.cmp(temporary, target, shallow=False):
                    return target
                number += 1
                target = beside(name, f".{number}")
            publish(temporary, target)
            return target
    except StorageFull as error:
        raise StorageFull(
            "There is no room for the copy of the database that is kept before it is brought up to "
            "date; nothing was changed."
        ) from error
    except FileExistsError as error:
        raise StorageError("Another process brings the database up to date.") from error


def copy(
    source: apsw.Connection,
    target: Path,
    *,
    vfs: str | None = None,
    complaint: str = _DAMAGED,
    on_progress: OnProgress = silently,
) -> None:
    """Copy a database into an empty file and check the copy.

    Raises: StorageCorrupt with the complaint for one that is damaged, StorageError.
    """
    with translated_errors(), closing(apsw.Connection(str(target), vfs=vfs)) as connection:
        connection.pragma("synchronous", "off")  # whoever gives it its name syncs it
        with source:  # one transaction, so that the steps below see one moment
            source.execute("SELECT 1 FROM sqlite_schema").get  # noqa: B018 - it begins here
            work = connection.backup("main", source, "main")
            try:
                while not work.done:
                    work.step(_PAGES)
                    on_progress(work.page_count - work.remaining, work.page_count)
            finally:
                work.close(True)  # what was wrong has been raised by the step
        if connection.pragma("journal_mode", "delete") != "delete":
            raise StorageError("The copy can not be made one file.")
        try:
            found = connection.pragma("integrity_check")
        except apsw.CorruptError as error:
            raise StorageCorrupt(complaint) from error
        if found != "ok":
            raise StorageCorrupt(complaint)
