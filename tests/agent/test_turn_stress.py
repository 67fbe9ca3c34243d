"""Many impatient people at once, drawn at random, on a disk that fails now and then.

Whatever they did, afterwards every attempt has exactly one answer, which was announced once and in
order, nothing runs, and nothing that was acknowledged is lost. Nobody looks for lost turns here but
the people themselves.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from random import Random

import pytest

from cipher.agent import agent as agent_module
from cipher.agent.agent import WhenBusy
from cipher.agent.llm import ModelInfo, Piece, TextDelta
from cipher.errors import (
    IdempotencyConflict,
    ModelUnavailable,
    NotFound,
    SessionBusy,
    StorageError,
)
from cipher.events import MessageReceived, SessionCreated, SessionUpdated, TurnEnded, TurnStarted
from cipher.model import Message, SessionPatch, Turn
from tests.agent.conftest import OWNER, Cipher, Start
from tests.storage.disk import Disk

SESSIONS = ("a", "b", "c")
DEEDS = 100
WHEN_BUSY: Sequence[WhenBusy] = ("enqueue", "enqueue", "reject", "interrupt")


class Whimsical:
    """A language model that takes its time, fails at times, and is slow to hang up."""

    info = ModelInfo(id="whimsical", provider="testing")

    def __init__(self, luck: Random) -> None:
        self.streams = 0
        self._luck = luck

    async def stream(
        self, history: Sequence[Message], *, system_prompt: str
    ) -> AsyncGenerator[Piece, None]:
        self.streams += 1
        try:
            for _ in range(self._luck.randrange(1, 5)):
                await steps(self._luck.randrange(30))
                yield TextDelta("word ")
            if self._luck.random() < 0.1:
                raise ModelUnavailable
        finally:
            try:
                await steps(self._luck.choice([0, 0, 20]))
            finally:
                self.streams -= 1

    async def warm(self) -> None:
        """It is always ready."""

    async def close(self) -> None:
        """It holds nothing."""


class People:
    """Who uses the sessions, each doing one thing at a time without waiting for the others."""

    def __init__(self, cipher: Cipher, disk: Disk, luck: Random, *, faults: float) -> None:
        self.acknowledged: set[str] = set()
        self._cipher = cipher
        self._disk = disk
        self._luck = luck
        self._faults = faults
        self._opened: dict[str, list[Turn]] = {name: [] for name in SESSIONS}

    async def live(self) -> None:
        """Do all deeds; some are given up right after they began."""
        done = []
        for _ in range(DEEDS):
            deed = asyncio.create_task(self._deed(self._luck.choice(SESSIONS)))
            done.append(deed)
            if self._luck.random() < 0.15:
                await asyncio.sleep(0)
                deed.cancel()
            await steps(self._luck.randrange(25))
            if self._luck.random() < 0.2:
                await self._cipher.agent.list_sessions(OWNER)
        for outcome in await asyncio.gather(*done, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _deed(self, name: str) -> None:
        agent, luck = self._cipher.agent, self._luck
        turns = [turn.id for turn in self._opened[name][-4:]]
        deeds = ["send"] * 9 + ["move", "trash", "restore", "look", "load", "break"]
        deeds += ["cancel"] * 4 + ["retry"] * 3 if turns else []
        try:
            match luck.choice(deeds):
                case "send":
                    await self._send(name)
                case "cancel":
                    await agent.cancel(OWNER, name, luck.choice(turns))
                case "retry":
                    await agent.retry(OWNER, name, luck.choice(turns))
                case "move":
                    patch = SessionPatch(leaf_seq=luck.randrange(6))
                    await agent.update_session(OWNER, name, patch)
                case "trash":
                    await agent.delete_session(OWNER, name)
                    await steps(luck.randrange(40))
                    await agent.restore_session(OWNER, name)
                case "restore":
                    await agent.restore_session(OWNER, name)
                case "look":
                    await agent._recover()
                case "load":
                    await agent.load_session(OWNER, name)
                case "break" if luck.random() < self._faults:
                    self._disk.broken = True
                    await agent.list_sessions(OWNER)
                    self._disk.broken = False
        except (NotFound, SessionBusy, IdempotencyConflict, StorageError):
            return

    async def _send(self, name: str) -> None:
        key = self._luck.choice([None, f"key{self._luck.randrange(20)}"])
        appended = await self._cipher.agent.send(
            OWNER,
            name,
            key or "Hello",
            client_msg_id=key,
            when_busy=self._luck.choice(WHEN_BUSY),
            parent_seq=self._luck.choice([None, None, None, 0, 1]),
        )
        self.acknowledged.add(appended.message.id)
        if appended.turn is not None:
            self._opened[name].append(appended.turn)


async def steps(count: int) -> None:
    """Let others go on so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def quiet(cipher: Cipher) -> None:
    """Take everything out of the trash, and wait until nothing runs any more."""
    for name in SESSIONS:
        try:
            await cipher.agent.restore_session(OWNER, name)
        except NotFound:
            continue
    busy = [*cipher.agent._tasks, *cipher.agent._turns._runners]
    while busy:
        await asyncio.wait(busy)
        busy = [*cipher.agent._tasks, *cipher.agent._turns._runners]


async def check(cipher: Cipher, name: str) -> set[str]:
    """The ids of a session's messages, after everything that must hold for them was looked at."""
    log = (await cipher.storage.database.log(OWNER, name, limit=10_000)).messages
    ears = cipher.ears
    heard = [e.message.seq for e in ears.of(MessageReceived) if e.session_id == name]
    assert heard == [message.seq for message in log] == list(range(1, len(log) + 1))
    answers = Counter((m.turn_id, m.attempt) for m in log if m.role == "assistant")
    owed: Counter[tuple[str | None, int | None]] = Counter()
    for message in log:
        if message.role == "user" and message.turn_id is not None:
            turn = await cipher.storage.database.get_turn(OWNER, name, message.turn_id)
            owed.update((turn.id, attempt) for attempt in range(1, turn.attempt + 1))
    ended = Counter((e.turn_id, e.attempt) for e in ears.of(TurnEnded) if e.session_id == name)
    assert answers == owed == ended
    begun = Counter((e.turn_id, e.attempt) for e in ears.of(TurnStarted) if e.session_id == name)
    assert max(begun.values(), default=1) == 1
    *_, last = (
        event
        for event in ears.events
        if isinstance(event, SessionCreated | SessionUpdated)
        and event.session_id == name
        and event.session.deleted_at is None
    )
    assert not (isinstance(last, SessionUpdated) and last.running)
    assert cipher.agent.live_turn(name) is None
    return {message.id for message in log}


@pytest.mark.parametrize(("seed", "faults"), [*((n, 0.0) for n in range(12)), (1, 0.5), (2, 0.5)])
async def test_every_attempt_ends_once_whatever_people_do(
    start: Start, disk: Disk, monkeypatch: pytest.MonkeyPatch, seed: int, faults: float
) -> None:
    monkeypatch.setattr(agent_module, "_WATCH_SECONDS", 3_600)
    luck = Random(seed)
    model = Whimsical(luck)
    cipher = await start(model)
    for name in SESSIONS:
        await cipher.agent.create_session(OWNER, name)
    people = People(cipher, disk, luck, faults=faults)
    async with asyncio.timeout(50):
        await people.live()
        disk.broken = False
        await quiet(cipher)
    assert await cipher.storage.database.unfinished_turns() == ()
    assert model.streams == 0
    stored: set[str] = set()
    for name in SESSIONS:
        stored |= await check(cipher, name)
    assert people.acknowledged <= stored
