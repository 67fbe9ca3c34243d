"""Rows of the tables and the nouns that they stand for, alike in every SQL database.

Owns the columns, their order, and the JSON inside `message_data` (parts, usage and failure of a
message) and `metadata`. Owns no SQL beyond the names: each backend asks in its own dialect. Times
are integer milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import msgspec

from cipher.errors import BadRequest, MessageNotFound, StorageCorrupt
from cipher.model import (
    Failure,
    Message,
    Part,
    Session,
    SessionPatch,
    Turn,
    Usage,
    from_ms,
    to_ms,
)

SESSION = (
    "id, owner_id, title, created_at, last_activity, message_count, epoch, head_seq, leaf_seq, "
    "pinned, archived_at, deleted_at, metadata"
)
MESSAGE = (
    "seq, parent_seq, id, client_msg_id, turn_id, attempt, role, status, message_data, timestamp"
)
TURN = "id, session_id, user_seq, attempt, status, partial, lease_owner, lease_until, answer_seq"

_BAD_VALUES = (TypeError, OverflowError)
"""What is raised where a row holds what no verb stores: no time, or nothing where something must
be."""


class Row(Protocol):
    """A row as a driver gives it: its columns by their place."""

    def __getitem__(self, place: int, /) -> Any: ...


class _Data(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    parts: tuple[Part, ...] = ()
    usage: Usage | None = None
    error: Failure | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Data)
_metadata_decoder = msgspec.json.Decoder(dict[str, Any])


def session_from(row: Row, *, on_damage: Callable[[str], None] | None = None) -> Session:
    """The noun of a row of `SESSION`.

    Metadata that is none becomes empty where `on_damage` is told of the session. Raises:
    StorageCorrupt for it otherwise, and for a value that no verb stores.
    """
    archived, deleted, text = row[10], row[11], row[12]
    try:
        metadata = {} if text == "{}" else _metadata_decoder.decode(text)
    except (msgspec.DecodeError, TypeError) as error:
        if on_damage is None:
            raise StorageCorrupt from error
        on_damage(row[0])
        metadata = {}
    try:
        return Session(
            id=row[0],
            owner_id=row[1],
            title=row[2],
            created_at=from_ms(row[3]),
            last_activity=from_ms(row[4]),
            message_count=row[5],
            epoch=row[6],
            head_seq=row[7],
            leaf_seq=row[8],
            pinned=bool(row[9]),
            archived_at=None if archived is None else from_ms(archived),
            deleted_at=None if deleted is None else from_ms(deleted),
            metadata=metadata,
        )
    except _BAD_VALUES as error:
        raise StorageCorrupt from error


def although_damaged(row: Row) -> Session:
    """The noun of a row of `SESSION` that is moved or erased, whatever its metadata is like."""
    return session_from(row, on_damage=lambda _: None)


def row_of_session(session: Session) -> tuple[Any, ...]:
    """The row of `SESSION` of a noun. Raises: BadRequest for metadata that is no JSON."""
    return (
        session.id,
        session.owner_id,
        session.title,
        to_ms(session.created_at),
        to_ms(session.last_activity),
        session.message_count,
        session.epoch,
        session.head_seq,
        session.leaf_seq,
        session.pinned,
        session.archived_at and to_ms(session.archived_at),
        session.deleted_at and to_ms(session.deleted_at),
        encode_metadata(session.metadata),
    )


def changed_columns(session: Session, patch: SessionPatch, at: datetime) -> dict[str, Any]:
    """The columns that a patch sets, with their values.

    Raises: MessageNotFound for a leaf outside of the log, BadRequest for metadata that is no JSON.
    """
    changes: dict[str, Any] = {}
    if patch.title is not msgspec.UNSET:
        changes["title"] = patch.title
    if patch.pinned is not msgspec.UNSET:
        changes["pinned"] = patch.pinned
    if patch.archived is not msgspec.UNSET:
        kept = session.archived_at and to_ms(session.archived_at)
        changes["archived_at"] = (kept or to_ms(at)) if patch.archived else None
    if patch.metadata is not msgspec.UNSET:
        changes["metadata"] = encode_metadata(patch.metadata)
    if patch.leaf_seq is not msgspec.UNSET:
        if not 0 <= patch.leaf_seq <= session.head_seq:
            raise MessageNotFound
        changes["leaf_seq"] = patch.leaf_seq
    return changes


def encode_metadata(metadata: dict[str, Any]) -> str:
    """The JSON text of a session's metadata. Raises: BadRequest."""
    try:
        return msgspec.json.encode(metadata).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest("The metadata can not be kept as JSON.") from error


def message_from(row: Row) -> Message:
    """The noun of a row of `MESSAGE`. Raises: StorageCorrupt, msgspec.DecodeError."""
    try:
        data = _decoder.decode(row[8])
        return Message(
            seq=row[0],
            parent_seq=row[1],
            id=row[2],
            client_msg_id=row[3],
            turn_id=row[4],
            attempt=row[5],
            role=row[6],
            status=row[7],
            parts=data.parts,
            usage=data.usage,
            error=data.error,
            timestamp=from_ms(row[9]),
        )
    except _BAD_VALUES as error:
        raise StorageCorrupt from error


def row_of_message(message: Message) -> tuple[Any, ...]:
    """The row of `MESSAGE` of a noun."""
    return (
        message.seq,
        message.parent_seq,
        message.id,
        message.client_msg_id,
        message.turn_id,
        message.attempt,
        message.role,
        message.status,
        _encoder.encode(_Data(message.parts, message.usage, message.error)).decode(),
        to_ms(message.timestamp),
    )


def turn_from(row: Row) -> Turn:
    """The noun of a row of `TURN`. Raises: StorageCorrupt."""
    try:
        lease_until = None if row[7] is None else from_ms(row[7])
    except _BAD_VALUES as error:
        raise StorageCorrupt from error
    return Turn(
        id=row[0],
        session_id=row[1],
        user_seq=row[2],
        attempt=row[3],
        status=row[4],
        partial=row[5],
        lease_owner=row[6],
        lease_until=lease_until,
    )
