"""`GuardedCache`: a cache that may fail, hang or lie in wait, and costs nobody more than a moment.

Owns the deadline on every call and the circuit: after `FAILURES` calls in a row that failed it
opens, and from then on the cache is not asked at all. A probe asks in the background until it
answers again; no request pays for finding out. Never raises: what can not be known is not known,
and what can not be kept is not kept. Only bars are made up for: keys that had to be forgotten while
the cache was away are forgotten before anything is read from it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import structlog

from cipher.storage.cache.base import CacheBackend, CacheFailed

DEADLINE: Final = 0.25
"""Seconds that a call may take."""
FAILURES: Final = 3
PROBE_SECONDS: Final = 1.0
MOST_OWED: Final = 10_000
"""Bars that are remembered while the cache is away."""

T = TypeVar("T")
logger = structlog.get_logger(__name__)


class GuardedCache:
    """A `CacheBackend` around another one. It must be opened and closed instead of that."""

    def __init__(
        self,
        cache: CacheBackend,
        *,
        deadline: float = DEADLINE,
        probe_seconds: float = PROBE_SECONDS,
    ) -> None:
        self._cache = cache
        self._deadline = deadline
        self._probe_seconds = probe_seconds
        self._failures = 0
        self._closed = True
        self._probe: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[Any]] = set()
        self._owed: dict[str, float] = {}

    @property
    def connected(self) -> bool:
        """Whether the circuit is closed."""
        return self._probe is None

    async def open(self) -> None:
        await self._cache.open()
        self._closed = False

    async def close(self) -> None:
        """Let calls end, each within its deadline, and let go of the cache."""
        self._closed = True
        probe, self._probe = self._probe, None
        if probe is not None:
            probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)
        if self._running:
            await asyncio.wait(self._running)
        await self._cache.close()

    async def check(self) -> None:
        await self._called(self._cache.check())

    async def get(self, key: str) -> bytes | None:
        answer = await self._called(self._cache.get(key))
        return answer[0] if answer is not None else None

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        await self._called(self._cache.put(key, value, ttl=ttl))

    async def bar(self, *keys: str, seconds: float) -> None:
        if await self._called(self._cache.bar(*keys, seconds=seconds)) is None:
            self._owe(keys, seconds)

    async def remove(self, *keys: str) -> None:
        for key in keys:
            self._owed.pop(key, None)
        if await self._called(self._cache.remove(*keys)) is None:
            self._owe(keys, self._deadline)

    def _owe(self, keys: tuple[str, ...], seconds: float) -> None:
        """Make up for a bar before anything else is asked: until then the cache is not trusted."""
        for key in keys:
            if len(self._owed) < MOST_OWED:
                self._owed[key] = seconds
        if self._probe is None and not self._closed:
            self._open_circuit("a bar failed")

    async def _called(self, call: Coroutine[Any, Any, T]) -> tuple[T] | None:
        """The answer, or None if there is none in time.

        The call has a task of its own: a caller who goes away does not break it off in the middle,
        and one that does not end when it is cancelled keeps nobody waiting. `asyncio.wait_for`
        swallows a cancellation now and then before Python 3.12, and the driver is built on it.
        """
        if self._probe is not None:
            call.close()
            return None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[T] | None] = loop.create_future()
        task = loop.create_task(call)
        late = loop.call_later(self._deadline, self._give_up, task, answer)
        self._running.add(task)

        def ended(task: asyncio.Task[T]) -> None:
            self._running.discard(task)
            late.cancel()
            if task.cancelled():
                return
            error = task.exception()
            if error is None:
                self._failures = 0
            elif isinstance(error, CacheFailed):
                self._failed(type(error.__cause__ or error).__name__)
            if not answer.done():
                if error is None:
                    answer.set_result((task.result(),))
                elif isinstance(error, CacheFailed):
                    answer.set_result(None)
                else:
                    answer.set_exception(error)

        task.add_done_callback(ended)
        return await answer

    def _give_up(self, task: asyncio.Task[Any], answer: asyncio.Future[Any]) -> None:
        task.cancel()
        self._failed("no answer")
        if not answer.done():
            answer.set_result(None)

    def _failed(self, reason: str) -> None:
        self._failures += 1
        if self._failures >= FAILURES and self._probe is None and not self._closed:
            self._open_circuit(reason)

    def _open_circuit(self, reason: str) -> None:
        logger.warning("cache circuit opened", reason=reason)
        self._probe = asyncio.create_task(self._probing(), name="cache-probe")

    async def _probing(self) -> None:
        """Ask until the cache answers and has forgotten what it had to; then close the circuit."""
        while not self._closed:
            await asyncio.sleep(self._probe_seconds)
            try:
                async with asyncio.timeout(self._deadline):
                    await self._cache.check()
                while self._owed:
                    key, seconds = next(iter(self._owed.items()))
                    async with asyncio.timeout(self._deadline):
                        await self._cache.bar(key, seconds=seconds)
                    if self._owed.get(key) == seconds:
                        del self._owed[key]
            except (CacheFailed, TimeoutError):
                continue
            self._failures, self._probe = 0, None
            logger.info("cache circuit closed")
            return
