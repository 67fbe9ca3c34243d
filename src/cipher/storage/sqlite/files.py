"""Whole files: made private, put in place at once, set aside, and locked by the server.

Owns what happens to a database file from outside. Promises: a file appears under its name when it
is complete and on disk, and not before; nothing that holds data is written over or deleted. Knows
nothing of what is inside.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from cipher.errors import ReadOnly, StorageError, StorageFull, StorageUnavailable

SIDECARS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, by the ends of the names."""

_NAMED = 50
"""Characters of a file's name that its temporary file shows: the whole may leave no room."""
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_RIGHT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def beside(path: Path, end: str) -> Path:
    """The file whose name is that of `path` with an end."""
    return path.with_name(path.name + end)


def stamp() -> str:
    """The moment as it stands in the names of files, to the second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def make_folders(path: Path) -> None:
    """Make the folders of a file, for their owner only, unless they exist. Raises: StorageError."""
    with translated_os_errors():
        for folder in [*reversed(path.parent.parents), path.parent]:
            try:
                folder.mkdir(mode=0o700, exist_ok=True)
            except FileExistsError as error:
                raise StorageUnavailable("A file is where the folder should be.") from error


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """An empty file in the folder of `path`, for its owner only; gone after the block.

    The folder is that of the target, for a file can be put in place at once only on its own disk.
    """
    with translated_os_errors():
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:_NAMED]}.", dir=path.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
    finally:
        for end in ("", *SIDECARS):
            with suppress(OSError):
                beside(temporary, end).unlink()


def publish(temporary: Path, target: Path) -> None:
    """Give a finished file its name, once it is on disk. Raises: FileExistsError, StorageError."""
    with translated_os_errors():
        sync(temporary)
        _link(temporary, target)
        sync(target.parent)


def set_aside(path: Path, *, end: str) -> Path | None:
    """Give a file, and what SQLite keeps beside it, a further name that says since when.

    `path` itself stays where it is until something is put in its place. Returns the new name; None
    if there is nothing. Raises: StorageError.
    """
    with translated_os_errors():
        there = [end for end in ("", *SIDECARS) if beside(path, end).exists()]
        if not there:
            return None
        aside = _free(beside(path, end))
        for name in there:
            if name:
                beside(path, name).rename(beside(aside, name))
            else:
                _link(path, aside)
        sync(path.parent)
    return aside


def replace(temporary: Path, path: Path) -> None:
    """Put a finished file, once it is on disk, in the place of another. Raises: StorageError."""
    with translated_os_errors():
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def take_lock(path: Path) -> IO[bytes]:
    """Hold `<file>.lock` until it is closed; the kernel lets go of it on any death.

    Raises: StorageUnavailable when a server holds it.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    try:
        lock = os.fdopen(os.open(beside(path, ".lock"), flags, 0o600), "wb")
    except OSError as error:
        raise StorageUnavailable("The lock file of the database can not be made.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise StorageUnavailable(
            "Another server already uses this database. Stop it, or give this one another "
            "STORAGE_DATABASE_PATH."
        ) from error
    return lock


@contextmanager
def translated_os_errors() -> Iterator[None]:
    """Turn the errors of the file system inside the block into ours, but for FileExistsError."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise _translated(error) from error


def _translated(error: OSError) -> StorageError:
    if error.errno in _NO_SPACE:
        return StorageFull()
    if error.errno in _NO_RIGHT:
        return ReadOnly("The folder of the file can not be written.")
    return StorageUnavailable(f"The file system does not do it: {error.strerror}.")


def _free(path: Path) -> Path:
    """The name itself, or the first with a number that no file has."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = beside(path, f".{number}")
    return free


def _link(source: Path, target: Path) -> None:
    """Give a file a second name that must be free; where there are no links, its only name."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        if target.exists():
            raise FileExistsError(errno.EEXIST, "the file exists", str(target)) from None
        source.rename(target)
