"""`cipher db`: the database as a whole, brought up to date, checked, copied and put back.

Owns the commands, what they print and how they end; the work is that of `cipher.storage.sqlite`.
For PostgreSQL they name the tools that are made for it, and migrate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cipher.cli import Failure, NotThere, WrongUsage
from cipher.cli.database import Needed, database_flags, run, settings_of
from cipher.cli.terminal import note, progress
from cipher.errors import StorageError

if TYPE_CHECKING:
    from cipher.storage.sqlite.check import Report
    from cipher.storage.sqlite.recover import Recovered

_SHOWN = 20
"""Findings and sessions that are printed; `--json` has all."""
_PG_BACKUP = (
    "This is about SQLite files. PostgreSQL has its own tool, which copies a database in use: "
    'pg_dump --format=custom --schema=cipher --file=cipher.dump "$STORAGE_DATABASE_URL"'
)
_PG_RESTORE = (
    "This is about SQLite files. For PostgreSQL stop the servers, then: "
    'pg_restore --clean --if-exists --exit-on-error --dbname="$STORAGE_DATABASE_URL" cipher.dump '
    '&& psql "$STORAGE_DATABASE_URL" -c "UPDATE cipher.sessions SET epoch = '
    "replace(gen_random_uuid()::text, '-', '')\""
)
_PG_CHECK = (
    "This is about SQLite files. PostgreSQL has its own tool, which checks a database in use after "
    "CREATE EXTENSION amcheck: "
    'pg_amcheck --schema=cipher --heapallindexed "$STORAGE_DATABASE_URL"'
)
_WHICH_BACKUP = "Say which backup, as in `{command} cipher-sessions.db.backup-20260101T120000Z`."


@click.group("db")
def command() -> None:
    """Migrate, check, back up and restore the database.

    Exit codes: 0 done, 1 failed or damaged, 2 wrong usage or a bad setting, 3 not found.
    """


@command.command("migrate")
@database_flags
def migrate_command(**where: Any) -> None:
    """Bring the database up to date; starting the server does the same.

    Before a SQLite file with data is changed, a copy is kept beside it.
    """
    from cipher.storage.manager import StorageManager

    settings = settings_of(where)
    if settings.storage_database_type == "sqlite":
        _present(settings.database_file)

    async def migrate() -> None:
        storage = StorageManager.from_settings(settings, exclusive=True)
        await storage.open()
        await storage.close()

    run(migrate())
    note("The database is up to date.")


@command.command("check")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--recover", "recovering", is_flag=True, help="Save what can be read into a new file."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="NEW",
    help="With --recover: the new file. [default: beside the damaged one]",
)
@click.option("--json", "as_json", is_flag=True, help="Report as one JSON object, for scripts.")
@database_flags
def check_command(
    file: Path | None, recovering: bool, output: Path | None, as_json: bool, **where: Any
) -> None:
    """Check the database, or a backup FILE, beside a running server too; changes nothing.

    With --recover: save what can be read of a damaged one into a new file, which `cipher db
    restore` can put in its place. The damaged file is not touched.
    """
    if output and not recovering:
        raise WrongUsage("--output goes with --recover.")
    path = _present(file or _sqlite_file(where, _PG_CHECK))
    if recovering:
        _recover(path, output, as_json=as_json)
        return
    from cipher.storage.sqlite.check import check

    with _bar("Checking") as tell:
        report = check(path, on_progress=tell)
    _tell_report(path, report, as_json=as_json)
    if not report.whole:
        raise Failure(
            "The database is damaged. `cipher db restore` puts a backup in its place; "
            "`cipher db check --recover` saves what can be read into a new file."
        )


@command.command("backup")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@database_flags
def backup_command(file: Path | None, **where: Any) -> None:
    """Copy the database as it is now to FILE, beside a running server too.

    Without FILE the copy stands beside the database, with the time in its name. It is checked,
    readable by you only, and never written over another file.
    """
    from cipher.storage.sqlite.backup import back_up
    from cipher.storage.sqlite.files import beside, stamp

    path = _present(_sqlite_file(where, _PG_BACKUP))
    target = file or beside(path, f".backup-{stamp()}")
    with _refusing_overwrite(target), _bar("Copying") as tell:
        back_up(path, target, on_progress=tell)
    note(f"Backup of {path} written to {target} ({target.stat().st_size:,} bytes)")


@command.command("restore")
@click.argument(
    "file",
    cls=Needed,
    hint=_WHICH_BACKUP,
    type=click.Path(dir_okay=False, path_type=Path),
)
@database_flags
def restore_command(file: Path, **where: Any) -> None:
    """Put a copy of the backup FILE in the place of the database; no server may run on it.

    The present file is set aside, never deleted. Pages that are open load everything anew, and
    answers that were under way when the backup was made end as interrupted.
    """
    from cipher.storage.sqlite.restore import restore

    path = _sqlite_file(where, _PG_RESTORE)
    _present(file)
    with _bar("Restoring") as tell:
        done = restore(path, file, on_progress=tell)
    note(f"{path} holds {done.sessions:,} sessions with {done.messages:,} messages again")
    if done.interrupted:
        note(f"  {done.interrupted:,} answers that were under way end as interrupted")
    if done.set_aside:
        note(f"  what was there before is now {done.set_aside}")


def _recover(path: Path, output: Path | None, *, as_json: bool) -> None:
    from cipher.storage.sqlite.files import beside, stamp
    from cipher.storage.sqlite.recover import recover

    target = output or beside(path, f".recovered-{stamp()}")
    with _refusing_overwrite(target), _bar("Recovering") as tell:
        done = recover(path, target, on_progress=tell)
    if as_json:
        _print_json({"file": str(target), **_builtins(done)})
        return
    for line in _told_recovery(done):
        click.echo(line)
    note(f"Written to {target}; {path} was not touched. To use it: cipher db restore {target}")


def _told_recovery(done: Recovered) -> Iterator[str]:
    for table in done.tables:
        lost = "an unknown number" if table.lost is None else f"{table.lost:,}"
        yield f"{table.table}: {table.saved:,} saved, {lost} lost"
    for loss in done.sessions[:_SHOWN]:
        made = ", its row made anew from them" if loss.rebuilt else ""
        yield f"  session {loss.session_id}: {loss.lost_messages:,} messages lost{made}"
    if len(done.sessions) > _SHOWN:
        yield f"  and {len(done.sessions) - _SHOWN:,} more sessions; --json names all"


def _tell_report(path: Path, report: Report, *, as_json: bool) -> None:
    if as_json:
        _print_json({"file": str(path), "whole": report.whole, **_builtins(report)})
        return
    for finding in report.findings[:_SHOWN]:
        place = f"session {finding.session_id}: " if finding.session_id else ""
        click.echo(f"{place}{finding.detail}")
    if len(report.findings) > _SHOWN:
        click.echo(f"and {len(report.findings) - _SHOWN:,} more; --json has them")
    if report.whole:
        click.echo(
            f"{path} is whole: schema {report.schema_version}, {report.sessions:,} sessions, "
            f"{report.messages:,} messages"
        )


def _sqlite_file(where: dict[str, str | None], for_postgres: str) -> Path:
    """The SQLite file of the settings. Raises: WrongUsage that says what PostgreSQL has instead."""
    settings = settings_of(where)
    if settings.storage_database_type != "sqlite":
        raise WrongUsage(for_postgres)
    return settings.database_file


def _present(path: Path) -> Path:
    if not path.exists():
        raise NotThere(f"There is no file {path}.")
    return path


@contextmanager
def _refusing_overwrite(target: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise Failure(f"{target} exists; nothing is written over.") from error
    except StorageError as error:
        raise Failure(f"{error.message} ({target})") from error


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Progress in hundredths, whatever is counted."""
    with progress(label, 100) as tell:
        yield lambda done, total: tell(100 * done // max(total, 1))


def _builtins(noun: Any) -> dict[str, Any]:
    import msgspec

    told: dict[str, Any] = msgspec.to_builtins(noun)
    return told


def _print_json(told: dict[str, Any]) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(told)))
