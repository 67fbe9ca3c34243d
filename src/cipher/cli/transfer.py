"""`cipher sessions export` and `import`: sessions to files and files to sessions.

Owns the flags, the files and what is printed; formats and rules are those of
`cipher.sessions.transfer`. An export to a file replaces it whole when it is complete, and not
before. An import may be stopped and started again at any time.
"""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import click

from cipher.cli import Failure, NotThere, WrongUsage
from cipher.cli.database import Needed, database_flags, opened, run
from cipher.cli.terminal import note, one_line, progress
from cipher.errors import CipherError, SessionNotFound
from cipher.model import LOCAL_OWNER, SessionState

if TYPE_CHECKING:
    from cipher.sessions.transfer import ImportReport, Remark
    from cipher.storage.base import DatabaseBackend

Format = Literal["json", "jsonl", "markdown"]

_GLANCE_SECONDS = 0.2


@click.command("export")
@click.argument("session_ids", metavar="[ID...]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All sessions, archived ones too.")
@click.option(
    "--state",
    type=click.Choice(["active", "archived"]),
    help="With --all: only the active or only the archived ones.",
)
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["json", "jsonl", "markdown"]),
    default="json",
    show_default=True,
    help="json is lossless and can be imported; jsonl is the OpenAI style; markdown is for people.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    default="-",
    metavar="FILE",
    help="Write to a file, readable by you only, instead of standard output.",
)
@database_flags
def export_command(
    session_ids: tuple[str, ...],
    everything: bool,
    state: SessionState | None,
    form: Format,
    output: str,
    **where: Any,
) -> None:
    """Write sessions out, all branches (json) or the one that is shown (jsonl, markdown)."""
    if not session_ids and not everything:
        raise WrongUsage(
            "Say what to export: `cipher sessions export ID`, or `cipher sessions export --all -o "
            "sessions.json`; `cipher sessions list` shows the ids."
        )
    if session_ids and everything:
        raise WrongUsage("Name sessions or say --all, but not both.")
    if state and not everything:
        raise WrongUsage(
            "--state goes with --all, as in `cipher sessions export --all --state archived`."
        )
    states: tuple[SessionState, ...] = (state,) if state else ("active", "archived")

    async def export(sink: BinaryIO) -> int:
        done = 0
        async with opened(where, read_only=True) as database:
            expected = await _expected(database, session_ids)
            with progress("Exporting", expected if output != "-" else None) as tell:

                async def counted() -> AsyncIterator[str]:
                    nonlocal done
                    async for session_id in _chosen(database, session_ids, states):
                        yield session_id
                        done += 1
                        tell(done)

                async for piece in _pieces(database, counted(), form):
                    sink.write(piece)
        return done

    with _sink(output) as sink:
        count = run(export(sink))
    if output != "-":
        note(f"{_counted(count, 'session')} written to {output}")


@click.command("import")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    cls=Needed,
    hint="Say what to import, as in `{command} conversations.json`; `-` is standard input.",
    type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True),
)
@click.option("--json", "as_json", is_flag=True, help="Report as one JSON object, for scripts.")
@database_flags
def import_command(files: tuple[str, ...], as_json: bool, **where: Any) -> None:
    """Read sessions in; `-` is standard input.

    Takes our own export (json), OpenAI-style {"messages": [...]} as JSON Lines or a JSON array,
    ShareGPT JSON and ChatGPT's conversations.json, and tells them apart by itself. What is there
    already is not added again, and nothing stored is changed. Fails only if nothing could be taken.
    """
    reports: dict[str, ImportReport] = {}

    async def work() -> None:
        async with opened(where, make=True) as database:
            for name in files:
                await _import(database, name, reports)

    try:
        run(work())
    except (KeyboardInterrupt, CipherError) as error:
        _tell_reports(reports, as_json=as_json)
        reason = error.message if isinstance(error, CipherError) else "Interrupted."
        raise Failure(f"{reason} The same import goes on from here.") from error
    _tell_reports(reports, as_json=as_json)
    if all(report.in_vain for report in reports.values()):
        raise Failure("Nothing could be imported.")


async def _import(database: DatabaseBackend, name: str, reports: dict[str, ImportReport]) -> None:
    """Import one file; its report so far is kept whatever happens."""
    from cipher.sessions.transfer import Importer

    importer = Importer(database, LOCAL_OWNER)
    called = "standard input" if name == "-" else name
    try:
        with _source(name) as (stream, size), progress(f"Importing {called}", size) as tell:
            await importer.take(stream, on_progress=tell)
    except OSError as error:
        raise Failure(f"{called} can not be read: {error.strerror or error}") from error
    finally:
        reports[called] = importer.report()


@contextmanager
def _source(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """What an import reads, and its size if that is known."""
    with cast(BinaryIO, click.open_file(name, "rb")) as stream:
        try:
            status = os.fstat(stream.fileno())
        except io.UnsupportedOperation:
            yield stream, None
            return
        patient = _Patient(stream.fileno())
        try:
            size = status.st_size if stat.S_ISREG(status.st_mode) else 0
            yield cast(BinaryIO, patient), size or None
        finally:
            patient.close()


class _Patient(io.RawIOBase):
    """Reads of a descriptor that may wait for ever, and end soon after `close` all the same.

    They happen on a thread, and Ctrl-C could not end the command while that hangs in a read.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int = -1) -> bytes:
        while not self.closed:
            if select.select([self._descriptor], [], [], _GLANCE_SECONDS)[0]:
                return os.read(self._descriptor, size)
        return b""


def _tell_reports(reports: dict[str, ImportReport], *, as_json: bool) -> None:
    if as_json:
        import msgspec

        told = [{"file": name, **msgspec.to_builtins(report)} for name, report in reports.items()]
        click.echo(msgspec.json.format(msgspec.json.encode({"files": told})))
        return
    for name, report in reports.items():
        for line in _told(name, report):
            click.echo(line)


def _told(name: str, report: ImportReport) -> Iterator[str]:
    added = _counted(report.added, "session")
    if report.added:
        formats = ", ".join(report.formats)
        yield f"{name}: {added} added ({_counted(report.messages, 'message')}, {formats})"
    else:
        yield f"{name}: nothing added"
    if report.already_there:
        yield f"  {_counted(report.already_there, 'session')} already there"
    if report.deleted:
        yield f"  {_counted(report.deleted, 'session')} deleted here before, and left so"
    yield from _remarks("skipped", report.skipped)
    yield from _remarks("noted", report.notes)


def _remarks(verb: str, remarks: tuple[Remark, ...]) -> Iterator[str]:
    for remark in remarks:
        places = ", ".join(remark.examples)
        more = ", …" if remark.count > len(remark.examples) else ""
        yield f"  {verb} {remark.count:,}: {one_line(remark.reason)} ({one_line(places)}{more})"


async def _expected(database: DatabaseBackend, session_ids: tuple[str, ...]) -> int:
    """How many sessions an export will hold. Raises: NotThere before anything is written."""
    for session_id in session_ids:
        try:
            await database.get_session(LOCAL_OWNER, session_id)
        except SessionNotFound as error:
            raise NotThere(f"There is no such session: {session_id}") from error
    return len(session_ids) or (await database.stats(LOCAL_OWNER)).total_sessions


async def _chosen(
    database: DatabaseBackend, session_ids: tuple[str, ...], states: tuple[SessionState, ...]
) -> AsyncIterator[str]:
    from cipher.sessions.transfer import session_ids as all_of

    for session_id in session_ids:
        yield session_id
    if not session_ids:
        async for session_id in all_of(database, LOCAL_OWNER, states):
            yield session_id


async def _pieces(
    database: DatabaseBackend, session_ids: AsyncIterator[str], form: Format
) -> AsyncIterator[bytes]:
    """What goes into the file. A session that is deleted meanwhile is left out."""
    from cipher.sessions.transfer import export_jsonl, export_markdown, export_sessions

    if form == "json":
        async for piece in export_sessions(database, LOCAL_OWNER, session_ids):
            yield piece
        return
    async for session_id in session_ids:
        try:
            if form == "jsonl":
                yield await export_jsonl(database, LOCAL_OWNER, session_id)
            else:
                yield (await export_markdown(database, LOCAL_OWNER, session_id)).encode() + b"\n"
        except SessionNotFound:
            continue


@contextmanager
def _sink(output: str) -> Iterator[BinaryIO]:
    """Where an export goes: standard output, or a file that appears when it is complete."""
    if output == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(output)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise Failure(f"{output} can not be written: {error.strerror}") from error
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        raise Failure(f"{output} can not be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
