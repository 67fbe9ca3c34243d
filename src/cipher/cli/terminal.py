"""How answers look on a terminal and in a pipe.

Owns the making of text safe to print, tables, times, and progress. What people and models wrote may
hold control characters that move a terminal's cursor or rename its window: here they come out
visible and harmless. Promises: no escape sequence reaches a pipe, and a bar only ever a terminal.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

import click

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
PLAIN_SECONDS = 5.0
"""How often a long work says how far it is where no bar can be drawn."""


def printable(text: str) -> str:
    """The text with control characters spelled out; newlines and tabs stay."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The text on one line."""
    return printable(" ".join(text.split()))


def local_time(moment: datetime) -> str:
    """A time on this machine's clock, to the minute."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: int) -> Iterator[str]:
    """Lines of columns wide enough for all; column number `right` is set flush right.

    The last column is cut where a terminal ends, and never in a pipe.
    """
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head) - 1)]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in (head, *rows):
        cells = [
            cell.rjust(width) if n == right else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        line = "  ".join((*cells, row[-1])).rstrip()
        yield line if room is None or len(line) <= room else line[: room - 1] + "…"


class Progress(Protocol):
    """Something that is told how far a work has come, in total."""

    def __call__(self, done: int) -> None: ...


@contextmanager
def progress(label: str, length: int | None) -> Iterator[Progress]:
    """A bar on standard error if that is a terminal, else a plain line now and then."""
    if sys.stderr.isatty() and length:
        with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
            yield lambda done: bar.update(done - bar.pos)
        return
    started = last = time.monotonic()

    def tell(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_SECONDS:
            last = now
            share = f"{done / length:.0%}" if length else f"{done:,}"
            click.echo(f"{label}: {share} after {now - started:.0f} s", err=True)

    yield tell


def note(lines: Iterable[str] | str) -> None:
    """Say something that is not part of the answer."""
    for line in (lines,) if isinstance(lines, str) else lines:
        click.echo(line, err=True)
