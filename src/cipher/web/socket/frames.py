"""Frames: how events and replies are spelled on the socket, and how commands are read.

Owns the frame `{"type", "payload"}` around the nouns of `wire.py`. Promises that an event is
encoded once, whoever is listening, and that a delta carries nothing that a reader can infer: `kind`
is left out for text and `snapshot` when false.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from cipher.errors import BadFrame, CipherError, TooLarge, UnknownType
from cipher.events import (
    Event,
    MessageDelta,
    MessageReceived,
    ServerStatus,
    SessionCreated,
    SessionUpdated,
)
from cipher.model import Message, Session, to_ms
from cipher.web.requests import (
    Hello,
    Ping,
    SendCommand,
    Subscribe,
    TurnCommand,
    Unsubscribe,
)
from cipher.web.strict import NotJson, WrongShape, read_json
from cipher.web.wire import ActiveTurn, Model, Wire, encode, socket_message

Reason = Literal["epoch_mismatch", "ahead", "too_old", "too_many"]
Ref = str | int | None


class Frame:
    """Text that is ready to go, and what the outbox must know of it."""

    __slots__ = ("delta", "session_id", "size", "text", "type")

    def __init__(self, type_: str, data: bytes, session_id: str | None) -> None:
        self.type = type_
        self.text = data.decode()
        self.size = len(data)
        self.session_id = session_id
        self.delta: MessageDelta | None = None
        """Set where a later delta of the same turn may be merged into this one."""


class SessionNews(Wire, frozen=True, kw_only=True):
    """The payload of `session:created` and `session:updated`; `timestamp` is on the former."""

    session_id: str
    title: str
    created_at: int
    last_activity: int
    message_count: int
    pinned: bool
    archived: bool
    epoch: str
    head_seq: int
    leaf_seq: int
    running: bool
    timestamp: int | None = None


class Limits(Wire, frozen=True, kw_only=True):
    """What a client must keep to."""

    max_frame: int
    max_content: int
    inflight: int
    per_minute: int


class Welcome(Wire, frozen=True, kw_only=True):
    """The answer to `hello`."""

    v: int
    conn_id: str
    server_time: int
    heartbeat_ms: int
    storage: str
    limits: Limits
    model: Model


class RunningTurn(Wire, frozen=True, kw_only=True):
    """The attempt that runs now; `off` is how much text it has."""

    turn_id: str
    attempt: int
    off: int
    in_reply_to: int


class Subscribed(Wire, frozen=True, kw_only=True):
    """The answer to a subscription. `from` is the `seq` after which frames follow."""

    session_id: str
    epoch: str
    head: int
    leaf_seq: int
    recovered: bool
    from_: int = msgspec.field(name="from")
    active_turns: tuple[ActiveTurn, ...]
    reason: Reason | None = None
    active_turn: RunningTurn | None = None


class SyncPoint(Wire, frozen=True, kw_only=True):
    """The payload of `sync:caught_up` and `sync:lagged`: the last `seq` that was sent."""

    session_id: str
    epoch: str
    seq: int


class Pong(Wire, frozen=True, kw_only=True):
    """The answer to `ping`: the heads of what is subscribed, so that a client sees gaps."""

    t: int | float
    heads: dict[str, int]


class SocketError(Wire, frozen=True, kw_only=True):
    """The payload of `error`; the ids say what was refused."""

    code: str
    message: str
    retryable: bool
    retry_after_ms: int | None = None
    session_id: str | None = None
    client_msg_id: str | None = None
    turn_id: str | None = None


class Command(msgspec.Struct, frozen=True):
    """What a client asks: one of the payloads of `requests.py`, and the client's id for it."""

    type: str
    payload: Any
    ref: Ref


class _Envelope(msgspec.Struct, frozen=True):
    type: str
    payload: msgspec.Raw = msgspec.Raw(b"{}")
    id: str | int | None = None


_envelope = msgspec.json.Decoder(_Envelope)
_SEND: Final = "message:sent"
_COMMANDS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "hello": msgspec.json.Decoder(Hello),
    "subscribe": msgspec.json.Decoder(Subscribe),
    "unsubscribe": msgspec.json.Decoder(Unsubscribe),
    _SEND: msgspec.json.Decoder(SendCommand),
    "turn:cancel": msgspec.json.Decoder(TurnCommand),
    "turn:retry": msgspec.json.Decoder(TurnCommand),
    "ping": msgspec.json.Decoder(Ping),
}
_MAX_REF_CHARS: Final = 64


class Refused(Exception):
    """A frame that is no command of ours, with the client's id for it if it could be read."""

    def __init__(self, error: CipherError, ref: Ref = None) -> None:
        super().__init__(error.code)
        self.error = error
        self.ref = ref


def read_command(text: str, *, max_bytes: int, brief: bool) -> Command:
    """Read one text frame. Raises: Refused."""
    raw = text.encode()
    if len(raw) > max_bytes:
        raise Refused(TooLarge())
    try:
        envelope = read_json(raw, _envelope)
    except (NotJson, WrongShape) as error:
        raise Refused(BadFrame()) from error
    except CipherError as error:
        raise Refused(error) from error
    ref = envelope.id
    if isinstance(ref, str) and len(ref) > _MAX_REF_CHARS:
        raise Refused(BadFrame(f"id: at most {_MAX_REF_CHARS} characters."))
    decoder = _COMMANDS.get(envelope.type)
    if decoder is None or (brief and envelope.type != _SEND):
        raise Refused(UnknownType(), ref)
    try:
        return Command(envelope.type, read_json(bytes(envelope.payload), decoder), ref)
    except NotJson as error:
        raise Refused(BadFrame(), ref) from error
    except CipherError as error:
        raise Refused(error, ref) from error


def reply(type_: str, payload: object, *, ref: Ref = None, session_id: str | None = None) -> Frame:
    """A frame that answers one client."""
    head = b'{"type":"' + type_.encode() + b'",'
    if ref is not None:
        head += b'"ref":' + encode(ref) + b","
    return Frame(type_, head + b'"payload":' + encode(payload) + b"}", session_id)


def refusal(error: CipherError, ref: Ref = None, **ids: str | None) -> Frame:
    """An `error` frame; `ids` are the fields of `SocketError` that say what was refused."""
    payload = SocketError(
        code=error.code,
        message=error.message,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
        **ids,
    )
    return reply("error", payload, ref=ref)


def event_frame(event: Event) -> Frame:
    """An event as every listener gets it."""
    match event:
        case MessageDelta():
            return delta_frame(event)
        case MessageReceived():
            return message_frame(event.session_id, event.epoch, event.message)
        case SessionCreated():
            news = _news(event.session, running=False, timestamp=to_ms(event.timestamp))
            return reply(event.type, news, session_id=event.session_id)
        case SessionUpdated():
            news = _news(event.session, running=event.running)
            return reply(event.type, news, session_id=event.session_id)
        case ServerStatus():
            return reply(event.type, {"storage": event.storage, "since": to_ms(event.since)})
        case _:
            # The other events are spelled by their own fields.
            return reply(event.type, event, session_id=getattr(event, "session_id", None))


def message_frame(session_id: str, epoch: str, message: Message) -> Frame:
    """A logged message, at its place in the log."""
    payload = encode(socket_message(session_id, message))
    place = b'"epoch":' + encode(epoch) + b',"seq":' + str(message.seq).encode()
    data = b'{"type":"message:received",' + place + b',"payload":' + payload + b"}"
    return Frame("message:received", data, session_id)


def delta_frame(delta: MessageDelta) -> Frame:
    """A piece of a running answer."""
    data = b'{"type":"message:delta","payload":' + encode(delta) + b"}"
    frame = Frame("message:delta", data, delta.session_id)
    frame.delta = delta
    return frame


def _news(session: Session, *, running: bool, timestamp: int | None = None) -> SessionNews:
    return SessionNews(
        session_id=session.id,
        title=session.title,
        created_at=to_ms(session.created_at),
        last_activity=to_ms(session.last_activity),
        message_count=session.message_count,
        pinned=session.pinned,
        archived=session.archived_at is not None,
        epoch=session.epoch,
        head_seq=session.head_seq,
        leaf_seq=session.leaf_seq,
        running=running,
        timestamp=timestamp,
    )
