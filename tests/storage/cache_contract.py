"""The contract suite of caches: every promise of `storage/cache/base.py`, on any backend.

Subclass `CacheContract` with a `cache` fixture that yields an open, empty cache; the tests come
along.
"""

from __future__ import annotations

import asyncio

import pytest

from cipher.storage.cache.base import MAX_VALUE_BYTES, CacheBackend, CacheFailed

TTL = 60.0
SHORT = 0.02


async def gone(cache: CacheBackend, key: str) -> None:
    """Wait until nothing is kept under a key."""
    async with asyncio.timeout(10):
        while await cache.get(key) is not None:  # noqa: ASYNC110 # there is no event for it
            await asyncio.sleep(0)


async def kept(cache: CacheBackend, key: str, value: bytes) -> None:
    """Put until it is kept."""
    async with asyncio.timeout(10):
        while await cache.get(key) != value:
            await cache.put(key, value, ttl=TTL)


class CacheContract:
    """All promises of a cache, to be inherited by the test class of one."""

    async def test_what_was_put_last_comes_back_to_the_byte(self, cache: CacheBackend):
        value = bytes(range(256)) + "Ärger 🦊".encode()
        await cache.put("session:s", b"before", ttl=TTL)
        await cache.put("session:s", value, ttl=TTL)
        assert await cache.get("session:s") == value

    async def test_keys_that_were_never_put_hold_nothing(self, cache: CacheBackend):
        await cache.put("session:s", b"value", ttl=TTL)
        assert await cache.get("session:t") is None
        assert await cache.get("messages:s") is None

    async def test_keys_may_hold_any_characters(self, cache: CacheBackend):
        keys = ["sessions:a b", "sessions:ä🦊", "sessions:\x00\r\n", "sessions:*", "sessions:"]
        for key in keys:
            await cache.put(key, key.encode(), ttl=TTL)
        for key in keys:
            assert await cache.get(key) == key.encode()

    async def test_a_value_is_forgotten_after_its_time(self, cache: CacheBackend):
        await cache.put("session:s", b"value", ttl=SHORT)
        await gone(cache, "session:s")

    async def test_a_value_that_is_put_again_lives_as_long_as_the_last_one(
        self, cache: CacheBackend
    ):
        await cache.put("session:s", b"value", ttl=SHORT)
        await cache.put("session:s", b"value", ttl=TTL)
        await cache.put("session:t", b"value", ttl=SHORT)
        await gone(cache, "session:t")
        assert await cache.get("session:s") == b"value"

    async def test_the_longest_value_is_kept_and_a_longer_one_is_not(self, cache: CacheBackend):
        longest = bytes([7]) * MAX_VALUE_BYTES
        await cache.put("session:s", longest, ttl=TTL)
        assert await cache.get("session:s") == longest
        await cache.put("session:s", longest + b"x", ttl=TTL)
        assert await cache.get("session:s") is None

    async def test_an_empty_value_is_no_value(self, cache: CacheBackend):
        await cache.put("session:s", b"value", ttl=TTL)
        await cache.put("session:s", b"", ttl=TTL)
        assert await cache.get("session:s") is None

    async def test_removed_keys_hold_nothing_and_others_stay(self, cache: CacheBackend):
        for key in ("a", "b", "c"):
            await cache.put(key, b"value", ttl=TTL)
        await cache.remove("a", "b", "never")
        assert [await cache.get(key) for key in ("a", "b", "c")] == [None, None, b"value"]

    async def test_barred_keys_forget_and_keep_nothing(self, cache: CacheBackend):
        await cache.put("a", b"value", ttl=TTL)
        await cache.bar("a", "b", seconds=TTL)
        assert await cache.get("a") is None
        for key in ("a", "b", "c"):
            await cache.put(key, b"late", ttl=TTL)
        assert [await cache.get(key) for key in ("a", "b", "c")] == [None, None, b"late"]

    async def test_a_bar_ends_by_itself(self, cache: CacheBackend):
        await cache.bar("a", seconds=SHORT)
        await kept(cache, "a", b"value")

    async def test_a_bar_is_never_shortened_by_another(self, cache: CacheBackend):
        await cache.bar("a", seconds=TTL)
        await cache.bar("a", "b", seconds=SHORT)
        await kept(cache, "b", b"value")
        await cache.put("a", b"value", ttl=TTL)
        assert await cache.get("a") is None

    async def test_a_bar_may_be_prolonged(self, cache: CacheBackend):
        await cache.bar("a", "b", seconds=SHORT)
        await cache.bar("a", seconds=TTL)
        await kept(cache, "b", b"value")
        await cache.put("a", b"value", ttl=TTL)
        assert await cache.get("a") is None

    async def test_removing_lifts_a_bar(self, cache: CacheBackend):
        await cache.bar("a", seconds=TTL)
        await cache.remove("a")
        await cache.put("a", b"value", ttl=TTL)
        assert await cache.get("a") == b"value"

    async def test_many_at_a_time_get_each_its_own(self, cache: CacheBackend):
        keys = [f"session:{number}" for number in range(200)]
        await asyncio.gather(*(cache.put(key, key.encode(), ttl=TTL) for key in keys))
        answers = await asyncio.gather(*(cache.get(key) for key in keys * 3))
        assert answers == [key.encode() for key in keys * 3]

    async def test_answers_of_the_cancelled_reach_nobody_else(self, cache: CacheBackend):
        keys = [f"session:{number}" for number in range(40)]
        for key in keys:
            await cache.put(key, key.encode() * 1_000, ttl=TTL)
        for turns in range(60):
            readers = [asyncio.create_task(cache.get(key)) for key in keys]
            for _ in range(turns):  # so that they are cut at ever other places
                await asyncio.sleep(0)
            for reader in readers[::2]:
                reader.cancel()
            answers = await asyncio.gather(*readers, return_exceptions=True)
            for key, answer in zip(keys, answers, strict=True):
                assert isinstance(answer, asyncio.CancelledError) or answer == key.encode() * 1_000
        assert await asyncio.gather(*map(cache.get, keys)) == [key.encode() * 1_000 for key in keys]

    async def test_check_passes_while_open(self, cache: CacheBackend):
        await cache.check()
        assert cache.connected

    async def test_a_closed_cache_fails_and_may_be_closed_and_opened_again(
        self, cache: CacheBackend
    ):
        await cache.close()
        await cache.close()
        with pytest.raises(CacheFailed):
            await cache.get("a")
        with pytest.raises(CacheFailed):
            await cache.put("a", b"value", ttl=TTL)
        with pytest.raises(CacheFailed):
            await cache.bar("a", seconds=TTL)
        with pytest.raises(CacheFailed):
            await cache.remove("a")
        with pytest.raises(CacheFailed):
            await cache.check()
        await cache.open()
        await cache.put("a", b"value", ttl=TTL)
        assert await cache.get("a") == b"value"
