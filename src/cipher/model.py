"""The nouns: session, message, part, turn, and the values that the rooms pass to each other.

Owns what a conversation *is*: the append-only log of messages numbered by `seq`, the tree that
`parent_seq` draws over it, and the turn that answers one user message. Owns no I/O and no policy.
Everything here is an immutable msgspec struct. Times are aware UTC datetimes with millisecond
precision; ids are opaque strings of `[A-Za-z0-9_-]{1,64}`.
"""

from __future__ import annotations

import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from uuid_utils import uuid7

LOCAL_OWNER = "local"
"""The owner of every session while there is no sign-in."""

MAX_CONTENT_CHARS = 200_000
MAX_TITLE_CHARS = 200
ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")

Role = Literal["user", "assistant", "system", "tool"]
TerminalStatus = Literal["complete", "cancelled", "failed", "interrupted"]
TurnStatus = Literal["queued", "running", "complete", "cancelled", "failed", "interrupted"]
SessionState = Literal["active", "archived", "trash"]
Durability = Literal["committed", "volatile"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_id() -> str:
    """A fresh UUIDv7 in 22 characters of base64url: unique everywhere, later ids mostly sort later.

    Short on purpose: two ids travel in every streamed delta.
    """
    return urlsafe_b64encode(uuid7().bytes)[:22].decode()


def utc_now() -> datetime:
    """Now, aware, UTC, cut to the millisecond that the database keeps."""
    return from_ms(time.time_ns() // 1_000_000)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970, the form that the database and the socket use."""
    since = moment - _EPOCH
    return since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000


def from_ms(milliseconds: int) -> datetime:
    """The aware UTC moment of a count of milliseconds since 1970."""
    return _EPOCH + timedelta(0, 0, 0, milliseconds)  # the keyword would take twice as long


class _Noun(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What all nouns share: immutable, named fields, camelCase on the wire."""


class TextPart(_Noun, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """Plain text or markdown."""

    text: str


class ReasoningPart(_Noun, frozen=True, kw_only=True, tag_field="type", tag="reasoning"):
    """What a model said to itself before answering; kept apart and never part of `content`."""

    text: str


class ToolCallPart(_Noun, frozen=True, kw_only=True, tag_field="type", tag="tool-call"):
    """A model's wish to run a tool; `args` is the JSON text it gave."""

    call_id: str
    name: str
    args: str


class ToolResultPart(_Noun, frozen=True, kw_only=True, tag_field="type", tag="tool-result"):
    """What a tool gave back, or why it did not."""

    call_id: str
    name: str
    result: str
    ok: bool = True


Part = TextPart | ReasoningPart | ToolCallPart | ToolResultPart


class Usage(_Noun, frozen=True, kw_only=True):
    """Tokens that one turn used, as the provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0


class Failure(_Noun, frozen=True, kw_only=True):
    """Why an answer failed: an error code and a sentence for a person."""

    code: str
    message: str


class Message(_Noun, frozen=True, kw_only=True):
    """One entry of a session's log. `(epoch, seq)` of its session always names the same bytes.

    `status` is set on assistant messages only. `turn_id` ties a user message to its answers;
    `attempt` counts the answers of one turn from 1.
    """

    id: str
    seq: int
    parent_seq: int
    role: Role
    parts: tuple[Part, ...]
    timestamp: datetime
    status: TerminalStatus | None = None
    turn_id: str | None = None
    attempt: int | None = None
    client_msg_id: str | None = None
    usage: Usage | None = None
    error: Failure | None = None

    @property
    def content(self) -> str:
        """The plain text of the text parts, in order."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


class Session(_Noun, frozen=True, kw_only=True):
    """One conversation's row: its log's head, its active branch's leaf, and what a person set."""

    id: str
    owner_id: str
    title: str
    created_at: datetime
    last_activity: datetime
    message_count: int
    epoch: str
    head_seq: int
    leaf_seq: int
    pinned: bool = False
    archived_at: datetime | None = None
    deleted_at: datetime | None = None
    metadata: dict[str, Any] = {}


class Turn(_Noun, frozen=True, kw_only=True):
    """The answering of one user message, over one or more attempts.

    `user_seq` is the message it answers. While `status` is `running` the worker named by
    `lease_owner` holds it until `lease_until`; `partial` is the last checkpoint of its text.
    """

    id: str
    session_id: str
    user_seq: int
    attempt: int
    status: TurnStatus
    partial: str = ""
    lease_owner: str | None = None
    lease_until: datetime | None = None


class NewMessage(_Noun, frozen=True, kw_only=True):
    """A message before the log gave it a place.

    `parent_seq` None means "after the leaf of the active branch".
    """

    id: str
    role: Role
    parts: tuple[Part, ...]
    timestamp: datetime
    parent_seq: int | None = None
    client_msg_id: str | None = None


class Answer(_Noun, frozen=True, kw_only=True):
    """The terminal assistant message of one attempt, before the log gave it a place."""

    message_id: str
    parts: tuple[Part, ...]
    status: TerminalStatus
    timestamp: datetime
    usage: Usage | None = None
    error: Failure | None = None


class SessionPatch(_Noun, frozen=True, kw_only=True):
    """What a person may change of a session; `msgspec.UNSET` leaves a field as it is."""

    title: str | msgspec.UnsetType = msgspec.UNSET
    pinned: bool | msgspec.UnsetType = msgspec.UNSET
    archived: bool | msgspec.UnsetType = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    leaf_seq: int | msgspec.UnsetType = msgspec.UNSET


class Appended(_Noun, frozen=True, kw_only=True):
    """What one append did: the stored message, its session afterwards, the turn it opened.

    `duplicate` says that the same `client_msg_id` was stored before and nothing was added.
    """

    message: Message
    session: Session
    turn: Turn | None = None
    duplicate: bool = False


class Finished(_Noun, frozen=True, kw_only=True):
    """What closing an attempt did: the terminal message, its session and its turn afterwards."""

    message: Message
    session: Session
    turn: Turn


class SessionPage(_Noun, frozen=True, kw_only=True):
    """Sessions, newest activity first; `next_cursor` None means that this is the last page."""

    sessions: tuple[Session, ...]
    next_cursor: str | None = None


class MessagePage(_Noun, frozen=True, kw_only=True):
    """Messages in order of `seq`, with the session as it was in the same read."""

    session: Session
    messages: tuple[Message, ...]
    has_more: bool = False
    turns: tuple[Turn, ...] = ()
    """The turns that are queued or running, in the order in which they run."""


class StorageStats(_Noun, frozen=True, kw_only=True):
    """Counts over one owner's stored sessions, trash left out."""

    total_sessions: int
    total_messages: int


# In Python `$` also matches before a line end; elsewhere the look-ahead changes nothing.
Identifier = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)")]


def is_identifier(text: str) -> bool:
    """Whether a string may be an id."""
    return ID_PATTERN.fullmatch(text) is not None


def text_parts(text: str) -> tuple[Part, ...]:
    """The parts of a message that is nothing but text; empty text has no part."""
    return (TextPart(text=text),) if text else ()


def title_from(content: str) -> str:
    """A session's first title: its first message on one line, cut at a word."""
    line = " ".join(content.split())
    if len(line) <= 60:
        return line
    return line[:60].rsplit(" ", 1)[0].rstrip(",;:.-") + "…"


def conversation_order(path: Sequence[Message]) -> list[Message]:
    """A branch as people read it: each user message followed by the answers of its own turn.

    The log is in order of arrival, so a message that was queued while an answer ran stands before
    that answer. Reading, and the prompt, want it after.
    """
    answers: dict[str, list[Message]] = {}
    asked = {m.turn_id for m in path if m.role == "user" and m.turn_id}
    for message in path:
        if message.role != "user" and message.turn_id in asked:
            answers.setdefault(message.turn_id or "", []).append(message)
    ordered: list[Message] = []
    for message in path:
        if message.role == "user":
            ordered.append(message)
            ordered.extend(answers.get(message.turn_id or "", ()))
        elif message.turn_id not in asked:
            ordered.append(message)
    return ordered
