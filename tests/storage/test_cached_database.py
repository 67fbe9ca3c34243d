"""What a cache changes about a database: nothing but how long it takes, and what stays away.

That the promises of a database hold behind a cache is in `test_contract.py`; random poison and two
servers are in `test_comparison.py`.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cipher.config import Settings
from cipher.errors import SessionNotFound, StorageUnavailable
from cipher.model import SessionPatch
from cipher.storage.base import DatabaseBackend
from cipher.storage.cache import filling
from cipher.storage.cache.base import PREFIX, CacheBackend
from cipher.storage.cache.database import CachedDatabase
from cipher.storage.cache.guard import GuardedCache
from cipher.storage.cache.memory import MemoryCache
from cipher.storage.cache.redis import RedisCache
from cipher.storage.manager import StorageManager
from cipher.storage.memory import MemoryDatabase
from cipher.storage.postgres import PostgresDatabase
from cipher.storage.sqlite import SqliteDatabase
from tests.postgres import PostgresServer
from tests.storage.samples import (
    OWNER,
    START,
    STRANGER,
    answered,
    asked,
    at,
    created,
    lease,
    said,
)
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.backend

SECRET = b"secret"


@pytest.fixture(params=["in-memory", "valkey"])
def cache(request: pytest.FixtureRequest) -> CacheBackend:
    if request.param == "in-memory":
        return MemoryCache()
    valkey: ValkeyServer = request.getfixturevalue("valkey")
    return GuardedCache(RedisCache(valkey.url))


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[DatabaseBackend]:
    database = SqliteDatabase(tmp_path / "sessions.db")
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def cached(behind: DatabaseBackend, cache: CacheBackend) -> AsyncIterator[CachedDatabase]:
    database = CachedDatabase(behind, cache, secret=SECRET)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


async def filled(database: CachedDatabase, messages: int = 8) -> None:
    """A session whose newest messages are cached."""
    await created(database)
    for number in range(messages):
        await database.append(OWNER, "s", said(f"message {number}"))
    await read(database)


async def read(database: CachedDatabase) -> None:
    """Read everything that is cached by reading."""
    await database.get_session(OWNER, "s")
    await database.list_sessions(OWNER)
    await database.branch(OWNER, "s")
    await database.settled()


async def agrees(database: CachedDatabase, behind: DatabaseBackend, *, hit: bool) -> None:
    """What is read is what is stored, whether or not the cache helped."""
    hits = database.hits
    for limit in (3, 50):
        assert await database.branch(OWNER, "s", limit=limit) == await behind.branch(
            OWNER, "s", limit=limit
        )
    assert (database.hits > hits) is hit


class TestReading:
    """The newest messages of a branch, from the cache and from the database."""

    async def test_what_was_read_once_is_read_from_the_cache(
        self, cached: CachedDatabase, behind: DatabaseBackend
    ):
        await filled(cached)
        await agrees(cached, behind, hit=True)

    async def test_the_row_and_the_turns_are_those_of_now(
        self, cached: CachedDatabase, behind: DatabaseBackend
    ):
        await filled(cached)
        await cached.update_session(OWNER, "s", SessionPatch(title="New", pinned=True), at=START)
        await asked(behind)
        await agrees(cached, behind, hit=True)
        page = await cached.branch(OWNER, "s")
        assert (page.session.title, len(page.turns)) == ("New", 1)

    async def test_messages_that_another_server_added_are_there_at_once(
        self, cached: CachedDatabase, behind: DatabaseBackend
    ):
        await filled(cached)
        for number in range(60):
            await behind.append(OWNER, "s", said(f"later {number}"))
            await agrees(cached, behind, hit=True)
            if number % 3:
                await cached.settled()

    async def test_more_messages_than_are_added_to_a_page_are_read_anew(
        self, cached: CachedDatabase, behind: DatabaseBackend
    ):
        await filled(cached)
        for number in range(30):
            await behind.append(OWNER, "s", said(f"later {number}"))
        await agrees(cached, behind, hit=False)
        await cached.settled()
        await agrees(cached, behind, hit=True)

    async def test_another_branch_is_never_taken_for_this_one(
        self, cached: CachedDatabase, behind: DatabaseBackend
    ):
        await filled(cached)
        await asked(behind)
        await answered(behind)
        await read(cached)
        await behind.retry_turn(OWNER, "s", "turn", lease())
        await agrees(cached, behind, hit=True)
        await answered(behind, attempt=2)
        await agrees(cached, behind, hit=True)
        for leaf in (10, 3, 0, 11, 5):
            await behind.update_session(OWNER, "s", SessionPatch(leaf_seq=leaf), at=START)
            await agrees_whatever(cached, behind)
            await behind.append(OWNER, "s", said(f"from {leaf}"))
            await agrees_whatever(cached, behind)
            await cached.settled()

    async def test_a_longer_page_than_is_cached_is_read_whole(
        self, cached: CachedDatabase, behind: DatabaseBackend
    ):
        await created(cached)
        for number in range(30):
            await cached.append(OWNER, "s", said(f"message {number}"))
        await cached.branch(OWNER, "s", limit=5)
        await cached.settled()
        assert len((await cached.branch(OWNER, "s", limit=20)).messages) == 20
        assert cached.hits == 0
        await cached.settled()
        assert len((await cached.branch(OWNER, "s", limit=20)).messages) == 20
        assert cached.hits == 1

    async def test_a_page_too_large_for_the_cache_is_kept_as_far_as_it_fits(
        self, cached: CachedDatabase, behind: DatabaseBackend
    ):
        await created(cached)
        for _ in range(60):
            await cached.append(OWNER, "s", said("long " * 900))
        page = await cached.branch(OWNER, "s", limit=60)
        await cached.settled()
        assert await cached.branch(OWNER, "s", limit=60) == page
        assert cached.hits == 0
        assert await cached.branch(OWNER, "s", limit=50) == await behind.branch(OWNER, "s")
        assert cached.hits == 1

    async def test_a_stranger_gets_nothing_from_the_cache(self, cached: CachedDatabase):
        await filled(cached)
        with pytest.raises(SessionNotFound):
            await cached.branch(STRANGER, "s")
        known = cached.last_known
        assert await known.branch(STRANGER, "s", limit=50) is None
        assert await known.session(STRANGER, "s") is None
        assert await known.sessions(STRANGER, limit=50) is None

    async def test_a_log_with_a_new_epoch_is_not_mixed_with_the_old_one(self, cache: CacheBackend):
        old, new = MemoryDatabase(), MemoryDatabase()
        before = CachedDatabase(old, cache, secret=SECRET)
        await before.open()
        await filled(before)
        after = CachedDatabase(new, cache, secret=SECRET)
        await after.open()
        await created(after)
        for number in range(8):
            await after.append(OWNER, "s", said(f"other {number}"))
        await agrees(after, new, hit=False)
        await after.close()

    async def test_readers_beside_writers_on_another_server_see_what_was_acknowledged(
        self, cached: CachedDatabase, behind: DatabaseBackend, cache: CacheBackend
    ):
        other = CachedDatabase(behind, cache, secret=SECRET)
        await created(cached)
        stored = 0

        async def write() -> None:
            nonlocal stored
            for number in range(150):
                stored = (await other.append(OWNER, "s", said(str(number)))).message.seq

        async def look(server: CachedDatabase) -> None:
            while not writing.done():
                acknowledged = stored
                page = await server.branch(OWNER, "s", limit=10)
                seqs = [message.seq for message in page.messages]
                assert page.session.leaf_seq == (seqs[-1] if seqs else 0)
                assert page.session.leaf_seq >= acknowledged
                assert seqs == list(
                    range(max(page.session.leaf_seq - 9, 1), seqs[-1] + 1 if seqs else 1)
                )
                await asyncio.sleep(0)

        writing = asyncio.create_task(write())
        await asyncio.gather(writing, look(cached), look(cached), look(other))
        assert cached.hits > 0


async def agrees_whatever(database: CachedDatabase, behind: DatabaseBackend) -> None:
    """What is read is what is stored."""
    assert await database.branch(OWNER, "s") == await behind.branch(OWNER, "s")


class TestPoison:
    """What somebody else puts into the cache."""

    @pytest.mark.parametrize(
        "value",
        [
            b"x",
            b"{}",
            b"null",
            bytes(16) + b"{}",
            bytes(16) + b'{"session":{},"messages":[]}',
            b"\xff" * 1_000,
            b"[" * 100_000,
        ],
    )
    async def test_garbage_is_not_believed(
        self, cached: CachedDatabase, behind: DatabaseBackend, cache: CacheBackend, value: bytes
    ):
        await filled(cached)
        for key in ("session:s", "messages:s", f"sessions:{OWNER}"):
            await cache.put(key, value, ttl=60)
        await agrees(cached, behind, hit=False)
        known = CachedDatabase(behind, cache, secret=SECRET).last_known
        assert await known.sessions(OWNER, limit=50) is None

    async def test_values_under_other_keys_are_not_believed(
        self, cached: CachedDatabase, behind: DatabaseBackend, cache: CacheBackend
    ):
        await filled(cached)
        await created(cached, "t")
        await cached.append(OWNER, "t", said("of t"))
        await cached.branch(OWNER, "t")
        await cached.settled()
        foreign = await cache.get("messages:t")
        assert foreign is not None
        await cache.put("messages:s", foreign, ttl=60)
        await cache.remove("session:s")
        assert await cached.last_known.branch(OWNER, "s", limit=50) is None
        assert await cached.last_known.session(OWNER, "s") is None
        await agrees(cached, behind, hit=False)

    async def test_a_value_made_without_the_secret_is_not_believed(
        self, cached: CachedDatabase, behind: DatabaseBackend, cache: CacheBackend
    ):
        await filled(cached)
        forger = CachedDatabase(behind, cache, secret=b"guessed")
        page = await behind.branch(OWNER, "s")
        forged = tuple(msgspec.structs.replace(message, id="forged") for message in page.messages)
        forger._keep(page.session, forged, time.monotonic())
        await forger.settled()
        assert b"forged" in (await cache.get("messages:s") or b"")
        await agrees(cached, behind, hit=False)

    async def test_every_flipped_bit_is_noticed(self, behind: DatabaseBackend):
        cache = MemoryCache()
        cached = CachedDatabase(behind, cache, secret=SECRET)
        await cached.open()
        await filled(cached, messages=2)
        value = await cache.get("messages:s")
        assert value is not None
        for place in range(len(value)):
            damaged = value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]
            await cache.put("messages:s", damaged, ttl=60)
            assert await cached.last_known.branch(OWNER, "s", limit=50) is None

    async def test_an_old_value_that_is_put_again_adds_nothing_and_hides_nothing(
        self, cached: CachedDatabase, behind: DatabaseBackend, cache: CacheBackend
    ):
        await filled(cached)
        old = await cache.get("messages:s")
        assert old is not None
        await cached.append(OWNER, "s", said("new"))
        await read(cached)
        await cache.put("messages:s", old, ttl=60)
        await agrees(cached, behind, hit=True)


class TestRemoving:
    """What is deleted or erased does not lie about in the cache."""

    async def test_a_purged_session_leaves_no_byte(self, valkey: ValkeyServer):
        cached = CachedDatabase(MemoryDatabase(), RedisCache(valkey.url), secret=SECRET)
        await cached.open()
        await filled(cached)
        assert b"message 3" in valkey.command("GET", f"{PREFIX}messages:s")
        await cached.purge_session(OWNER, "s")
        for key in ("session:s", "messages:s", f"sessions:{OWNER}"):
            assert valkey.command("GET", PREFIX + key) == b"$0\r\n\r\n"
        await cached.close()

    @pytest.mark.parametrize("way", ["purge", "delete", "expire"])
    async def test_a_reader_who_saw_the_session_before_does_not_bring_it_back(
        self, cached: CachedDatabase, behind: DatabaseBackend, cache: CacheBackend, way: str
    ):
        await filled(cached)
        page = await behind.branch(OWNER, "s")
        reader = CachedDatabase(behind, cache, secret=SECRET)
        read_at = time.monotonic()
        if way == "purge":
            await cached.purge_session(OWNER, "s")
        elif way == "delete":
            await cached.delete_session(OWNER, "s", at=START)
        else:
            await cached.expire_sessions("delete", idle_since=at(1_000), at=START)
        reader._keep(page.session, page.messages, read_at)
        await reader.settled()
        for server in (cached, reader):
            assert await server.last_known.branch(OWNER, "s", limit=50) is None
            assert await server.last_known.session(OWNER, "s") is None
            assert await server.last_known.sessions(OWNER, limit=50) is None

    async def test_what_was_read_long_ago_is_not_put_any_more(
        self, cached: CachedDatabase, behind: DatabaseBackend, cache: CacheBackend
    ):
        await filled(cached)
        await cache.remove("messages:s")
        page = await behind.branch(OWNER, "s")
        reader = CachedDatabase(behind, cache, secret=SECRET)
        long_ago = time.monotonic() - filling.FRESH_SECONDS
        reader._keep(page.session, page.messages, long_ago)
        await reader.settled()
        assert await cache.get("messages:s") is None

    async def test_a_server_killed_between_commit_and_the_end_of_a_purge_leaves_nothing(
        self, behind: DatabaseBackend, cache: CacheBackend
    ):
        class Killed(MemoryDatabase):
            """Commits, and never comes back to say so."""

            async def purge_session(self, owner_id: str, session_id: str) -> None:
                await super().purge_session(owner_id, session_id)
                committed.set()
                await asyncio.Event().wait()

        committed, database = asyncio.Event(), Killed()
        killed = CachedDatabase(database, cache, secret=SECRET)
        await killed.open()
        await filled(killed)
        page = await database.branch(OWNER, "s")
        purging = asyncio.create_task(killed.purge_session(OWNER, "s"))
        await committed.wait()
        purging.cancel()
        await asyncio.gather(purging, return_exceptions=True)
        other = CachedDatabase(database, cache, secret=SECRET)
        other._keep(page.session, page.messages, time.monotonic())
        await other.settled()
        assert await other.last_known.branch(OWNER, "s", limit=50) is None
        await other.close()

    async def test_what_gets_into_an_emptied_cache_during_a_purge_is_forgotten_after_it(
        self, cache: CacheBackend
    ):
        class Slow(MemoryDatabase):
            """Loses its cache, and is read, just before a purge is committed."""

            async def purge_session(self, owner_id: str, session_id: str) -> None:
                await cache.remove("session:s", "messages:s", f"sessions:{OWNER}")
                await read(server)
                assert await server.last_known.branch(OWNER, "s", limit=1) is not None
                await super().purge_session(owner_id, session_id)

        server = CachedDatabase(Slow(), cache, secret=SECRET)
        await server.open()
        await filled(server)
        await server.purge_session(OWNER, "s")
        assert await server.last_known.branch(OWNER, "s", limit=1) is None
        assert await server.last_known.session(OWNER, "s") is None
        assert await server.last_known.sessions(OWNER, limit=1) is None
        await server.close()

    async def test_a_session_that_another_process_erased_is_forgotten_when_it_is_missed(
        self, cached: CachedDatabase, behind: DatabaseBackend, cache: CacheBackend
    ):
        await filled(cached)
        await behind.purge_session(OWNER, "s")
        with pytest.raises(SessionNotFound):
            await cached.branch(OWNER, "s")
        await cached.settled()
        assert await cache.get("messages:s") is None
        assert await cache.get("session:s") is None

    async def test_a_restored_session_is_cached_again_after_a_while(self, behind: DatabaseBackend):
        now = 0.0
        cache = MemoryCache(clock=lambda: now)
        cached = CachedDatabase(behind, cache, secret=SECRET)
        await cached.open()
        await filled(cached)
        await cached.delete_session(OWNER, "s", at=START)
        await cached.restore_session(OWNER, "s")
        await read(cached)
        assert await cache.get("messages:s") is None
        now = filling.BAR_SECONDS
        await read(cached)
        await agrees(cached, behind, hit=True)


class TestDatabaseAway:
    """What is still known when the database does not answer."""

    async def test_verbs_fail_and_the_last_known_is_there_to_be_asked_for(
        self, own_postgres: PostgresServer, cache: CacheBackend
    ):
        database = PostgresDatabase(own_postgres.url)
        cached = CachedDatabase(database, cache, secret=SECRET)
        await cached.open()
        await filled(cached)
        page = await cached.branch(OWNER, "s")
        sessions = await cached.list_sessions(OWNER)
        own_postgres.kill()
        with pytest.raises(StorageUnavailable):
            await cached.branch(OWNER, "s")
        with pytest.raises(StorageUnavailable):
            await cached.get_session(OWNER, "s")
        with pytest.raises(StorageUnavailable):
            await cached.list_sessions(OWNER)
        known = cached.last_known
        assert await known.session(OWNER, "s") == page.session
        assert await known.branch(OWNER, "s", limit=50) == page
        newest = await known.branch(OWNER, "s", limit=3)
        assert newest is not None
        assert newest.has_more
        assert newest.messages == page.messages[-3:]
        assert await known.sessions(OWNER, limit=50) == sessions
        assert await known.branch(OWNER, "never read", limit=50) is None
        await cached.close()

    async def test_a_shorter_list_ends_with_a_cursor_that_goes_on(self, cached: CachedDatabase):
        for number in range(5):
            await created(cached, f"s{number}", at=at(number))
        await cached.list_sessions(OWNER)
        await cached.settled()
        assert await cached.last_known.sessions(OWNER, limit=2) == await cached.list_sessions(
            OWNER, limit=2
        )

    async def test_what_is_known_is_shared_with_nobody(self, cached: CachedDatabase):
        await created(cached, metadata={"a": {"b": 1}})
        await cached.append(OWNER, "s", said())
        await read(cached)
        for _ in range(2):
            session = await cached.last_known.session(OWNER, "s")
            page = await cached.last_known.branch(OWNER, "s", limit=1)
            assert session is not None
            assert page is not None
            assert session.metadata == page.session.metadata == {"a": {"b": 1}}
            session.metadata["a"]["b"] = page.session.metadata["a"]["b"] = 2


class TestCacheAway:
    """A cache that is killed, hangs or is emptied changes nothing but latency."""

    @pytest.mark.parametrize("harm", ["kill", "freeze"])
    async def test_every_verb_goes_on(self, behind: DatabaseBackend, harm: str):
        server = ValkeyServer()
        cached = CachedDatabase(behind, GuardedCache(RedisCache(server.url)), secret=SECRET)
        await cached.open()
        await filled(cached)
        getattr(server, harm)()
        try:
            async with asyncio.timeout(10):
                await agrees(cached, behind, hit=False)
                await cached.append(OWNER, "s", said("on"))
                await agrees(cached, behind, hit=False)
                await cached.delete_session(OWNER, "s", at=START)
                await cached.restore_session(OWNER, "s")
                await cached.purge_session(OWNER, "s")
                await cached.close()
        finally:
            server.thaw()
            server.close()

    async def test_an_emptied_cache_is_filled_again(
        self, cached: CachedDatabase, behind: DatabaseBackend, cache: CacheBackend
    ):
        await filled(cached)
        await cache.remove("session:s", "messages:s")
        await agrees(cached, behind, hit=False)
        await cached.settled()
        await agrees(cached, behind, hit=True)


class TestChoice:
    """Which cache the settings ask for."""

    def manager(self, exclusive: bool = True, read_only: bool = False, **settings: Any) -> Any:
        return StorageManager.from_settings(
            Settings(_env_file=None, **settings), exclusive=exclusive, read_only=read_only
        )

    def test_a_server_has_a_cache_in_memory_unless_the_settings_say_otherwise(self):
        assert self.manager().cached is not None
        assert self.manager(storage_cache_type="none").cached is None
        assert self.manager(storage_database_type="in-memory").cached is None

    def test_a_command_has_a_cache_only_to_make_a_shared_one_forget(self):
        shared: Any = {"storage_cache_type": "redis", "storage_cache_url": "redis://127.0.0.1:1/0"}
        assert self.manager(exclusive=False).cached is None
        assert self.manager(exclusive=False, **shared).cached is not None
        assert self.manager(exclusive=False, read_only=True, **shared).cached is None

    async def test_servers_on_one_postgresql_read_what_the_others_cached(
        self, postgres: PostgresServer, valkey: ValkeyServer
    ):
        settings: Any = {
            "storage_database_type": "postgres",
            "storage_database_url": postgres.url,
            "storage_cache_type": "redis",
            "storage_cache_url": valkey.url,
        }
        one, other = self.manager(**settings), self.manager(**settings)
        await one.open()
        await other.open()
        await filled(one.database)
        await other.database.branch(OWNER, "s")
        assert other.cached.hits == 1
        await one.close()
        await other.close()

    def test_the_driver_is_loaded_only_where_it_is_configured(self):
        code = (
            "import sys, cipher; from cipher.config import Settings\n"
            "from cipher.storage.manager import StorageManager as Manager\n"
            "Manager.from_settings(Settings(_env_file=None), exclusive=True)\n"
            "print('redis' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        assert done.stdout == b"False\n"
