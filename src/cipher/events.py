"""What happens, as typed events that rooms tell each other about.

Owns the closed list of events that the bus carries and that sockets send on. An event is published
after the commit that made it true, never before; it is a hint about the log, and the log is the
truth. The names in `type` are those of the wire contract; how an event is spelled in JSON is known
to `web/wire.py`. Times are aware UTC datetimes.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from cipher.model import Message, Session, TerminalStatus, Usage

DeltaKind = Literal["text", "reasoning"]
StorageState = Literal["ok", "read_only", "volatile", "unavailable"]


class _Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    type: ClassVar[str]


class SessionCreated(_Event, frozen=True, kw_only=True):
    """A session exists now."""

    type = "session:created"
    session: Session
    timestamp: datetime

    @property
    def session_id(self) -> str:
        return self.session.id


class SessionLoaded(_Event, frozen=True, kw_only=True):
    """A caller opened a session."""

    type = "session:loaded"
    session_id: str
    message_count: int


class SessionUpdated(_Event, frozen=True, kw_only=True):
    """A session's row changed: title, pin, archive, leaf, count, activity, or whether it runs."""

    type = "session:updated"
    session: Session
    running: bool

    @property
    def session_id(self) -> str:
        return self.session.id


class SessionDeleted(_Event, frozen=True, kw_only=True):
    """A session went to the trash, or for good."""

    type = "session:deleted"
    session_id: str


class MessageReceived(_Event, frozen=True, kw_only=True):
    """A message is in the log."""

    type = "message:received"
    session_id: str
    epoch: str
    message: Message


class TurnStarted(_Event, frozen=True, kw_only=True):
    """An attempt to answer began; `in_reply_to` is the `seq` of the user message."""

    type = "turn:started"
    session_id: str
    turn_id: str
    attempt: int
    in_reply_to: int


class MessageDelta(_Event, frozen=True, kw_only=True):
    """A piece of a running answer at offset `off`, counted in UTF-16 code units of its kind.

    `snapshot` says that `text` is everything from offset 0 and replaces what the reader has.
    """

    type = "message:delta"
    session_id: str
    turn_id: str
    attempt: int
    off: int
    text: str
    kind: DeltaKind = "text"
    snapshot: bool = False


class TurnEnded(_Event, frozen=True, kw_only=True):
    """An attempt is over; its terminal message is already in the log.

    `reason` is an error code and `message` a sentence for a person, both set when it failed.
    """

    type = "turn:ended"
    session_id: str
    turn_id: str
    attempt: int
    status: TerminalStatus
    retryable: bool
    reason: str | None = None
    message: str | None = None
    usage: Usage | None = None


class ServerStatus(_Event, frozen=True, kw_only=True):
    """The storage changed its state."""

    type = "server:status"
    storage: StorageState
    since: datetime


class ServerDraining(_Event, frozen=True, kw_only=True):
    """The server stops soon; come back after the given time."""

    type = "server:draining"
    reconnect_after_ms: int


SessionEvent = (
    SessionCreated
    | SessionLoaded
    | SessionUpdated
    | SessionDeleted
    | MessageReceived
    | TurnStarted
    | MessageDelta
    | TurnEnded
)
Event = SessionEvent | ServerStatus | ServerDraining


def utf16_length(text: str) -> int:
    """How many UTF-16 code units a text takes: the unit that browsers count in."""
    return (
        len(text) + sum(1 for char in text if char > "\uffff") if not text.isascii() else len(text)
    )
