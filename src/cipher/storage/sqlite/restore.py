"""Putting a copy of a SQLite database in the place of the present one.

Owns what a restore means to the world outside: every log gets a new epoch, so that no client takes
what it remembers for the truth, and turns that were under way when the copy was made end as
interrupted. Promises: the present file is set aside and never deleted, there is a whole database
under the name at every moment, and what fails before the last step has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw
import msgspec

from cipher.errors import StorageCorrupt, StorageUnavailable
from cipher.model import Answer, new_id, text_parts, utc_now
from cipher.storage.sqlite import answers, turns
from cipher.storage.sqlite.backup import OnProgress, copy, silently
from cipher.storage.sqlite.check import examine
from cipher.storage.sqlite.connection import (
    SMALLEST_DATABASE,
    connect,
    connect_untouched,
    translated_errors,
)
from cipher.storage.sqlite.files import (
    make_folders,
    replace,
    set_aside,
    stamp,
    take_lock,
    temporary_beside,
)
from cipher.storage.sqlite.schema import is_older, migrate

_DAMAGED = (
    "The backup is damaged; nothing was changed. `cipher db check` says what is wrong with it, and "
    "`cipher db check --recover` saves what can be read of it."
)
_IN_USE = "Another process uses the database; stop it first. Nothing was changed."


class Restored(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a restore did; `set_aside` is the new name of what was there before."""

    sessions: int
    messages: int
    interrupted: int
    set_aside: str | None


def restore(path: Path, backup: Path, *, on_progress: OnProgress = silently) -> Restored:
    """Put a copy of `backup`, checked and brought up to date, in the place of `path`.

    Raises: StorageUnavailable while a server or another process uses the database, StorageCorrupt
    for a backup that is damaged or not ours, StorageError.
    """
    path = path.resolve()
    if path.exists() and backup.samefile(path):
        raise StorageUnavailable("This is the present database itself, not a backup of it.")
    make_folders(path)
    with _locked(path), temporary_beside(path) as temporary:
        with translated_errors(), closing(connect_untouched(backup)) as source:
            is_older(source)
            copy(source, temporary, complaint=_DAMAGED, on_progress=on_progress)
        with translated_errors(), closing(connect(temporary)) as connection:
            report = examine(connection)
            if not report.whole:
                raise StorageCorrupt(_DAMAGED)
            migrate(connection)
            interrupted = renew(connection)
        with _alone(path):
            aside = set_aside(path, end=f".replaced-{stamp()}")
            replace(temporary, path)
    return Restored(
        sessions=report.sessions,
        messages=report.messages,
        interrupted=interrupted,
        set_aside=str(aside) if aside else None,
    )


def renew(connection: apsw.Connection) -> int:
    """Give every log a new epoch and end every turn, in one transaction; returns how many ended.

    What was asked when the copy was made is not answered now: the answer says `interrupted`, with
    what was there of it, and can be retried.
    """
    connection.create_scalar_function("new_epoch", lambda *_: new_id(), 0)
    with connection:
        open_turns = turns.all_unfinished(connection, None)
        for owned in open_turns:
            turn = owned.turn
            ending = Answer(
                message_id=new_id(),
                parts=text_parts(turn.partial),
                status="interrupted",
                timestamp=utc_now(),
            )
            answers.finish(
                connection, owned.owner_id, turn.session_id, turn.id, turn.attempt, ending
            )
        connection.execute("UPDATE sessions SET epoch = new_epoch()")
    return len(open_turns)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep servers away from the database."""
    try:
        lock = take_lock(path)
    except StorageUnavailable as error:
        raise StorageUnavailable(
            "A server uses this database; stop it first. Nothing was changed."
        ) from error
    with lock:
        yield


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes away from the database, its WAL taken into its file.

    One that is damaged is left as it is: nothing can be done with it anyway. Raises:
    StorageUnavailable while another process has it open.
    """
    connection: apsw.Connection | None = None
    try:
        with suppress(apsw.CorruptError, apsw.NotADBError, apsw.CantOpenError):
            # SQLite would take a file without a page for a new one, and delete its WAL.
            if path.exists() and path.stat().st_size >= SMALLEST_DATABASE:
                connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
                connection.pragma("journal_mode", "delete")
                connection.execute("BEGIN EXCLUSIVE")
        yield
    except apsw.BusyError as error:
        raise StorageUnavailable(_IN_USE) from error
    except apsw.Error as error:
        raise StorageUnavailable from error
    finally:
        if connection is not None:
            connection.close()
