"""What a cache that fails, hangs or comes back costs: a moment, and never more than once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from structlog.testing import capture_logs

from cipher.storage.cache.base import CacheFailed
from cipher.storage.cache.guard import FAILURES, GuardedCache
from cipher.storage.cache.memory import MemoryCache
from cipher.storage.cache.redis import RedisCache
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.backend

TTL = 60.0
PROBE = 0.01


class Moody(MemoryCache):
    """A cache that can be told to fail."""

    failing = False
    asked = 0

    async def get(self, key: str) -> bytes | None:
        self._fail()
        return await super().get(key)

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        self._fail()
        await super().put(key, value, ttl=ttl)

    async def bar(self, *keys: str, seconds: float) -> None:
        self._fail()
        await super().bar(*keys, seconds=seconds)

    async def check(self) -> None:
        self._fail()
        await super().check()

    def _fail(self) -> None:
        self.asked += 1
        if self.failing:
            raise CacheFailed


@pytest.fixture
def own() -> Iterator[ValkeyServer]:
    """A server that the test may stop."""
    server = ValkeyServer()
    yield server
    server.thaw()
    server.close()


@pytest.fixture
async def guarded(own: ValkeyServer) -> AsyncIterator[GuardedCache]:
    cache = GuardedCache(RedisCache(own.url), probe_seconds=PROBE)
    await cache.open()
    yield cache
    await cache.close()


async def closed(cache: GuardedCache) -> None:
    """Wait until the circuit is closed."""
    async with asyncio.timeout(30):
        while not cache.connected:  # noqa: ASYNC110 # it comes back without an event
            await asyncio.sleep(PROBE)


async def opened(cache: GuardedCache) -> None:
    """Ask until the circuit opens."""
    async with asyncio.timeout(30):
        while cache.connected:
            assert await cache.get("a") is None


async def test_a_server_that_hangs_costs_each_call_the_deadline_and_then_nothing(
    own: ValkeyServer, guarded: GuardedCache
) -> None:
    await guarded.put("a", b"value", ttl=TTL)
    own.freeze()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*(guarded.get("a") for _ in range(100))) == [None] * 100
        assert not guarded.connected
        for _ in range(1_000):
            assert await guarded.get("a") is None
            await guarded.put("a", b"late", ttl=TTL)
    own.thaw()
    await closed(guarded)
    assert await guarded.get("a") == b"value"


async def test_a_server_that_was_killed_is_asked_again_once_it_is_back(
    own: ValkeyServer, guarded: GuardedCache
) -> None:
    await guarded.put("a", b"value", ttl=TTL)
    own.kill()
    await opened(guarded)
    own.start()
    await closed(guarded)
    assert await guarded.get("a") is None
    await guarded.put("a", b"new", ttl=TTL)
    assert await guarded.get("a") == b"new"


async def test_a_server_that_is_away_at_the_start_is_used_once_it_is_there(
    own: ValkeyServer,
) -> None:
    own.kill()
    cache = GuardedCache(RedisCache(own.url), probe_seconds=PROBE)
    await cache.open()
    await opened(cache)
    own.start()
    await closed(cache)
    await cache.put("a", b"value", ttl=TTL)
    assert await cache.get("a") == b"value"
    await cache.close()


async def test_answers_of_the_cancelled_reach_nobody_else_behind_the_guard(
    own: ValkeyServer, guarded: GuardedCache
) -> None:
    keys = [f"k{number}" for number in range(30)]
    for key in keys:
        await guarded.put(key, key.encode() * 2_000, ttl=TTL)
    for turns in range(40):
        readers = [asyncio.create_task(guarded.get(key)) for key in keys]
        for _ in range(turns):
            await asyncio.sleep(0)
        for reader in readers[::3]:
            reader.cancel()
        answers = await asyncio.gather(*readers, return_exceptions=True)
        for key, answer in zip(keys, answers, strict=True):
            assert (
                answer is None
                or isinstance(answer, asyncio.CancelledError)
                or (answer == key.encode() * 2_000)
            )
    assert guarded.connected


async def test_answers_that_come_after_the_deadline_reach_nobody(
    own: ValkeyServer,
) -> None:
    cache = GuardedCache(RedisCache(own.url, connections=2), probe_seconds=PROBE)
    await cache.open()
    for number in range(10):
        await cache.put(f"k{number}", str(number).encode(), ttl=TTL)
    for _ in range(3):
        own.freeze()
        await opened(cache)
        own.thaw()
        await closed(cache)
        for number in range(10):
            assert await cache.get(f"k{number}") in (str(number).encode(), None)
    await cache.close()


async def test_the_circuit_opens_after_failures_in_a_row_and_says_so_once() -> None:
    moody = Moody()
    cache = GuardedCache(moody, probe_seconds=PROBE)
    await cache.open()
    with capture_logs() as lines:
        moody.failing = True
        for _ in range(FAILURES - 1):
            await cache.get("a")
        moody.failing = False
        await cache.get("a")
        moody.failing = True
        for _ in range(FAILURES - 1):
            await cache.get("a")
        assert cache.connected
        await cache.get("a")
        assert not cache.connected
        moody.failing = False
        await closed(cache)
    assert [line["event"] for line in lines] == ["cache circuit opened", "cache circuit closed"]
    await cache.close()


async def test_an_open_circuit_asks_by_itself_and_no_request_asks() -> None:
    moody = Moody()
    cache = GuardedCache(moody, probe_seconds=60)
    await cache.open()
    moody.failing = True
    await opened(cache)
    asked = moody.asked
    await asyncio.gather(*(cache.get("a") for _ in range(100)))
    assert moody.asked == asked
    await cache.close()


async def test_what_could_not_be_forgotten_is_forgotten_before_anything_is_read_again() -> None:
    moody = Moody()
    cache = GuardedCache(moody, probe_seconds=PROBE)
    await cache.open()
    for key in ("a", "b", "c"):
        await cache.put(key, b"value", ttl=TTL)
    moody.failing = True
    await cache.bar("a", "b", seconds=TTL)
    assert not cache.connected, "one failed bar is enough: nothing may be read until it is made up"
    moody.failing = False
    assert await cache.get("a") is None
    await closed(cache)
    assert [await cache.get(key) for key in ("a", "b", "c")] == [None, None, b"value"]
    await cache.put("a", b"late", ttl=TTL)
    assert await cache.get("a") is None
    await cache.close()


async def test_a_call_that_does_not_end_when_it_is_cancelled_keeps_nobody_waiting() -> None:
    ended, cancelled = asyncio.Event(), asyncio.Event()

    class Stubborn(MemoryCache):
        async def get(self, key: str) -> bytes | None:
            try:
                await ended.wait()
            except asyncio.CancelledError:
                cancelled.set()
                await ended.wait()
            return b"late"

    cache = GuardedCache(Stubborn(), deadline=0.01)
    await cache.open()
    async with asyncio.timeout(10):
        assert await cache.get("a") is None
        await cancelled.wait()
    ended.set()
    await cache.close()


async def test_a_guard_can_be_closed_while_its_server_hangs(
    own: ValkeyServer, guarded: GuardedCache
) -> None:
    await guarded.put("a", b"value", ttl=TTL)
    own.freeze()
    asking = asyncio.create_task(guarded.get("a"))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await guarded.close()
    assert await asking is None
    assert await guarded.get("a") is None
