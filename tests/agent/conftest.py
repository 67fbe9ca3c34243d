"""A whole agent over a real SQLite file and a scripted model, and ears on its bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from cipher.agent.agent import MemAgent
from cipher.agent.llm import LanguageModel
from cipher.events import Event, MessageDelta, MessageReceived, TurnEnded
from cipher.model import Message
from cipher.sessions.bus import LocalBus
from cipher.sessions.manager import SessionManager, SessionManagerConfig
from cipher.storage.manager import StorageManager
from cipher.storage.sqlite import SqliteDatabase
from tests.storage.disk import Disk

OWNER = "ada"
E = TypeVar("E", bound=Event)


@dataclass
class Ears:
    """Everything that was said on the bus, and a way to wait for what will be."""

    events: list[Event] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._more.set()

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type[E], count: int = 1) -> E:
        """The `count`th event of a kind, once it was heard."""
        async with asyncio.timeout(10):
            while len(self.of(kind)) < count:
                self._more.clear()
                await self._more.wait()
        return self.of(kind)[count - 1]

    def answers(self) -> list[Message]:
        heard = [event.message for event in self.of(MessageReceived)]
        return [message for message in heard if message.role == "assistant"]

    def streamed(self, attempt: int = 1) -> str:
        return "".join(e.text for e in self.of(MessageDelta) if e.attempt == attempt)


@dataclass
class Cipher:
    """One process's worth of rooms, without the web."""

    agent: MemAgent
    storage: StorageManager
    ears: Ears
    bus: LocalBus

    async def log(self, session_id: str) -> list[Message]:
        page = await self.storage.database.log(OWNER, session_id)
        return list(page.messages)

    async def ended(self, count: int = 1) -> TurnEnded:
        return await self.ears.until(TurnEnded, count)


Start = Callable[[LanguageModel], Awaitable[Cipher]]


@pytest.fixture
def disk() -> Iterator[Disk]:
    """The disk that every agent of a test is on."""
    disk = Disk()
    yield disk
    disk.close()


@pytest.fixture
async def start(tmp_path: Path, disk: Disk) -> AsyncIterator[Start]:
    """Starts an agent on the test's database; several at once are several processes' worth."""
    async with AsyncExitStack() as stack:

        async def start(model: LanguageModel) -> Cipher:
            storage = StorageManager(SqliteDatabase(tmp_path / "sessions.db", vfs=disk.name))
            await storage.open()
            stack.push_async_callback(storage.close)
            # A test may kill what it likes; nothing but the test's agents uses the file.
            storage.database.sole_runner = True
            bus, ears = LocalBus(), Ears()
            bus.subscribe(OWNER, ears)
            sessions = SessionManager(storage, bus, SessionManagerConfig(max_sessions=2))
            agent = MemAgent(sessions, storage.database, model, bus, system_prompt="Be brief.")
            await agent.start()
            stack.push_async_callback(agent.close, drain=timedelta(0))
            return Cipher(agent, storage, ears, bus)

        yield start
        disk.let_go()
        disk.full = disk.broken = False
