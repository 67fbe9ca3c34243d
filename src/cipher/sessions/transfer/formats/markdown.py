"""A conversation as a markdown document for people: `--format markdown`.

Owns the layout of the document. Takes messages in the order in which they are read, says who spoke
and when, and how an answer ended where it did not end well. Text is passed on as it is, since it is
markdown already; reasoning and tools are folded away behind a line. One way only: nothing reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from cipher.model import Message, Part, ReasoningPart, Session, TextPart, ToolCallPart

SPEAKERS = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"}


def write_markdown(session: Session, messages: Iterable[Message]) -> str:
    """The document; ends with a newline."""
    return "\n\n".join(_blocks(session, messages)) + "\n"


def _blocks(session: Session, messages: Iterable[Message]) -> Iterator[str]:
    yield f"# {' '.join(session.title.split()) or session.id}"
    yield f"Session `{session.id}`, created {_time(session.created_at)}"
    for message in messages:
        yield f"---\n\n## {_heading(message)}"
        yield from filter(None, map(_block, message.parts))
        if message.error:
            yield f"> {message.error.message}"


def _heading(message: Message) -> str:
    ending = f" ({message.status})" if message.status not in {None, "complete"} else ""
    return f"{SPEAKERS[message.role]}, {_time(message.timestamp)}{ending}"


def _block(part: Part) -> str:
    if isinstance(part, TextPart):
        return part.text.strip("\n")
    if isinstance(part, ReasoningPart):
        return _folded("Reasoning", part.text)
    if isinstance(part, ToolCallPart):
        return _folded(f"Tool call: {part.name}", _fenced(part.args))
    return _folded(f"Tool {'result' if part.ok else 'failure'}: {part.name}", _fenced(part.result))


def _folded(summary: str, text: str) -> str:
    plain = summary.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return f"<details>\n<summary>{plain}</summary>\n\n{text}\n\n</details>"


def _fenced(text: str) -> str:
    """A code block whose fence is longer than any inside it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
