"""`cipher sessions`: look at stored sessions, put them into the trash and take them back.

Owns the commands list, show, delete and restore, and joins in export and import from `transfer`.
All work on the database file, whether a server runs on it or not; a page that is open sees changes
made here when it asks the server the next time.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import click
import msgspec

from cipher.cli import NotThere, WrongUsage
from cipher.cli.database import Needed, database_flags, opened, run
from cipher.cli.terminal import local_time, note, one_line, printable, table
from cipher.cli.transfer import export_command, import_command
from cipher.errors import SessionNotFound
from cipher.model import (
    LOCAL_OWNER,
    Message,
    MessagePage,
    Part,
    ReasoningPart,
    Session,
    SessionState,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    utc_now,
)

if TYPE_CHECKING:
    from cipher.storage.base import DatabaseBackend

PAGE = 500
_WHICH = "Say which session, as in `{command} ID`; `cipher sessions list` shows the ids."
_SPEAKERS = {"user": "You", "assistant": "Assistant", "system": "System", "tool": "Tool"}


@click.group("sessions")
def command() -> None:
    """List, read, export and import stored sessions.

    Works beside a running server and without one. Exit codes: 0 done, 1 failed, 2 wrong usage or a
    bad setting, 3 not found.
    """


@command.command("list")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--all", "everything", is_flag=True, help="As many as there are.")
@click.option(
    "--state",
    type=click.Choice(["active", "archived", "trash"]),
    default="active",
    show_default=True,
)
@click.option("-q", "--query", default="", help="Only titles that contain this, in any case.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
@database_flags
def list_command(
    limit: int, everything: bool, state: SessionState, query: str, as_json: bool, **where: Any
) -> None:
    """List sessions, the latest activity first."""

    async def read() -> tuple[list[Session], bool]:
        found: list[Session] = []
        cursor: str | None = None
        async with opened(where, read_only=True) as database:
            while everything or len(found) < limit:
                wanted = PAGE if everything else min(PAGE, limit - len(found))
                page = await database.list_sessions(
                    LOCAL_OWNER, state=state, limit=wanted, cursor=cursor, query=query
                )
                found.extend(page.sessions)
                cursor = page.next_cursor
                if cursor is None:
                    break
        return found, cursor is not None

    sessions, more = run(read())
    if as_json:
        told = [_session_object(session) for session in sessions]
        _print_json({"sessions": told, "count": len(told), "more": more})
        return
    if not sessions:
        note("No sessions." if not query else "No title contains that.")
        return
    rows = [
        (s.id, str(s.message_count), local_time(s.last_activity), one_line(s.title))
        for s in sessions
    ]
    for line in table(("ID", "MESSAGES", "LAST ACTIVITY", "TITLE"), rows, right=1):
        click.echo(line)
    if more:
        note("There are more; --limit N or --all shows them.")


@command.command("show")
@click.argument("session_id", metavar="ID", cls=Needed, hint=_WHICH)
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Only the last N messages.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
@database_flags
def show_command(session_id: str, limit: int | None, as_json: bool, **where: Any) -> None:
    """Print a session: the branch that is shown in the page, in reading order."""
    from cipher.sessions.transfer import read_branch
    from cipher.sessions.transfer.export import message_object

    async def read() -> MessagePage:
        async with opened(where, read_only=True) as database:
            try:
                return await read_branch(database, LOCAL_OWNER, session_id, limit=limit)
            except SessionNotFound as error:
                raise NotThere(f"There is no such session: {session_id}") from error

    page = run(read())
    if as_json:
        messages = [message_object(message) for message in page.messages]
        told = _session_object(page.session)
        _print_json({"session": told, "messages": messages, "more": page.has_more})
        return
    for line in _conversation(page):
        click.echo(line)


@command.command("delete")
@click.argument("session_ids", metavar="ID...", nargs=-1, cls=Needed, hint=_WHICH)
@click.option("--purge", is_flag=True, help="Erase for good instead; takes from the trash too.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before erasing.")
@database_flags
def delete_command(session_ids: tuple[str, ...], purge: bool, yes: bool, **where: Any) -> None:
    """Move sessions to the trash, from where `restore` takes them back."""
    if purge and not yes:
        if not sys.stdin.isatty():
            raise WrongUsage("Erasing asks first, and nobody can answer here; say --yes.")
        click.confirm(f"Erase {len(session_ids)} session(s) for good?", abort=True, err=True)

    async def remove(database: DatabaseBackend, session_id: str) -> None:
        if purge:
            await database.purge_session(LOCAL_OWNER, session_id)
        else:
            await database.delete_session(LOCAL_OWNER, session_id, at=utc_now())

    _each(where, session_ids, remove, "erased" if purge else "moved to the trash")


@command.command("restore")
@click.argument("session_ids", metavar="ID...", nargs=-1, cls=Needed, hint=_WHICH)
@database_flags
def restore_command(session_ids: tuple[str, ...], **where: Any) -> None:
    """Take sessions out of the trash."""

    async def restore(database: DatabaseBackend, session_id: str) -> None:
        await database.restore_session(LOCAL_OWNER, session_id)

    _each(where, session_ids, restore, "restored")


command.add_command(export_command)
command.add_command(import_command)


def _each(
    where: dict[str, str | None],
    session_ids: tuple[str, ...],
    verb: Callable[[DatabaseBackend, str], Awaitable[None]],
    done: str,
) -> None:
    """Do a verb to each session that is there. Raises: NotThere for the others, in the end."""

    async def work() -> list[str]:
        missing: list[str] = []
        async with opened(where) as database:
            for session_id in session_ids:
                try:
                    await verb(database, session_id)
                except SessionNotFound:
                    missing.append(session_id)
                else:
                    click.echo(f"{session_id} {done}")
        return missing

    missing = run(work())
    if missing:
        raise NotThere(f"There is no such session: {', '.join(missing)}")


def _session_object(session: Session) -> dict[str, Any]:
    """A session for scripts: all fields always there."""
    return {
        "id": session.id,
        "title": session.title,
        "createdAt": session.created_at,
        "lastActivity": session.last_activity,
        "messageCount": session.message_count,
        "pinned": session.pinned,
        "archivedAt": session.archived_at,
        "deletedAt": session.deleted_at,
        "metadata": session.metadata,
    }


def _print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)))


def _conversation(page: MessagePage) -> Iterator[str]:
    session = page.session
    yield click.style(one_line(session.title) or session.id, bold=True)
    yield (
        f"{session.id}, {session.message_count} messages, created {local_time(session.created_at)}"
    )
    if page.has_more:
        yield "(earlier messages are not shown)"
    for message in page.messages:
        yield from _spoken(message)
    for turn in page.turns:
        yield ""
        yield click.style(f"Assistant, answering ({turn.status})", bold=True)
        if turn.partial:
            yield printable(turn.partial)


def _spoken(message: Message) -> Iterator[str]:
    status = message.status if message.status not in {None, "complete"} else ""
    heading = f"{_SPEAKERS[message.role]}, {local_time(message.timestamp)}"
    yield ""
    yield click.style(f"{heading} ({status})" if status else heading, bold=True)
    yield from map(_told, message.parts)
    if message.error:
        yield f"({message.error.message})"


def _told(part: Part) -> str:
    match part:
        case TextPart():
            return printable(part.text)
        case ReasoningPart():
            return click.style(f"(thinks) {printable(part.text)}", dim=True)
        case ToolCallPart():
            return f"[calls {one_line(part.name)}: {printable(part.args)}]"
        case ToolResultPart():
            verb = "answers" if part.ok else "fails"
            return f"[{one_line(part.name)} {verb}: {printable(part.result)}]"
