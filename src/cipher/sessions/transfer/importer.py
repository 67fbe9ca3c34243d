"""Conversations into a database: recognise, parse, store, and say what became of each.

Owns the recognising of formats by content, the order and idempotency of an import, and its report.
Promises: each conversation is stored whole or not at all; the second import of the same file adds
nothing; nothing stored is changed and nothing deleted comes back; a bad record costs itself only.
An id that another conversation already has gets a suffix drawn from the content, so that two files
that both count from 1 do not hide each other.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, BinaryIO, Literal, TypeVar

import msgspec

from cipher.errors import BadRequest, SessionNotFound
from cipher.model import utc_now
from cipher.sessions.transfer.formats import document
from cipher.sessions.transfer.formats.chatgpt import read_chatgpt
from cipher.sessions.transfer.formats.conversation import (
    Rejected,
    Stored,
    fingerprint,
    refuse,
    renamed,
    settle,
)
from cipher.sessions.transfer.formats.openai import read_openai
from cipher.sessions.transfer.formats.sharegpt import read_sharegpt
from cipher.sessions.transfer.stream import MAX_RECORD_BYTES, Record, RecordStream
from cipher.storage.base import DatabaseBackend

T = TypeVar("T")
Outcome = Literal["added", "there", "deleted", "skipped"]

BATCH_CONVERSATIONS = 64
BATCH_BYTES = 4 * 1024 * 1024
"""What is stored at a time: enough for one commit to carry many, little enough to hold."""

MAX_REASONS = 50
MAX_EXAMPLES = 5

Progress = Callable[[int], None]
"""Called after each batch with the bytes read of the current stream."""

_READERS = {"mapping": read_chatgpt, "messages": read_openai, "conversations": read_sharegpt}


class Remark(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How often something was skipped or noted, why, and where first."""

    reason: str
    count: int
    examples: tuple[str, ...]


class ImportReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an import did, in conversations but for `messages`.

    `sessions` are the ids of those added. `deleted` counts those that are in the trash or were
    erased here and stay so. `notes` are about what was added: parts left out or replaced.
    """

    added: int
    messages: int
    already_there: int
    deleted: int
    formats: dict[str, int]
    sessions: tuple[str, ...]
    skipped: tuple[Remark, ...]
    notes: tuple[Remark, ...]

    @property
    def in_vain(self) -> bool:
        """Whether there was something in the input, and none of it could be taken over."""
        return bool(self.skipped) and not (self.added or self.already_there or self.deleted)


async def import_stream(
    database: DatabaseBackend,
    owner_id: str,
    stream: BinaryIO,
    *,
    at: datetime | None = None,
    on_progress: Progress | None = None,
) -> ImportReport:
    """Import everything that a stream holds; `at` stands in for times that it does not have.

    Raises: StorageError; what was stored before stays, and the same import again goes on there.
    """
    importer = Importer(database, owner_id, at=at)
    await importer.take(stream, on_progress=on_progress)
    return importer.report()


def read_session(data: bytes, owner_id: str) -> Stored:
    """The one session of an export of ours, not stored. Raises: BadRequest."""
    read = _attempt(partial(_only_session, data, owner_id))
    if isinstance(read, str):
        raise BadRequest(f"The session can not be read: {read}.")
    return read


class _Remarks:
    """Counts by reason, with a bound on reasons and on examples."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def add(self, reason: str, place: str) -> None:
        if reason not in self._counts and len(self._counts) >= MAX_REASONS:
            reason = "other reasons"
        self._counts[reason] = self._counts.get(reason, 0) + 1
        examples = self._examples.setdefault(reason, [])
        if len(examples) < MAX_EXAMPLES and place not in examples:
            examples.append(place)

    def told(self) -> tuple[Remark, ...]:
        ordered = sorted(self._counts.items(), key=lambda item: -item[1])
        return tuple(
            Remark(reason=reason, count=count, examples=tuple(self._examples[reason]))
            for reason, count in ordered
        )


class _Found(msgspec.Struct, frozen=True):
    """One conversation of the input, or the reason why it is none."""

    place: str
    stored: Stored | None = None
    reason: str = ""
    size: int = 0


class Importer:
    """One import over one or more streams; `report` may be asked for at any time."""

    def __init__(
        self,
        database: DatabaseBackend,
        owner_id: str,
        *,
        at: datetime | None = None,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        self._database = database
        self._owner_id = owner_id
        self._at = at or utc_now()
        self._max_record_bytes = max_record_bytes
        self._number = 0
        self._messages = 0
        self._already_there = 0
        self._deleted = 0
        self._formats: dict[str, int] = {}
        self._sessions: list[str] = []
        self._skipped = _Remarks()
        self._notes = _Remarks()

    async def take(self, stream: BinaryIO, *, on_progress: Progress | None = None) -> None:
        """Import all of a stream. Parsing runs on a thread. Raises: StorageError.

        One that is cancelled finishes the batch that it is storing.
        """
        records = RecordStream(stream, max_bytes=self._max_record_bytes)
        found = self._parse(records)
        while batch := await asyncio.to_thread(_next_batch, found):
            storing = asyncio.create_task(self._store_all(batch))
            try:
                await asyncio.shield(storing)
            except asyncio.CancelledError:
                # What is under way is stored all the same, and belongs into the report.
                await storing
                raise
            if on_progress:
                on_progress(records.consumed)

    def report(self) -> ImportReport:
        """What was done so far."""
        return ImportReport(
            added=len(self._sessions),
            messages=self._messages,
            already_there=self._already_there,
            deleted=self._deleted,
            formats=dict(self._formats),
            sessions=tuple(self._sessions),
            skipped=self._skipped.told(),
            notes=self._notes.told(),
        )

    def _parse(self, records: Iterable[Record]) -> Iterator[_Found]:
        for record in records:
            size = len(record.data)
            entries = _attempt(partial(self._entries, record))
            if isinstance(entries, str):
                yield _Found(record.place, reason=entries, size=size)
                continue
            for read in entries:
                got = _attempt(read)
                if isinstance(got, str):
                    yield _Found(record.place, reason=got, size=size)
                else:
                    yield _Found(record.place, stored=got, size=size)
                size = 0

    def _entries(self, record: Record) -> list[Callable[[], Stored]]:
        """What a record holds: one conversation, or those of a whole export in one object."""
        if record.problem:
            refuse(record.problem)
        owner_id = self._owner_id
        if record.own is not None:
            return [partial(document.read_document, record.data, owner_id, record.own)]
        value = _decode(record.data)
        if not isinstance(value, dict):
            refuse("not a conversation: not a JSON object")
        if value.get("format") == document.FORMAT:
            sessions = document.sessions_of(value)
            return [partial(document.convert_document, entry, owner_id) for entry in sessions]
        if "leafSeq" in value and "messages" in value:
            return [partial(document.convert_document, value, owner_id)]
        return [partial(self._read_foreign, value)]

    def _read_foreign(self, value: dict[str, Any]) -> Stored:
        read = next((read for field, read in _READERS.items() if field in value), None)
        if read is None and "role" in value:
            refuse('a message outside a conversation; put them into {"messages": [...]}')
        if read is None:
            refuse('not a conversation: no "messages", "conversations" or "mapping" in it')
        # One millisecond apart, so that a list by activity keeps the order of the file.
        at = self._at - timedelta(milliseconds=self._number)
        self._number += 1
        return settle(read(value), self._owner_id, at=at)

    async def _store_all(self, batch: Sequence[_Found]) -> None:
        """Store a batch at once, so that one commit carries it, and account for it in order."""
        outcomes = await asyncio.gather(*map(self._store, batch), return_exceptions=True)
        failure: BaseException | None = None
        for found, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, BadRequest):
                self._skipped.add(outcome.message, found.place)
            elif isinstance(outcome, BaseException):
                failure = failure or outcome
            else:
                self._account(found, *outcome)
        if failure is not None:
            raise failure

    async def _store(self, found: _Found) -> tuple[Outcome, Stored | None]:
        stored = found.stored
        if stored is None:
            return "skipped", None
        if await self._database.import_session(stored.session, stored.messages):
            return "added", stored
        if await self._is_other(stored):
            suffix = fingerprint(stored.messages)[:12]
            stored = renamed(stored, f"{stored.session.id[:51]}-{suffix}")
            if await self._database.import_session(stored.session, stored.messages):
                return "added", stored
        try:
            await self._database.get_session(self._owner_id, stored.session.id)
        except SessionNotFound:
            return "deleted", stored
        return "there", stored

    async def _is_other(self, stored: Stored) -> bool:
        """Whether the id is taken by a log that does not begin with this one."""
        session_id, given, at = stored.session.id, stored.messages, 0
        try:
            while at < len(given):
                page = await self._database.log(self._owner_id, session_id, after=at)
                known = page.messages[: len(given) - at]
                if not known or fingerprint(known) != fingerprint(given[at : at + len(known)]):
                    return True
                at += len(known)
        except SessionNotFound:
            return False
        return False

    def _account(self, found: _Found, outcome: Outcome, stored: Stored | None) -> None:
        if stored is None or found.stored is None:
            self._skipped.add(found.reason, found.place)
            return
        if outcome == "there":
            self._already_there += 1
        elif outcome == "deleted":
            self._deleted += 1
        else:
            self._sessions.append(stored.session.id)
            self._messages += len(stored.messages)
            self._formats[stored.format] = self._formats.get(stored.format, 0) + 1
            for note in stored.notes:
                self._notes.add(note, found.place)
            if stored.session.id != found.stored.session.id:
                place = f"{found.place} ({found.stored.session.id})"
                self._notes.add("the id belongs to another conversation; took a new one", place)


def _attempt(read: Callable[[], T]) -> T | str:
    """What `read` gives, or why it does not."""
    try:
        return read()
    except Rejected as rejected:
        return str(rejected)
    except RecursionError:
        return "nested too deep"
    except OverflowError:
        return "a number out of range"


def _next_batch(found: Iterator[_Found]) -> list[_Found]:
    batch: list[_Found] = []
    size = 0
    for item in found:
        batch.append(item)
        size += item.size
        if len(batch) >= BATCH_CONVERSATIONS or size >= BATCH_BYTES:
            break
    return batch


def _only_session(data: bytes, owner_id: str) -> Stored:
    value = _decode(data)
    if not isinstance(value, dict) or value.get("format") != document.FORMAT:
        refuse(f"not a {document.FORMAT} export")
    sessions = document.sessions_of(value)
    if len(sessions) != 1:
        refuse("not an export of one session")
    return document.convert_document(sessions[0], owner_id)


def _decode(data: bytes) -> Any:
    """A record's JSON. Lone surrogates pass, and are replaced where text is taken over."""
    try:
        return msgspec.json.decode(data)
    except UnicodeDecodeError:
        refuse("not UTF-8 text")
    except msgspec.DecodeError as error:
        problem = "the JSON breaks off" if "truncated" in str(error) else "not valid JSON"
    try:
        return json.loads(data, parse_constant=_no_constant)
    except UnicodeDecodeError:
        refuse("not UTF-8 text")
    except ValueError:
        refuse(problem)


def _no_constant(name: str) -> Any:
    raise ValueError(name)
