"""The promises that every cache keeps, and the names of what is in it.

`CacheBackend` is the seam between the database's reader and whatever remembers for it; one contract
suite (`tests/storage/cache_contract.py`) runs whole on each backend. A cache promises very little,
and nothing that anybody may build truth on:

- `get` returns the bytes that were put last under a key, or None. It may forget anything anytime.
- Nothing comes back after its `ttl`, and nothing that is put while its key is barred.
- A caller who is cancelled, or a server that does not answer, never makes one caller receive what
  another asked for.
- Driver errors come out as `CacheFailed`, never raw.
"""

from __future__ import annotations

from typing import Final, Protocol

from cipher.errors import CipherError

PREFIX: Final = "cipher:"
MAX_VALUE_BYTES: Final = 262_144
"""Longer values are not kept: reading one would hold up all others behind it."""


class CacheFailed(CipherError):
    """The cache did not do what it was asked."""


class CacheBackend(Protocol):
    """A place that remembers bytes for a while. Every verb raises CacheFailed where it fails."""

    @property
    def connected(self) -> bool:
        """Whether it is asked at all: False while it is known not to answer."""

    async def open(self) -> None:
        """Get ready. Needs no server to be there yet."""

    async def close(self) -> None:
        """Let go of everything. Twice is fine; every other verb fails from now on."""

    async def check(self) -> None:
        """Prove that it answers."""

    async def get(self, key: str) -> bytes | None:
        """What is kept under a key."""

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keep bytes for `ttl` seconds at most, unless the key is barred or they are too many.

        An empty value, or one longer than `MAX_VALUE_BYTES`, only makes the key forgotten.
        """

    async def bar(self, *keys: str, seconds: float) -> None:
        """Forget keys and keep nothing under them for so long, whoever puts it.

        A key that is barred already stays so for the longer of both times.
        """

    async def remove(self, *keys: str) -> None:
        """Forget keys, and bar them no longer."""


def session_key(session_id: str) -> str:
    """Where a session's row is kept."""
    return f"session:{session_id}"


def messages_key(session_id: str) -> str:
    """Where the newest messages of a session's branch are kept."""
    return f"messages:{session_id}"


def list_key(owner_id: str) -> str:
    """Where the first page of an owner's sessions is kept."""
    return f"sessions:{owner_id}"
