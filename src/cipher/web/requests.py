"""What clients may ask: the bodies of requests and the payloads of commands, as typed structs.

Owns their names, types and limits, for REST and the socket alike; the published schema is made from
these structs, so that the two can not differ. Owns no reading of bytes (see `strict.py`). Unknown
fields are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from cipher.model import MAX_CONTENT_CHARS, MAX_TITLE_CHARS, Identifier

MAX_SEQ = 2**53 - 1
"""The largest integer that every JSON reader holds exactly."""

Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ)]
Title = Annotated[
    str, Meta(max_length=MAX_TITLE_CHARS, extra_json_schema={"pattern": "^[^\\u0000]*$"})
]
Content = Annotated[
    str,
    Meta(
        extra_json_schema={
            "minLength": 1,
            "pattern": "^[^\\u0000]*$",
            "description": f"At most {MAX_CONTENT_CHARS:,} characters.",
        }
    ),
]
"""Message text; `strict.check_content` holds it to its limits, with errors of its own."""

WhenBusy = Literal["enqueue", "reject", "interrupt"]


class Asked(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What all requests share: camelCase names, absent means the default."""


class CreateSession(Asked, frozen=True, kw_only=True):
    """A new session; the server makes an id where none is given."""

    session_id: Identifier | None = None
    title: Title = ""
    metadata: dict[str, Any] = {}


class ChangeSession(Asked, frozen=True, kw_only=True):
    """What to change of a session; what is absent stays. `metadata` is replaced as a whole."""

    title: Title | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    leaf_seq: Seq | UnsetType = UNSET


class SendMessage(Asked, frozen=True, kw_only=True):
    """A user message. `parentSeq` is the message that it follows, by default the branch's leaf."""

    content: Content
    client_msg_id: Identifier | None = None
    parent_seq: Seq | None = None
    when_busy: WhenBusy = "enqueue"


class TurnPosition(Asked, frozen=True, kw_only=True):
    """How far a client has a running answer, in UTF-16 code units."""

    attempt: Seq
    off: Seq


class Subscribe(Asked, frozen=True, kw_only=True):
    """Where a client stands in a session's log; `epoch` null and `seq` 0 mean: it has nothing."""

    session_id: Identifier
    epoch: Annotated[str, Meta(max_length=64)] | None = None
    seq: Seq = 0
    turns: dict[str, TurnPosition] = {}


class Unsubscribe(Asked, frozen=True, kw_only=True):
    """Stop the frames of a session."""

    session_id: Identifier


class Hello(Asked, frozen=True, kw_only=True):
    """The first frame of `sessions.v1`."""

    v: int
    client_id: Identifier | None = None
    subs: Annotated[list[Subscribe], Meta(max_length=100)] = []


class SendCommand(SendMessage, frozen=True, kw_only=True):
    """`message:sent`: a user message over the socket."""

    session_id: Identifier
    attachments: list[Any] = []


class TurnCommand(Asked, frozen=True, kw_only=True):
    """`turn:cancel` and `turn:retry`."""

    session_id: Identifier
    turn_id: Identifier


class Ping(Asked, frozen=True, kw_only=True):
    """A sign of life; `t` comes back as it is."""

    t: int | float = 0
