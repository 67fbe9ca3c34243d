"""Bytes to records: where one conversation ends and the next begins, in a file of any size.

Owns the splitting of JSON Lines, of one long JSON array, of our own export and of pretty-printed
objects into raw records, and the naming of each record's place for reports. Does not know what a
record means. Promises: memory is bounded by the largest record, itself bounded by `max_bytes`; a
record that is too large or broken becomes a record with a `problem`, and what stands before it,
and where the format allows it what stands behind it, is still found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

import msgspec

MAX_RECORD_BYTES = 256 * 1024 * 1024
"""The largest single record; a session of 100,000 messages of 1.5 kB still fits."""

CHUNK_BYTES = 256 * 1024
HEAD_BYTES = 4 * 1024
"""How much of the beginning the layout of a file is recognised by."""

_WHITE = b" \t\r\n"
_EXPORT_HEAD = re.compile(
    rb'\s*\{\s*"format"\s*:\s*"cipher-sessions"\s*,\s*"version"\s*:\s*(\d+)\s*,'
    rb'\s*"sessions"\s*:\s*\['
)
_NOT_TEXT = (
    (b"PK\x03\x04", "This is a zip archive; unpack it and import the JSON file inside."),
    (b"\x1f\x8b", "This is a gzip archive; unpack it first."),
    (b"\xff\xfe", "The file is encoded as UTF-16; save it as UTF-8."),
    (b"\xfe\xff", "The file is encoded as UTF-16; save it as UTF-8."),
    (b"SQLite format 3\x00", "This is a SQLite database, not an export."),
)

# Each matches whatever it has come to, so that there is nothing to go back for. Not possessive: in
# Python before 3.11.5 possessive groups match wrongly.
_NESTED_RUN = re.compile(rb'[^"{}\[\]]*(?:"[^"\\]*(?:\\.[^"\\]*)*"[^"{}\[\]]*)*', re.DOTALL)
_FLAT_RUN = re.compile(rb'[^"{}\[\],]*')
_STRING_RUN = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_GAP = re.compile(rb"[ \t\r\n,]*")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record as it stands in the file, or why there is none.

    `place` is `line 12` or `item 12`; `own` is the version of our export that holds it.
    """

    place: str
    data: bytes = b""
    problem: str = ""
    own: int | None = None


class RecordStream:
    """The records of a binary stream, in order; iterate once.

    `consumed` counts the bytes read so far, for showing progress.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        max_bytes: int = MAX_RECORD_BYTES,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self.consumed = 0
        self._stream = stream
        self._max_bytes = max_bytes
        self._chunk_bytes = chunk_bytes

    def __iter__(self) -> Iterator[Record]:
        chunks = self._chunks()
        head = _first_bytes(chunks)
        problem = _unreadable(head)
        if problem:
            yield Record(place="the file", problem=problem)
            return
        export = _EXPORT_HEAD.match(head)
        if export:
            rest = chain((head[export.end() :],), chunks)
            yield from _values(rest, self._max_bytes, in_array=True, own=int(export[1]))
        elif head.lstrip(_WHITE).startswith(b"["):
            rest = chain((head.lstrip(_WHITE)[1:],), chunks)
            yield from _values(rest, self._max_bytes, in_array=True)
        elif _spans_lines(head):
            yield from _values(chain((head,), chunks), self._max_bytes, in_array=False)
        else:
            yield from _lines(chain((head,), chunks), self._max_bytes)

    def _chunks(self) -> Iterator[bytes]:
        while chunk := self._stream.read(self._chunk_bytes):
            self.consumed += len(chunk)
            yield chunk


def _first_bytes(chunks: Iterator[bytes]) -> bytes:
    """The beginning of the stream, `HEAD_BYTES` at least if there are, without byte-order mark."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD_BYTES:
            break
    return head.removeprefix(b"\xef\xbb\xbf")


def _unreadable(head: bytes) -> str:
    if not head.strip(_WHITE):
        return "The file is empty."
    for magic, problem in _NOT_TEXT:
        if head.startswith(magic):
            return problem
    if head[1:2] == b"\0" or head[:1] == b"\0":
        return "The file is not UTF-8 text."
    return ""


def _spans_lines(head: bytes) -> bool:
    """Whether the file is a JSON object over several lines, and not one object a line."""
    text = head.lstrip(_WHITE)
    first, newline, rest = text.partition(b"\n")
    if not text.startswith(b"{") or not newline:
        return False
    try:
        msgspec.json.decode(first)
    except (msgspec.DecodeError, ValueError, RecursionError):
        following = rest.lstrip(b"\r\n")
        return not following.startswith(b"{")
    return False


def _lines(chunks: Iterator[bytes], max_bytes: int) -> Iterator[Record]:
    """Each line that is not blank."""
    kept = _Kept(max_bytes)
    number = 1
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            kept.add(chunk[start:end])
            yield from kept.take(f"line {number}")
            start = end + 1
            number += 1
        kept.add(chunk[start:])
    yield from kept.take(f"line {number}")


class _Kept:
    """The bytes of the record being read, dropped once they are too many."""

    def __init__(self, max_bytes: int, own: int | None = None) -> None:
        self._max_bytes = max_bytes
        self._own = own
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._max_bytes:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def take(self, place: str) -> Iterator[Record]:
        """The record, unless it is blank; then start the next."""
        size, data = self._size, b"".join(self._pieces).strip(_WHITE)
        self._pieces.clear()
        self._size = 0
        if size > self._max_bytes:
            yield Record(place=place, problem=f"over the limit of {self._max_bytes:,} bytes")
        elif data:
            yield Record(place=place, data=data, own=self._own)


def _values(
    chunks: Iterator[bytes], max_bytes: int, *, in_array: bool, own: int | None = None
) -> Iterator[Record]:
    """The elements of an array whose `[` was read, or values that follow each other."""
    scanner = _Scanner(in_array=in_array)
    kept = _Kept(max_bytes, own)
    number = 0
    for chunk in chunks:
        start = 0
        while start < len(chunk) and not scanner.ended:
            end = scanner.scan(chunk, start)
            kept.add(chunk[start:end])
            start = end
            if scanner.at_boundary:
                found = list(kept.take(f"item {number + 1}"))
                number += len(found)
                yield from found
                start = scanner.skip_gap(chunk, start)
        if scanner.ended:
            tail = chunk[start:].lstrip(_WHITE + (b"}" if own is not None else b""))
            if tail:
                yield Record(place="the end", problem="something follows the end of the list")
                return
    if not scanner.ended and (in_array or scanner.inside):
        yield Record(place=f"item {number + 1}", problem="the file breaks off here")
    elif not scanner.ended:
        yield from kept.take(f"item {number + 1}")


class _Scanner:
    """Follows brackets and strings from chunk to chunk, to see where a value ends."""

    def __init__(self, *, in_array: bool) -> None:
        self.ended = False
        self.at_boundary = False
        self._in_array = in_array
        self._depth = 0
        self._in_string = False
        self._escaped = False

    @property
    def inside(self) -> bool:
        """Whether a value has begun that has not ended."""
        return self._depth > 0 or self._in_string

    def scan(self, chunk: bytes, at: int) -> int:
        """Go on from `at` to the end of the value (`at_boundary`), of the array or of the chunk."""
        self.at_boundary = False
        while at < len(chunk):
            if self._in_string:
                at = self._through_string(chunk, at)
                continue
            run = (_NESTED_RUN if self._depth else _FLAT_RUN).match(chunk, at)
            at = run.end() if run else at
            if at == len(chunk):
                break
            char = chunk[at : at + 1]
            if char == b'"':
                self._in_string = True
            elif char in b"{[":
                self._depth += 1
            elif char == b"," and not self._depth:
                self.at_boundary = True
                return at
            elif char in b"}]":
                if not self._depth:
                    self.at_boundary = True
                    self.ended = self._in_array
                    return at if self._in_array else at + 1
                self._depth -= 1
                if not self._depth:
                    self.at_boundary = True
                    return at + 1
            at += 1
        return at

    def skip_gap(self, chunk: bytes, at: int) -> int:
        """Past what stands between two values, and past the end of the array if it is there."""
        gap = _GAP.match(chunk, at)
        at = gap.end() if gap else at
        if self.ended and chunk[at : at + 1] == b"]":
            at += 1
        return at

    def _through_string(self, chunk: bytes, at: int) -> int:
        if self._escaped:
            self._escaped = False
            return at + 1
        run = _STRING_RUN.match(chunk, at)
        at = run.end() if run else at
        if at == len(chunk):
            return at
        if chunk[at : at + 1] == b'"':
            self._in_string = False
        else:
            self._escaped = True
        return at + 1
