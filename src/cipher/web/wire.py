"""The wire: how nouns and errors are spelled in JSON, and which HTTP status an error has.

Owns the shapes that REST answers with and those it shares with the socket (`socket/frames.py` owns
the frames around them). Owns no route. Promises that REST times are ISO 8601 with milliseconds and
`Z`, that socket times are integer milliseconds, and that a message is the same object wherever it
appears but for that.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from cipher.errors import CipherError
from cipher.model import (
    Appended,
    Durability,
    Failure,
    Message,
    MessagePage,
    Part,
    Role,
    Session,
    TerminalStatus,
    Turn,
    Usage,
    to_ms,
)

STATUS: Final[dict[str, int]] = {
    "bad_request": 400,
    "bad_frame": 400,
    "unknown_type": 400,
    "too_large": 413,
    "unauthenticated": 401,
    "forbidden_origin": 403,
    "forbidden_host": 403,
    "not_found": 404,
    "session_exists": 409,
    "session_busy": 409,
    "idempotency_conflict": 409,
    "rate_limited": 429,
    "storage_unavailable": 503,
    "storage_full": 507,
    "storage_corrupt": 500,
    "read_only": 503,
    "model_unavailable": 503,
    "model_rejected": 502,
    "draining": 503,
    "internal": 500,
}
"""The status of each code that `errors.py` can put on the wire."""

Timestamp = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]

encode: Final = msgspec.json.Encoder().encode


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What everything on the wire shares: camelCase names, and optional fields left out."""


class ErrorBody(Wire, frozen=True, kw_only=True):
    """Why it failed. `retryable` says that the same request may well work later, unchanged."""

    code: str
    message: str
    retryable: bool = False
    retry_after_ms: int | None = None


class _SpokenMessage(Wire, frozen=True, kw_only=True):
    id: str
    seq: int
    parent_seq: int
    role: Role
    content: str
    parts: tuple[Part, ...]
    status: TerminalStatus | None = None
    turn_id: str | None = None
    attempt: int | None = None
    client_msg_id: str | None = None
    usage: Usage | None = None
    error: Failure | None = None


class MessageBody(_SpokenMessage, frozen=True, kw_only=True):
    """A message in REST; `content` is the plain text of its text parts."""

    timestamp: Timestamp


class SocketMessage(_SpokenMessage, frozen=True, kw_only=True):
    """A message in a frame; `messageId` is its `id` under the name that the protocol gives it."""

    session_id: str
    message_id: str
    timestamp: int


class SessionBody(Wire, frozen=True, kw_only=True):
    """A session in REST. `archived` and `running` are whether it is, not when."""

    id: str
    title: str
    created_at: Timestamp
    last_activity: Timestamp
    message_count: int
    pinned: bool
    archived: bool
    epoch: str
    head_seq: int
    leaf_seq: int
    running: bool
    deleted_at: Timestamp | None = None
    metadata: dict[str, Any] | None = None


class SessionList(Wire, frozen=True, kw_only=True):
    """A page of sessions; `count` counts this page, `nextCursor` is null on the last one.

    `stale` says that the database is away and the page is as it was once.
    """

    sessions: tuple[SessionBody, ...]
    count: int
    current_session: str | None
    next_cursor: str | None
    stale: bool = False


class SessionReply(Wire, frozen=True, kw_only=True):
    """One session, whole; `stale` as in a list."""

    session: SessionBody
    stale: bool = False


class LogPosition(Wire, frozen=True, kw_only=True):
    """Where a socket takes over from this page: subscribe with it and nothing is missed."""

    epoch: str
    seq: int


class ActiveTurn(Wire, frozen=True, kw_only=True):
    """A turn that is not over; `inReplyTo` is the `seq` of the message that it answers."""

    turn_id: str
    attempt: int
    in_reply_to: int
    status: Literal["queued", "running"]


class _Page(Wire, frozen=True, kw_only=True):
    session_id: str
    count: int
    has_more: bool
    cursor: LogPosition
    leaf_seq: int
    active_turns: tuple[ActiveTurn, ...]
    stale: bool = False


class History(_Page, frozen=True, kw_only=True):
    """A page of the active branch, oldest first; `hasMore` says that it goes on upwards."""

    history: tuple[MessageBody, ...]


class Loaded(_Page, frozen=True, kw_only=True):
    """A session that is now the current one, with the newest page of its active branch.

    `loaded` is false where the page is `stale`: the session that was current before still is.
    """

    conversation_history: tuple[MessageBody, ...]
    loaded: bool
    current_session: str | None


class Deleted(Wire, frozen=True, kw_only=True):
    """The session is in the trash, or erased where `purged` says so."""

    session_id: str
    deleted: bool
    purged: bool = False


class Ack(Wire, frozen=True, kw_only=True):
    """A message is stored. `duplicate` says that it was stored before and nothing was added."""

    session_id: str
    message_id: str
    epoch: str
    seq: int
    durability: Durability
    duplicate: bool
    client_msg_id: str | None = None
    turn_id: str | None = None


class TurnCancelled(Wire, frozen=True, kw_only=True):
    """The turn is cancelled, or was over already."""

    session_id: str
    turn_id: str
    cancelled: bool


class Stats(Wire, frozen=True, kw_only=True):
    """What is held and stored."""

    active_sessions: int
    total_sessions: int
    total_messages: int
    storage_connected: bool
    average_message_count: float
    storage: str
    sockets: int
    version: str
    uptime_seconds: int


class Model(Wire, frozen=True, kw_only=True):
    """A language model; `notice` is what a person should know about it."""

    id: str
    demo: bool
    notice: str | None


class Models(Wire, frozen=True, kw_only=True):
    """The models that can be used now, and the one that is."""

    models: tuple[Model, ...]
    current: str


class Health(Wire, frozen=True, kw_only=True):
    """The state of the process and of its storage."""

    status: Literal["alive", "ready"]
    storage: str


def success(data: object) -> bytes:
    """The envelope of an answer."""
    return b'{"success":true,"data":' + encode(data) + b"}"


def failure(error: CipherError) -> bytes:
    """The envelope of a refusal."""
    return b'{"success":false,"error":' + encode(error_body(error)) + b"}"


def status_of(error: CipherError) -> int:
    """The HTTP status of an error."""
    return STATUS.get(error.code, 500)


def error_body(error: CipherError) -> ErrorBody:
    """An error as people and programs may see it."""
    return ErrorBody(
        code=error.code,
        message=error.message,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
    )


def iso(moment: datetime) -> str:
    """A moment as REST spells it: 2026-01-31T12:00:00.000Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def message_body(message: Message) -> MessageBody:
    """A message for REST."""
    return MessageBody(
        id=message.id,
        seq=message.seq,
        parent_seq=message.parent_seq,
        role=message.role,
        content=message.content,
        parts=message.parts,
        timestamp=iso(message.timestamp),
        status=message.status,
        turn_id=message.turn_id,
        attempt=message.attempt,
        client_msg_id=message.client_msg_id,
        usage=message.usage,
        error=message.error,
    )


def socket_message(session_id: str, message: Message) -> SocketMessage:
    """A message for the socket."""
    return SocketMessage(
        session_id=session_id,
        id=message.id,
        message_id=message.id,
        seq=message.seq,
        parent_seq=message.parent_seq,
        role=message.role,
        content=message.content,
        parts=message.parts,
        timestamp=to_ms(message.timestamp),
        status=message.status,
        turn_id=message.turn_id,
        attempt=message.attempt,
        client_msg_id=message.client_msg_id,
        usage=message.usage,
        error=message.error,
    )


def session_body(session: Session, *, running: bool, whole: bool = False) -> SessionBody:
    """A session for REST; only a whole one carries its metadata."""
    return SessionBody(
        id=session.id,
        title=session.title,
        created_at=iso(session.created_at),
        last_activity=iso(session.last_activity),
        message_count=session.message_count,
        pinned=session.pinned,
        archived=session.archived_at is not None,
        epoch=session.epoch,
        head_seq=session.head_seq,
        leaf_seq=session.leaf_seq,
        running=running,
        deleted_at=iso(session.deleted_at) if session.deleted_at else None,
        metadata=session.metadata if whole else None,
    )


def history(page: MessagePage, *, stale: bool = False) -> History:
    """A page of a conversation."""
    messages = tuple(map(message_body, page.messages))
    return History(history=messages, stale=stale, **_page_fields(page))


def loaded(page: MessagePage, current_session: str | None, *, stale: bool = False) -> Loaded:
    """The page that opening a session shows."""
    messages = tuple(map(message_body, page.messages))
    return Loaded(
        conversation_history=messages,
        loaded=not stale,
        current_session=current_session,
        stale=stale,
        **_page_fields(page),
    )


def active_turns(turns: tuple[Turn, ...]) -> tuple[ActiveTurn, ...]:
    """The turns of a page that are not over."""
    return tuple(
        ActiveTurn(
            turn_id=turn.id, attempt=turn.attempt, in_reply_to=turn.user_seq, status=turn.status
        )
        for turn in turns
        if turn.status == "queued" or turn.status == "running"
    )


def ack(appended: Appended, durability: Durability) -> Ack:
    """The receipt of a message."""
    message = appended.message
    return Ack(
        session_id=appended.session.id,
        client_msg_id=message.client_msg_id,
        message_id=message.id,
        epoch=appended.session.epoch,
        seq=message.seq,
        durability=durability,
        duplicate=appended.duplicate,
        turn_id=appended.turn.id if appended.turn else message.turn_id,
    )


def _page_fields(page: MessagePage) -> dict[str, Any]:
    session = page.session
    return {
        "session_id": session.id,
        "count": len(page.messages),
        "has_more": page.has_more,
        "cursor": LogPosition(epoch=session.epoch, seq=session.head_seq),
        "leaf_seq": session.leaf_seq,
        "active_turns": active_turns(page.turns),
    }
