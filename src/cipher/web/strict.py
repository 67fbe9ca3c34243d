"""Reading what strangers send: JSON into typed structs, or an error that says what is wrong.

Owns the limits on shape (depth, types, characters); sizes are bounded before the bytes get here.
Promises that nothing but `BadRequest` and its kin comes out, whatever goes in, and that no decoded
text holds half a surrogate pair, which could be neither stored nor sent on.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeVar

import msgspec

from cipher.errors import BadRequest, TooLarge
from cipher.model import MAX_CONTENT_CHARS

MAX_DEPTH: Final = 32
MAX_METADATA_BYTES: Final = 65_536

# A string without escapes; one that is open runs to the end.
_STRINGS = re.compile(rb'"[^"]*(?:"|\Z)')
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")

Shape = TypeVar("Shape")


class NotJson(BadRequest):
    """This is not JSON."""


class WrongShape(BadRequest):
    """This is JSON of another shape than was asked for."""


def read_json(raw: bytes, decoder: msgspec.json.Decoder[Shape]) -> Shape:
    """Decode one JSON document strictly.

    Raises: NotJson for bytes that are not JSON at all, WrongShape for JSON of another shape,
    BadRequest for JSON that nests too deep or holds text that is none.
    """
    if nests_deeper_than(raw, MAX_DEPTH):
        raise BadRequest(f"The JSON is nested deeper than {MAX_DEPTH} levels.")
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise WrongShape(_complaint(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(raw) from error


def nests_deeper_than(raw: bytes, limit: int) -> bool:
    """Whether brackets outside of strings nest deeper than `limit`.

    Pairs without anything between them are taken away `limit` times; each time takes one level, so
    what is left is deeper (or not JSON, which the decoder says better). All of it runs in C: 1 MiB
    of brackets takes milliseconds, not the second that a loop would.
    """
    if raw.count(b"[") + raw.count(b"{") <= limit:
        return False
    plain = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = _STRINGS.sub(b"", plain).translate(_BRACKETS, _NOT_BRACKETS)
    if b"[" * (limit + 1) in brackets:
        return True
    for _ in range(limit):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return b"[" in brackets and b"]" in brackets


def check_content(content: str) -> None:
    """Refuse message text that is empty, too long or not storable. Raises: BadRequest, TooLarge."""
    if not content:
        raise BadRequest("content: a message has at least one character.")
    if len(content) > MAX_CONTENT_CHARS:
        raise TooLarge(f"content: a message has at most {MAX_CONTENT_CHARS:,} characters.")
    check_text("content", content)


def check_text(name: str, text: str) -> None:
    """Refuse the one character that no database takes. Raises: BadRequest."""
    if "\0" in text:
        raise BadRequest(f"{name}: the character NUL is not allowed.")


def check_metadata(metadata: dict[str, Any]) -> None:
    """Refuse metadata beyond its limit; what it may hold is the storage's to say.

    Raises: TooLarge.
    """
    if len(msgspec.json.encode(metadata)) > MAX_METADATA_BYTES:
        raise TooLarge(f"metadata: at most {MAX_METADATA_BYTES:,} bytes of JSON.")


def _unreadable(raw: bytes) -> BadRequest:
    # The strict decoder refuses `"\ud800"`, which is JSON by its grammar but not text.
    try:
        json.loads(raw)
    except ValueError:
        return NotJson()
    return BadRequest("The text holds half a surrogate pair or a number that is out of range.")


def _complaint(message: str) -> str:
    """`Expected `int`, got `str` - at `$.limit`` turned into `limit: expected int, got str`."""
    problem, _, path = message.replace("`", "").partition(" - at $")
    where = path.lstrip(".")
    return f"{where}: {problem[:1].lower()}{problem[1:]}." if where else f"{problem}."
