"""What is kept in a cache, sealed, and what may be concluded from it.

Owns the values (a session's row, the newest messages of its branch, the first page of a list) and
the seal on them: whoever can write to the cache, but does not know the secret, can not make a value
that is believed, nor put one under another key. Owns no decision about when a value is fresh.

The messages of a log never change, and neither does where they hang: `(epoch, seq)` always names
the same bytes. So `branch_from` is right whenever the epoch is right, however old the messages are.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, Generic, TypeVar

import msgspec

from cipher.model import Message, Session
from cipher.storage.cache.base import MAX_VALUE_BYTES

MEMO_BYTES: Final = 16_777_216
MOST_MESSAGES: Final = 1_000
FEWEST_MESSAGES: Final = 50
"""What is kept of a page that is too large to be kept whole."""

_SEAL_BYTES: Final = 16
_FORM: Final = b"1:"
"""Part of every seal: raise it when the shape of a value changes, and older values are unknown."""


class KnownSession(msgspec.Struct, frozen=True):
    """A session's row, as it was once."""

    session: Session


class KnownMessages(msgspec.Struct, frozen=True):
    """A session and the messages up to its leaf, as they were once; never none of them."""

    session: Session
    messages: tuple[Message, ...]


class KnownList(msgspec.Struct, frozen=True):
    """The first page of an owner's active sessions, as it was once."""

    owner_id: str
    sessions: tuple[Session, ...]
    next_cursor: str | None = None


K = TypeVar("K", KnownSession, KnownMessages, KnownList)


class Sealed(Generic[K]):
    """Values of one shape as bytes.

    Bytes that were read or written last under a key need no second look: `recall` keeps what they
    said, up to `memo_bytes` of them. Checking and decoding 50 messages takes longer than reading
    them from SQLite.
    """

    def __init__(self, shape: type[K], secret: bytes, *, memo_bytes: int = 0) -> None:
        self._decoder: msgspec.json.Decoder[K] = msgspec.json.Decoder(shape)
        self._encoder = msgspec.json.Encoder()
        self._secret = secret
        self._memo: OrderedDict[str, tuple[bytes, K]] = OrderedDict()
        self._memo_bytes = 0
        self._most_memo_bytes = memo_bytes

    def write(self, key: str, known: K) -> bytes | None:
        """The bytes to keep under a key; None where there are too many."""
        text = self._encoder.encode(known)
        if len(text) + _SEAL_BYTES > MAX_VALUE_BYTES:
            return None
        sealed = self._seal(key, text) + text
        self._remember(key, sealed, known)
        return sealed

    def read(self, key: str, sealed: bytes | None) -> K | None:
        """What was written under this key with our secret, else None; shared with nobody."""
        if sealed is None:
            return None
        text = sealed[_SEAL_BYTES:]
        if not hmac.compare_digest(self._seal(key, text), sealed[:_SEAL_BYTES]):
            return None
        try:
            return self._decoder.decode(text)
        except (msgspec.MsgspecError, RecursionError):  # a server of another version wrote it
            return None

    def recall(self, key: str, sealed: bytes | None) -> K | None:
        """The same as `read`, shared with whoever asks for it next."""
        memo = self._memo.get(key)
        if memo is not None and memo[0] == sealed:
            self._memo.move_to_end(key)
            return memo[1]
        known = self.read(key, sealed)
        if known is not None and sealed is not None:
            self._remember(key, sealed, known)
        return known

    def forget(self, keys: Iterable[str]) -> None:
        """Let go of what is remembered under keys."""
        for key in keys:
            self._drop(key)

    def _seal(self, key: str, text: bytes) -> bytes:
        name = key.encode()
        said = b"%s%d:%s%s" % (_FORM, len(name), name, text)
        return hmac.digest(self._secret, said, "sha256")[:_SEAL_BYTES]

    def _remember(self, key: str, sealed: bytes, known: K) -> None:
        self._drop(key)
        self._memo[key] = sealed, known
        self._memo_bytes += len(sealed)
        while self._memo_bytes > self._most_memo_bytes:
            self._drop(next(iter(self._memo)))

    def _drop(self, key: str) -> None:
        memo = self._memo.pop(key, None)
        if memo is not None:
            self._memo_bytes -= len(memo[0])


def branch_from(
    messages: Iterable[Message], leaf_seq: int, limit: int
) -> tuple[Message, ...] | None:
    """The branch up to a leaf, walked through messages of its log.

    As far up as they reach, which is at least `limit` messages or the root; None where it is less.
    """
    by_seq = {message.seq: message for message in messages}
    found: list[Message] = []
    wanted = leaf_seq
    while wanted and len(found) < MOST_MESSAGES:
        message = by_seq.get(wanted)
        if message is None:
            break
        found.append(message)
        wanted = message.parent_seq
    if wanted and len(found) < limit:
        return None
    return tuple(reversed(found))
