"""`MemoryCache`: a `CacheBackend` in this process, bounded by bytes.

The least recently used goes first. It can not fail and does not wait; other processes do not see
it. Bars are held apart from values, so that values never press one out.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from cipher.storage.cache.base import MAX_VALUE_BYTES, CacheFailed

MAX_BYTES: Final = 33_554_432
_ENTRY_BYTES: Final = 200
"""What an entry costs besides its key and value."""


class MemoryCache:
    """At most `max_bytes` of keys and values. `clock` counts seconds."""

    connected = True

    def __init__(
        self, *, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._is_open = False
        self._values: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._bars: dict[str, float] = {}
        self.bytes = 0

    async def open(self) -> None:
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False
        self._values.clear()
        self._bars.clear()
        self.bytes = 0

    async def check(self) -> None:
        self._require_open()

    async def get(self, key: str) -> bytes | None:
        self._require_open()
        entry = self._values.get(key)
        if entry is None:
            return None
        value, until = entry
        if until <= self._clock():
            self._forget(key)
            return None
        self._values.move_to_end(key)
        return value

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        self._require_open()
        self._forget(key)
        now = self._clock()
        if self._bars.get(key, now) > now or not 0 < len(value) <= MAX_VALUE_BYTES:
            return
        self._values[key] = value, now + ttl
        self.bytes += _cost(key, value)
        while self.bytes > self._max_bytes:
            self._forget(next(iter(self._values)))

    async def bar(self, *keys: str, seconds: float) -> None:
        self._require_open()
        now = self._clock()
        self._bars = {key: until for key, until in self._bars.items() if until > now}
        for key in keys:
            self._forget(key)
            self._bars[key] = max(self._bars.get(key, now), now + seconds)

    async def remove(self, *keys: str) -> None:
        self._require_open()
        for key in keys:
            self._forget(key)
            self._bars.pop(key, None)

    def _require_open(self) -> None:
        if not self._is_open:
            raise CacheFailed("The cache is not open.")

    def _forget(self, key: str) -> None:
        entry = self._values.pop(key, None)
        if entry is not None:
            self.bytes -= _cost(key, entry[0])


def _cost(key: str, value: bytes) -> int:
    return len(key) + len(value) + _ENTRY_BYTES
