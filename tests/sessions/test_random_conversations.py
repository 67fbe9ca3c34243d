"""Random conversations in a memory for one session, on every backend, beside plain dicts.

What is evicted, closed and opened again in between must show no difference: memory holds nothing
that the storage does not. The verbs themselves are compared in `tests.storage.comparison`.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cipher.errors import SessionExists, SessionNotFound
from cipher.model import NewMessage, SessionPatch, new_id, text_parts, utc_now
from cipher.sessions.bus import LocalBus
from cipher.sessions.manager import SessionManager, SessionManagerConfig
from cipher.storage.base import DatabaseBackend
from cipher.storage.manager import StorageManager
from cipher.storage.memory import MemoryDatabase
from cipher.storage.postgres import PostgresDatabase
from cipher.storage.sqlite import SqliteDatabase
from tests.postgres import shared_server

pytestmark = [pytest.mark.backend, pytest.mark.timeout(120)]

OWNER = "ada"
NAMES = st.sampled_from(("a", "b", "c"))
T = TypeVar("T")


class Talk:
    """The model of one conversation: what was said, each beside the place of its parent."""

    def __init__(self) -> None:
        self.said: list[tuple[int, str]] = []
        self.leaf = 0
        self.trashed = False
        self.archived = False

    def say(self, parent: int, text: str) -> None:
        self.said.append((parent, text))
        self.leaf = len(self.said)

    def branch(self) -> list[str]:
        """What is shown: from the leaf up to its root, the other way round."""
        texts: list[str] = []
        place = self.leaf
        while place:
            place, text = self.said[place - 1]
            texts.append(text)
        return texts[::-1]


class RandomConversations(RuleBasedStateMachine):
    """The machine; a subclass says which backend it is."""

    durable = True

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model: dict[str, Talk] = {}
        self.gone: set[str] = set()

    def new_backend(self) -> DatabaseBackend:
        """A closed backend over what was stored before."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.open()
        for name in ("a", "b"):
            self.create(name)
            for text in ("first", "second"):
                self.say(name, 0, text)

    def open(self) -> None:
        storage = StorageManager(self.new_backend())
        self.run(storage.open())
        config = SessionManagerConfig(max_sessions=1, idle=timedelta(hours=1))
        self.manager = SessionManager(storage, LocalBus(), config)

    def teardown(self) -> None:
        self.run(self.manager.storage.close())
        self.runner.close()

    @rule(name=NAMES)
    def create(self, name: str) -> None:
        if name in self.model or name in self.gone:
            with pytest.raises(SessionExists):
                self.run(self.manager.create(OWNER, name))
        else:
            self.run(self.manager.create(OWNER, name))
            self.model[name] = Talk()

    @rule(name=NAMES, text=st.sampled_from(("one", "two", "Ä🦊")), data=st.data())
    def append_or_edit(self, name: str, text: str, data: Any) -> None:
        talk = self.shown(name)
        if talk is None:
            return
        parent = data.draw(st.just(talk.leaf) | st.integers(0, len(talk.said)))
        self.say(name, parent, text)

    def say(self, name: str, parent: int, text: str) -> None:
        new = NewMessage(
            id=new_id(),
            role="user",
            parts=text_parts(text),
            timestamp=utc_now(),
            parent_seq=parent,
        )
        session = self.run(self.manager.load(OWNER, name))
        appended = self.run(session.append(new))
        talk = self.model[name]
        talk.say(parent, text)
        assert appended.message.seq == len(talk.said)

    @rule(name=NAMES, data=st.data())
    def choose_a_branch(self, name: str, data: Any) -> None:
        talk = self.shown(name)
        if talk is not None:
            talk.leaf = data.draw(st.integers(0, len(talk.said)))
            self.run(self.manager.update(OWNER, name, SessionPatch(leaf_seq=talk.leaf)))

    @rule(name=NAMES, purge=st.booleans())
    def delete(self, name: str, purge: bool) -> None:
        talk = self.shown(name)
        if talk is not None:
            self.run(self.manager.remove(OWNER, name, purge=purge))
            talk.trashed = True
            if purge:
                self.gone.add(name)
                del self.model[name]

    @rule(name=NAMES)
    def restore(self, name: str) -> None:
        if name in self.model and self.model[name].trashed:
            self.run(self.manager.restore(OWNER, name))
            self.model[name].trashed = False

    @rule(action=st.sampled_from(("archive", "delete")), luck=st.integers(0, 3))
    def expire(self, action: Any, luck: int) -> None:
        """All that is idle goes where the policy says; the archive is left alone by it."""
        if luck:
            return
        later = utc_now() + timedelta(days=1)
        self.run(self.manager.storage.database.expire_sessions(action, idle_since=later, at=later))
        for talk in self.model.values():
            if not talk.trashed and not talk.archived:
                talk.trashed = action == "delete"
                talk.archived = action == "archive"

    @rule(name=NAMES)
    def evict(self, name: str) -> None:
        self.manager.forget(name)
        assert self.manager.held(name) is None

    @precondition(lambda self: self.durable)
    @rule()
    def restart(self) -> None:
        self.run(self.manager.storage.close())
        self.open()

    @invariant()
    def everything_is_shown(self) -> None:
        there = {name for name, talk in self.model.items() if not talk.trashed}
        archived = {name for name in there if self.model[name].archived}
        active_page = self.run(self.manager.list(OWNER))
        assert {session.id for session in active_page.sessions} == there - archived
        archived_page = self.run(self.manager.list(OWNER, state="archived"))
        assert {session.id for session in archived_page.sessions} == archived
        for name in there:
            session = self.run(self.manager.load(OWNER, name))
            page = self.run(session.history(limit=1_000))
            assert [message.content for message in page.messages] == self.model[name].branch()
            log = self.run(session.log(limit=1_000))
            assert [(m.parent_seq, m.content) for m in log.messages] == self.model[name].said
        assert len(self.manager.all_held()) <= 1

    def shown(self, name: str) -> Talk | None:
        """The talk of that name; where there is none to be seen, loading says so."""
        talk = self.model.get(name)
        if talk is None or talk.trashed:
            with pytest.raises(SessionNotFound):
                self.run(self.manager.load(OWNER, name))
            return None
        return talk

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)


class InMemory(RandomConversations):
    durable = False

    def new_backend(self) -> DatabaseBackend:
        return MemoryDatabase()


class OnSqlite(RandomConversations):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="conversations-"))

    def new_backend(self) -> DatabaseBackend:
        return SqliteDatabase(self.folder / "sessions.db")

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.folder)


class OnPostgres(RandomConversations):
    def __init__(self) -> None:
        super().__init__()
        shared_server().empty()

    def new_backend(self) -> DatabaseBackend:
        return PostgresDatabase(shared_server().url)


BOUNDED = settings(max_examples=25, stateful_step_count=20, suppress_health_check=list(HealthCheck))
TestInMemory = InMemory.TestCase
TestInMemory.settings = BOUNDED
TestOnSqlite = OnSqlite.TestCase
TestOnSqlite.settings = BOUNDED
TestOnPostgres = OnPostgres.TestCase
TestOnPostgres.settings = settings(BOUNDED, max_examples=12)
