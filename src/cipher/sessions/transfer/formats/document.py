"""Our own export: `{"format": "cipher-sessions", "version": 1, "sessions": [...]}`.

Owns the shape of a session in it, its checking and its spelling. Lossless for what belongs to the
conversation: all messages of all branches with their ids, `seq`, `parentSeq`, parts, status, turns
and times, and the session's title, pin, archive date, leaf and metadata. Left out on purpose: the
owner, who is whoever imports, and the epoch, which names one database's log and must change when a
log comes back from a copy. Written with one message a line, so that exports can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from cipher.model import (
    MAX_TITLE_CHARS,
    Identifier,
    Message,
    Session,
    new_id,
)
from cipher.sessions.transfer.formats.conversation import (
    Stored,
    check_length,
    clean_part,
    refuse,
    whole_milliseconds,
)

FORMAT = "cipher-sessions"
VERSION = 1
MAX_METADATA_BYTES = 64 * 1024

HEAD = f'{{"format":"{FORMAT}","version":{VERSION},"sessions":['.encode()
TAIL = b"\n]}\n"


class SessionDocument(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True
):
    """One session in an export. Messages stand in order of `seq`."""

    id: Identifier
    title: str = ""
    created_at: datetime
    last_activity: datetime
    leaf_seq: int
    pinned: bool = False
    archived_at: datetime | None = None
    metadata: dict[str, Any] = {}
    messages: tuple[Message, ...] = ()


_decoder = msgspec.json.Decoder(SessionDocument)


def opening(session: Session) -> bytes:
    """A session's beginning, up to where its messages go."""
    document = SessionDocument(
        id=session.id,
        title=session.title,
        created_at=session.created_at,
        last_activity=session.last_activity,
        leaf_seq=session.leaf_seq,
        pinned=session.pinned,
        archived_at=session.archived_at,
        metadata=session.metadata,
    )
    return b"\n" + msgspec.json.encode(document)[:-1] + b',"messages":['


def entries(messages: Sequence[Message]) -> bytes:
    """Messages as they stand between `opening` and `CLOSING`; a comma goes between two calls."""
    return b",".join(b"\n" + msgspec.json.encode(message) for message in messages)


CLOSING = b"\n]}"


def read_document(data: bytes, owner_id: str, version: int = VERSION) -> Stored:
    """One session from its JSON. Raises: Rejected."""
    _check_version(version)
    try:
        return _settle(_decoder.decode(data), owner_id)
    except msgspec.ValidationError as error:
        refuse(str(error))
    except msgspec.DecodeError as error:
        refuse("the JSON breaks off" if "truncated" in str(error) else "not valid JSON")
    except UnicodeDecodeError:
        refuse("not UTF-8 text")
    except RecursionError:
        refuse("nested too deep")


def convert_document(value: dict[str, Any], owner_id: str) -> Stored:
    """One session from its decoded JSON. Raises: Rejected."""
    try:
        return _settle(msgspec.convert(value, SessionDocument), owner_id)
    except msgspec.ValidationError as error:
        refuse(str(error))


def sessions_of(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The sessions of a whole decoded export. Raises: Rejected."""
    version, sessions = value.get("version"), value.get("sessions")
    if not isinstance(version, int) or not isinstance(sessions, list):
        refuse(f'a {FORMAT} export without "version" or "sessions"')
    _check_version(version)
    return [entry if isinstance(entry, dict) else {} for entry in sessions]


def _check_version(version: int) -> None:
    if version != VERSION:
        refuse(f"an export of version {version}; this version of Cipher reads version {VERSION}")


def _settle(document: SessionDocument, owner_id: str) -> Stored:
    notes: list[str] = []
    if len(msgspec.json.encode(document.metadata)) > MAX_METADATA_BYTES:
        refuse(f"metadata over the limit of {MAX_METADATA_BYTES:,} bytes")
    if len(document.title) > MAX_TITLE_CHARS:
        refuse(f"a title over the limit of {MAX_TITLE_CHARS} characters")
    if not 0 <= document.leaf_seq <= len(document.messages):
        refuse("leafSeq is not one of its messages")
    seen: set[str] = set()
    messages = tuple(
        _settle_message(number, message, seen, notes)
        for number, message in enumerate(document.messages, start=1)
    )
    session = Session(
        id=document.id,
        owner_id=owner_id,
        title=document.title.replace("\0", "\ufffd"),
        created_at=_utc(document.created_at),
        last_activity=_utc(document.last_activity),
        message_count=len(messages),
        epoch=new_id(),
        head_seq=len(messages),
        leaf_seq=document.leaf_seq,
        pinned=document.pinned,
        archived_at=document.archived_at and _utc(document.archived_at),
        metadata=document.metadata,
    )
    return Stored(session=session, messages=messages, format="cipher", notes=tuple(notes))


def _settle_message(number: int, message: Message, seen: set[str], notes: list[str]) -> Message:
    if message.seq != number or not 0 <= message.parent_seq < number:
        refuse("messages are not numbered 1, 2, 3… with parents before children")
    if message.role == "user":
        check_length(number, message.parts)
    for name in (f"id {message.id}", message.client_msg_id and f"key {message.client_msg_id}"):
        if name and name in seen:
            refuse(f"message {number} repeats the id of another")
        seen.add(name or "")
    if message.attempt is not None and not 1 <= message.attempt < 2**31:
        refuse(f"message {number} has an attempt out of range")
    return msgspec.structs.replace(
        message,
        parts=tuple(clean_part(part, notes) for part in message.parts),
        timestamp=_utc(message.timestamp),
    )


def _utc(value: datetime) -> datetime:
    return whole_milliseconds(value) or refuse("a time before 1970 or after 9999")
