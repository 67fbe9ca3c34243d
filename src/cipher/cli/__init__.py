"""The command line: `cipher serve`, `cipher sessions` and `cipher db`.

Owns the commands, their flags, what they print and how they end. Owns no logic: they call the rooms
below. Commands are imported when they are asked for, so that `cipher --help` costs nothing but
click. Answers go to standard output, everything else to standard error.

Exit codes: 0 done, 1 failed, 2 wrong usage or a bad setting, 3 not found.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, TextIO, cast

import click

from cipher import __version__
from cipher.errors import CipherError, NotFound, SettingsError

FAILED, USAGE, NOT_FOUND = 1, 2, 3

_COMMANDS = {
    "serve": "Serve the page, REST and WebSocket.",
    "sessions": "List, read, export and import stored sessions.",
    "db": "Migrate, check, back up and restore the database.",
}


class Failure(click.ClickException):
    """A failure that was foreseen: one message, one exit code, no traceback."""

    exit_code = FAILED


class NotThere(Failure):
    """What the command is about does not exist."""

    exit_code = NOT_FOUND


class WrongUsage(Failure):
    """A flag or a setting has a value that is not allowed."""

    exit_code = USAGE


class CommandLine(click.Group):
    """The root command: finds commands by name without importing the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return cast(click.Command, import_module(f"cipher.cli.{cmd_name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CipherError as error:
            raise _failure(error) from error


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cipher", message="%(prog)s %(version)s")
@click.pass_context
def cipher(ctx: click.Context) -> None:
    """Persistent chat sessions behind one server and one page.

    Settings come from flags, the environment, `.env` and `cipher.toml`, in this order.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main() -> None:
    """The `cipher` command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that can not show a character must not end a command half-way.
            cast(Any, cast(TextIO, stream)).reconfigure(errors="replace")
    cipher(prog_name="cipher")


def _failure(error: CipherError) -> Failure:
    match error:
        case SettingsError():
            return WrongUsage(error.message)
        case NotFound():
            return NotThere(error.message)
        case _:
            return Failure(error.message)
