"""Random conversations on each backend beside the model of the promises."""

from __future__ import annotations

import itertools
import random
import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from cipher.storage.base import DatabaseBackend
from cipher.storage.cache.database import CachedDatabase
from cipher.storage.cache.memory import MemoryCache
from cipher.storage.memory import MemoryDatabase
from cipher.storage.postgres import PostgresDatabase
from cipher.storage.sqlite import SqliteDatabase
from tests.postgres import shared_server
from tests.storage.comparison import Comparison
from tests.storage.disk import Disk
from tests.storage.platter import Manner, Platter
from tests.storage.samples import OWNER

pytestmark = [pytest.mark.backend, pytest.mark.timeout(180)]

BOUNDED = settings(
    max_examples=50,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class SqliteComparison(Comparison):
    """SQLite, which at any step may be closed and opened again, killed, or lose its power."""

    def new_backend(self) -> DatabaseBackend:
        self.folder = Path(tempfile.mkdtemp(prefix="comparison-"))
        self.lives = 0
        self.disk = Disk()
        self.platter = Platter()
        return SqliteDatabase(self.path, vfs=self.disk.name)

    @property
    def path(self) -> Path:
        """The file of this life; the files of former ones lie beside it."""
        return self.folder / str(self.lives) / "sessions.db"

    @rule()
    def reopen(self) -> None:
        self.run(self.subject.close())
        self.run(self.subject.open())

    @rule(luck=st.randoms(use_true_random=False), manner=st.sampled_from(("dropped", "torn")))
    def lose_power(self, luck: Random, manner: Manner) -> None:
        for event in self.disk.tape:
            self.platter.follow(event)
        self.go_on_with(self.platter.image(manner, luck))

    @rule()
    def be_killed(self) -> None:
        names = ("sessions.db", "sessions.db-wal")
        files = {name: self.path.with_name(name) for name in names}
        self.go_on_with({name: file.read_bytes() for name, file in files.items() if file.exists()})

    def go_on_with(self, files: dict[str, bytes]) -> None:
        """Open what a sudden end left; whatever the abandoned life does now is not looked at."""
        self.platter = Platter()
        abandoned, disk = self.subject, self.disk
        self.lives += 1
        self.path.parent.mkdir()
        for name, content in files.items():
            self.path.with_name(name).write_bytes(content)
            self.platter.hold(str(self.path.with_name(name)), content)
        self.disk = Disk()
        self.subject = SqliteDatabase(self.path, vfs=self.disk.name)
        self.run(self.subject.open())
        self.run(abandoned.close())
        disk.close()
        self.everything_is_the_same()

    def teardown(self) -> None:
        super().teardown()
        self.disk.close()
        shutil.rmtree(self.folder)


TestSqlite = SqliteComparison.TestCase
TestSqlite.settings = BOUNDED


class PostgresComparison(Comparison):
    """PostgreSQL, to which all connections may be closed or cut at any step."""

    def new_backend(self) -> DatabaseBackend:
        server = shared_server()
        server.empty()
        return PostgresDatabase(server.url)

    @rule()
    def reopen(self) -> None:
        self.run(self.subject.close())
        self.run(self.subject.open())

    @rule()
    def be_killed(self) -> None:
        """Another process takes over from one whose connections broke."""
        shared_server().sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'cipher' AND backend_type = 'client backend'"
        )
        abandoned, self.subject = self.subject, PostgresDatabase(shared_server().url)
        self.run(self.subject.open())
        self.run(abandoned.close())
        self.everything_is_the_same()


TestPostgres = PostgresComparison.TestCase
TestPostgres.settings = BOUNDED


class Servers:
    """Two servers on one database and one cache; each verb is asked of the next one in turn."""

    def __init__(self) -> None:
        database = MemoryDatabase()
        self.cache = MemoryCache()
        self.both = [CachedDatabase(database, self.cache, secret=b"secret") for _ in range(2)]
        self._turn = itertools.cycle(self.both)
        self.old: list[tuple[str, bytes]] = []

    def __getattr__(self, verb: str) -> Any:
        return getattr(next(self._turn), verb)

    async def settled(self) -> None:
        for server in self.both:
            await server.settled()

    async def poison(self, way: str, seed: int) -> None:
        """Change what is cached as somebody would who can write to the cache."""
        rolled = random.Random(seed)
        values = {key: value for key, (value, _) in self.cache._values.items()}
        self.old += values.items()
        match way:
            case "wipe":
                await self.cache.remove(*values)
            case "swap":
                others = rolled.sample([*values.values()], len(values))
                for key, value in zip(values, others, strict=True):
                    await self.cache.put(key, value, ttl=60)
            case "replay":
                for key, value in rolled.sample(self.old, len(self.old)):
                    await self.cache.put(key, value, ttl=60)
            case "damage":
                for key, value in values.items():
                    place = rolled.randrange(len(value))
                    flipped = bytes([value[place] ^ (1 << rolled.randrange(8))])
                    await self.cache.put(key, value[:place] + flipped + value[place + 1 :], ttl=60)
            case _:  # cut
                for key, value in values.items():
                    await self.cache.put(key, value[: rolled.randrange(len(value))], ttl=60)


class CachedComparison(Comparison):
    """Two servers behind one cache that is emptied, poisoned and filled with what was once true."""

    subject: Any

    def new_backend(self) -> Any:
        return Servers()

    @rule()
    def settle(self) -> None:
        self.run(self.subject.settled())

    @rule(
        way=st.sampled_from(("wipe", "swap", "replay", "damage", "cut")),
        seed=st.integers(0, 1_000),
    )
    def poison(self, way: str, seed: int) -> None:
        self.run(self.subject.poison(way, seed))

    @invariant()
    def branches_are_the_same(self) -> None:
        """Asked twice of each server, so that the cache has a say."""
        for limit in (2, 2, 5, 5):
            self.both("branch", OWNER, "s0", limit=limit)
            self.both("get_session", OWNER, "s0")
            self.run(self.subject.settled())


TestCached = CachedComparison.TestCase
TestCached.settings = settings(BOUNDED, max_examples=200, stateful_step_count=40)
