"""The contract suite of caches on every cache that there is, and what only one of them promises."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from cipher.errors import SettingsError
from cipher.storage.cache.base import PREFIX, CacheBackend, CacheFailed
from cipher.storage.cache.memory import MemoryCache
from cipher.storage.cache.redis import RedisCache
from tests.storage.cache_contract import TTL, CacheContract
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.backend


class TestMemory(CacheContract):
    """In a dict."""

    @pytest.fixture
    async def cache(self) -> AsyncIterator[CacheBackend]:
        cache = MemoryCache()
        await cache.open()
        yield cache
        await cache.close()


class TestValkey(CacheContract):
    """On a server that each test finds empty."""

    @pytest.fixture
    async def cache(self, valkey: ValkeyServer) -> AsyncIterator[CacheBackend]:
        cache = RedisCache(valkey.url)
        await cache.open()
        yield cache
        await cache.close()

    async def test_keys_have_the_prefix(self, cache: CacheBackend, valkey: ValkeyServer):
        await cache.put("session:s", b"value", ttl=TTL)
        assert valkey.command("GET", f"{PREFIX}session:s") == b"$5\r\nvalue\r\n"

    @pytest.mark.parametrize(
        "poison",
        [
            ("LPUSH", "a", "b"),
            ("HSET", "a", "b"),
            ("SADD", "a"),
            ("SETRANGE", "10000000", "a"),
            ("SET", ""),
        ],
    )
    async def test_what_others_put_there_is_no_value_and_no_failure(
        self, cache: CacheBackend, valkey: ValkeyServer, poison: tuple[str, ...]
    ):
        valkey.command(poison[0], f"{PREFIX}session:s", *poison[1:])
        assert await cache.get("session:s") is None
        await cache.remove("session:s")
        await cache.put("session:s", b"value", ttl=TTL)
        assert await cache.get("session:s") == b"value"

    async def test_a_list_under_a_key_is_overwritten(
        self, cache: CacheBackend, valkey: ValkeyServer
    ):
        valkey.command("LPUSH", f"{PREFIX}session:s", "a")
        await cache.put("session:s", b"value", ttl=TTL)
        assert await cache.get("session:s") == b"value"

    async def test_a_server_without_memory_fails_to_keep(
        self, cache: CacheBackend, valkey: ValkeyServer
    ):
        valkey.command("CONFIG", "SET", "maxmemory", "1")
        try:
            with pytest.raises(CacheFailed):
                await cache.put("session:s", b"value", ttl=TTL)
        finally:
            valkey.command("CONFIG", "SET", "maxmemory", "0")
        await cache.put("session:s", b"value", ttl=TTL)

    async def test_connections_that_were_cut_are_replaced(
        self, cache: CacheBackend, valkey: ValkeyServer
    ):
        await cache.put("session:s", b"value", ttl=TTL)
        await asyncio.gather(*(cache.get("session:s") for _ in range(20)))
        valkey.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        with suppress(CacheFailed):  # unless it is noticed before the command is sent
            await cache.get("session:s")
        assert await cache.get("session:s") == b"value"


async def test_memory_stays_within_its_bytes_and_forgets_the_least_recently_used():
    cache = MemoryCache(max_bytes=10_000)
    await cache.open()
    for number in range(8):
        await cache.put(f"k{number}", bytes(1_000), ttl=TTL)
    assert await cache.get("k0") is not None
    await cache.put("k8", bytes(1_000), ttl=TTL)
    assert await cache.get("k1") is None
    assert await cache.get("k0") is not None
    for number in range(100):
        await cache.put(f"k{number % 5}", bytes(number * 50), ttl=TTL)
        assert cache.bytes <= 10_000
    await cache.remove(*(f"k{number}" for number in range(9)))
    assert cache.bytes == 0


async def test_memory_forgets_when_its_clock_says_so():
    now = 0.0
    cache = MemoryCache(clock=lambda: now)
    await cache.open()
    await cache.put("a", b"value", ttl=10)
    await cache.bar("b", seconds=10)
    now = 9.9
    await cache.put("b", b"value", ttl=10)
    assert (await cache.get("a"), await cache.get("b")) == (b"value", None)
    now = 10.0
    await cache.put("b", b"value", ttl=10)
    assert (await cache.get("a"), await cache.get("b")) == (None, b"value")


@pytest.mark.parametrize(
    "url", ["redis://host:port/0", "redis://host?no_such_option=1", "nonsense"]
)
def test_a_url_that_the_driver_does_not_understand_is_a_bad_setting(url: str):
    with pytest.raises(SettingsError, match="STORAGE_CACHE_URL"):
        RedisCache(url)


async def test_a_server_that_is_no_redis_fails():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    cache = RedisCache(f"redis://127.0.0.1:{port}/0")
    await cache.open()
    with pytest.raises(CacheFailed):
        await cache.get("a")
    await cache.close()
    server.close()


async def test_a_port_where_nobody_listens_fails():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        cache = RedisCache(f"redis://127.0.0.1:{probe.getsockname()[1]}/0")
        await cache.open()
        with pytest.raises(CacheFailed):
            await cache.get("a")
        await cache.close()
