"""`Filling`: putting things into a cache behind the backs of those who read them.

Owns the tasks that do it, their bound, and the rule that what was read long ago is not put any
more. That rule, together with bars, keeps an erased session erased: a bar lies from before the
erasing commit until `BAR_SECONDS` after it, and whoever read before the commit has either put by
then, and was refused, or does not put at all.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Final

from cipher.storage.cache.base import CacheBackend

TTL: Final = 3_600.0
"""Seconds that anything is kept."""
BAR_SECONDS: Final = 10.0
FRESH_SECONDS: Final = 5.0
"""What was read longer ago than this is not put: half as long as a bar holds after a commit."""
ERASING_SECONDS: Final = 310.0
"""How long a bar lies that is laid before a change: the longest that a change may take."""
AGAIN_SECONDS: Final = 60.0
"""What was put is put again after this, should the cache have forgotten it."""
_MOST_TASKS: Final = 64
_MOST_LAST: Final = 2_000


class Filling:
    """At most `_MOST_TASKS` at a time, one for each key; beyond that nothing is put."""

    def __init__(self, cache: CacheBackend) -> None:
        self._cache = cache
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._last: OrderedDict[str, tuple[object, float]] = OrderedDict()

    def put(
        self, key: str, subject: object, value: Callable[[], bytes | None], *, read_at: float
    ) -> None:
        """Keep what `value` makes of a subject, if it makes anything.

        Not if the same was kept a moment ago. `read_at` is from `time.monotonic`.
        """
        if not self._cache.connected:
            return
        last = self._last.get(key)
        if last is None or last[1] < read_at - AGAIN_SECONDS or last[0] != subject:
            self._start(key, lambda: self._put(key, subject, value, read_at))

    def remove(self, key: str) -> None:
        """Forget what is kept under a key."""
        self._start(key, lambda: self._cache.remove(key))

    def forget(self, *keys: str) -> None:
        """Other hands have changed what is kept under keys: what is read next is put."""
        for key in keys:
            self._last.pop(key, None)

    async def settled(self) -> None:
        """Wait until nothing is on its way."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    def _start(self, key: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if key in self._tasks or len(self._tasks) >= _MOST_TASKS:
            return
        task = asyncio.create_task(work(), name="cache-filling")
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    async def _put(
        self, key: str, subject: object, value: Callable[[], bytes | None], read_at: float
    ) -> None:
        made = value()
        if made is None or time.monotonic() - read_at >= FRESH_SECONDS:
            return
        await self._cache.put(key, made, ttl=TTL)
        self._last[key] = subject, read_at
        self._last.move_to_end(key)
        if len(self._last) > _MOST_LAST:
            self._last.popitem(last=False)
