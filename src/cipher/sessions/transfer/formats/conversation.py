"""A conversation from elsewhere, between its foreign format and our nouns.

Owns what all foreign formats share: the neutral shape that their parsers fill, the cleaning of
text, the reading of times, and the turning of that shape into a `Session` with its log. Does not
know any format and does no I/O. Promises: the same record gives the same session id, message ids
and log whenever and wherever it is read; only times that the source does not have differ.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NoReturn

import msgspec

from cipher.model import (
    MAX_CONTENT_CHARS,
    MAX_TITLE_CHARS,
    Message,
    Part,
    ReasoningPart,
    Role,
    Session,
    TerminalStatus,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    from_ms,
    is_identifier,
    new_id,
    title_from,
)

MAX_EXTRAS = 20
MAX_EXTRA_CHARS = 1_000
_LATEST_SECONDS = 253_402_300_799  # the end of the year 9999
_MILLISECONDS_FROM = 100_000_000_000  # as seconds it is the year 5138, as milliseconds 1973
_UNSTORABLE = re.compile("[\ud800-\udfff\0]")


class Rejected(Exception):
    """A record that can not be taken over; the message says why, to a person."""


class Utterance(msgspec.Struct, kw_only=True):
    """One message of a foreign conversation; `parent` is an index into the same list."""

    role: Role
    parts: tuple[Part, ...]
    parent: int | None = None
    moment: datetime | None = None
    status: TerminalStatus | None = None


class Conversation(msgspec.Struct, kw_only=True):
    """What a parser makes of one record. Parents stand before their children in `utterances`.

    `leaf` is the index of the tip of the branch that is shown, None the last. `extras` are fields
    of the source that are kept as metadata; `notes` say what was left out or replaced.
    """

    format: str
    utterances: list[Utterance]
    source_id: str = ""
    title: str = ""
    created_at: datetime | None = None
    last_activity: datetime | None = None
    leaf: int | None = None
    extras: dict[str, Any] = {}
    notes: list[str] = []


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A session with its whole log, ready for `DatabaseBackend.import_session`."""

    session: Session
    messages: tuple[Message, ...]
    format: str
    notes: tuple[str, ...] = ()


def refuse(reason: str) -> NoReturn:
    """Give a record up. Raises: Rejected."""
    raise Rejected(reason)


def clean(text: str, notes: list[str]) -> str:
    """The text without the two things that no database keeps: lone surrogates and NUL."""
    if not _UNSTORABLE.search(text):
        return text
    notes.append("characters that are not valid text replaced by \ufffd")
    return _UNSTORABLE.sub("\ufffd", text)


def clean_part(part: Part, notes: list[str]) -> Part:
    """The part with its texts cleaned."""
    texts = {name: getattr(part, name) for name in part.__struct_fields__ if name != "ok"}
    if not any(map(_UNSTORABLE.search, texts.values())):
        return part
    return msgspec.structs.replace(part, **{n: clean(text, notes) for n, text in texts.items()})


def moment(value: object) -> datetime | None:
    """A time in any usual spelling: seconds or milliseconds since 1970, or ISO 8601; else None."""
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            return None
        return whole_milliseconds(parsed)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    seconds = value / 1000 if value >= _MILLISECONDS_FROM else value
    if not 0 <= seconds <= _LATEST_SECONDS:
        return None
    return from_ms(round(seconds * 1000))


def whole_milliseconds(value: datetime) -> datetime | None:
    """A time as our nouns have it: UTC, cut to the millisecond; None for one before 1970."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        utc = aware.astimezone(UTC)
    except OverflowError:
        return None
    if utc.year < 1970:
        return None
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def extras_of(record: dict[str, Any], known: frozenset[str], notes: list[str]) -> dict[str, Any]:
    """The small plain fields of a record that nothing else takes over."""
    kept: dict[str, Any] = {}
    for name, value in record.items():
        if name in known or len(kept) >= MAX_EXTRAS or len(name) > MAX_EXTRA_CHARS:
            continue
        if isinstance(value, str) and 0 < len(value) <= MAX_EXTRA_CHARS:
            kept[clean(name, notes)] = clean(value, notes)
        elif isinstance(value, bool | int | float) and abs(value) < 2**53:
            kept[clean(name, notes)] = value
    return kept


def fold_tools(conversation: Conversation) -> None:
    """Join an answer that other formats spread over messages: call, result, and what came after.

    Here one answer is one message with parts. A result joins the call above it, and text after a
    result joins too, as long as the tree does not branch in between.
    """
    children = [0] * len(conversation.utterances)
    for utterance in conversation.utterances:
        if utterance.parent is not None:
            children[utterance.parent] += 1
    folded: list[Utterance] = []
    place: list[int] = []
    for utterance in conversation.utterances:
        parent = utterance.parent
        above = None if parent is None else folded[place[parent]]
        if parent is not None and above and children[parent] == 1 and _belongs(utterance, above):
            above.parts += _named(utterance.parts, above.parts)
            if utterance.role == "assistant":
                above.status = utterance.status
            place.append(place[parent])
            continue
        place.append(len(folded))
        utterance.parent = None if parent is None else place[parent]
        folded.append(utterance)
    conversation.utterances = folded
    if conversation.leaf is not None:
        conversation.leaf = place[conversation.leaf]


def _belongs(utterance: Utterance, above: Utterance) -> bool:
    if above.role != "assistant":
        return False
    if utterance.role == "assistant":
        goes_on = isinstance(above.parts[-1], ToolResultPart | ReasoningPart)
        return goes_on or isinstance(utterance.parts[0], ToolCallPart)
    calls = {part.call_id for part in above.parts if isinstance(part, ToolCallPart)}
    results = {part.call_id for part in utterance.parts if isinstance(part, ToolResultPart)}
    return utterance.role == "tool" and bool(results) and results <= calls


def _named(parts: tuple[Part, ...], above: tuple[Part, ...]) -> tuple[Part, ...]:
    """Results that do not say which tool they come from, named after their calls."""
    names = {part.call_id: part.name for part in above if isinstance(part, ToolCallPart)}
    return tuple(
        msgspec.structs.replace(part, name=names.get(part.call_id, ""))
        if isinstance(part, ToolResultPart) and not part.name
        else part
        for part in parts
    )


def settle(conversation: Conversation, owner_id: str, *, at: datetime) -> Stored:
    """Turn a parsed conversation into our nouns; `at` stands in for times that it does not have.

    Raises: Rejected when it has no messages, or one that is too long.
    """
    if not conversation.utterances:
        refuse("no messages")
    _check_lengths(conversation.utterances)
    session_id = _session_id(conversation)
    started = conversation.created_at or _first_moment(conversation.utterances) or at
    messages: list[Message] = []
    for seq, utterance in enumerate(conversation.utterances, start=1):
        parent_seq = 0 if utterance.parent is None else utterance.parent + 1
        before = messages[parent_seq - 1].timestamp if parent_seq else started
        answered = utterance.status or "complete"
        messages.append(
            Message(
                id=derived_id(session_id, str(seq)),
                seq=seq,
                parent_seq=parent_seq,
                role=utterance.role,
                parts=utterance.parts,
                timestamp=utterance.moment or before,
                status=answered if utterance.role == "assistant" else None,
            )
        )
    leaf = len(messages) if conversation.leaf is None else conversation.leaf + 1
    latest = max(message.timestamp for message in messages)
    imported = {"format": conversation.format, **conversation.extras}
    if conversation.source_id not in {"", session_id}:
        imported["id"] = clean(conversation.source_id[:MAX_EXTRA_CHARS], [])
    session = Session(
        id=session_id,
        owner_id=owner_id,
        title=_title(conversation),
        created_at=started,
        last_activity=conversation.last_activity or latest,
        message_count=len(messages),
        epoch=new_id(),
        head_seq=len(messages),
        leaf_seq=leaf,
        metadata={"imported": imported},
    )
    return Stored(
        session=session,
        messages=tuple(messages),
        format=conversation.format,
        notes=tuple(conversation.notes),
    )


def derived_id(*names: str) -> str:
    """An id that depends on nothing but the given names; 22 characters, as `new_id` has them."""
    digest = sha256("\0".join(names).encode()).digest()
    return urlsafe_b64encode(digest[:16])[:22].decode()


def fingerprint(messages: tuple[Message, ...]) -> str:
    """What makes two logs the same conversation: roles, parts and tree, and no times or ids."""
    told = [(message.parent_seq, message.role, message.parts) for message in messages]
    return sha256(msgspec.json.encode(told)).hexdigest()


def renamed(stored: Stored, session_id: str) -> Stored:
    """The same conversation under another id, with message and turn ids of its own."""

    def moved(message: Message) -> Message:
        turn_id = message.turn_id and derived_id(session_id, message.turn_id)
        message_id = derived_id(session_id, message.id)
        return msgspec.structs.replace(message, id=message_id, turn_id=turn_id)

    return msgspec.structs.replace(
        stored,
        session=msgspec.structs.replace(stored.session, id=session_id),
        messages=tuple(moved(message) for message in stored.messages),
    )


def _check_lengths(utterances: list[Utterance]) -> None:
    for number, utterance in enumerate(utterances, start=1):
        if utterance.role in {"user", "system"}:
            check_length(number, utterance.parts)


def check_length(number: int, parts: tuple[Part, ...]) -> None:
    """Refuse what nobody could have sent here. Raises: Rejected."""
    if sum(len(part.text) for part in parts if isinstance(part, TextPart)) > MAX_CONTENT_CHARS:
        refuse(f"message {number} has more than {MAX_CONTENT_CHARS:,} characters")


def _session_id(conversation: Conversation) -> str:
    """The source's own id where it may be one, else one made from it, or from the content."""
    source_id = conversation.source_id
    if is_identifier(source_id) and not source_id.startswith("-"):
        return source_id
    if source_id:
        readable = re.sub(r"[^A-Za-z0-9_-]+", "-", source_id).strip("-")[:40] or "imported"
        return f"{readable}-{_short_digest(source_id.encode('utf-8', 'replace'))}"
    told = [
        (utterance.parent, utterance.role, utterance.parts, utterance.moment)
        for utterance in conversation.utterances
    ]
    content = msgspec.json.encode((conversation.title, conversation.created_at, told))
    return f"imported-{_short_digest(content)}"


def _short_digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:20]


def _first_moment(utterances: list[Utterance]) -> datetime | None:
    return min((u.moment for u in utterances if u.moment), default=None)


def _title(conversation: Conversation) -> str:
    given = " ".join(conversation.title.split())
    if given:
        return given if len(given) <= MAX_TITLE_CHARS else given[: MAX_TITLE_CHARS - 1] + "…"
    for utterance in conversation.utterances:
        text = "".join(part.text for part in utterance.parts if isinstance(part, TextPart))
        if utterance.role == "user" and text:
            return title_from(text)
    return ""
