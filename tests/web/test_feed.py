"""Races between the log, the bus and a slow reader, set up by hand around one real connection.

The storage, the sessions, the agent and the bus are real. Only the line to the client is the
test's, so that it can stop reading at any moment, and news can come in any order.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect

from cipher.agent.agent import MemAgent
from cipher.events import MessageDelta, MessageReceived, SessionDeleted, TurnEnded, TurnStarted
from cipher.model import Answer, NewMessage, new_id, text_parts, utc_now
from cipher.sessions.bus import LocalBus
from cipher.sessions.manager import SessionManager, SessionManagerConfig
from cipher.storage.manager import StorageManager
from cipher.storage.sqlite import SqliteDatabase
from cipher.testing import ScriptedModel
from cipher.web.edge.metrics import Metrics
from cipher.web.socket.connection import SocketContext
from cipher.web.socket.hub import Hub
from cipher.web.socket.v1 import SUBPROTOCOL, V1Connection
from tests.web.running import JSON, PATIENCE, limits

OWNER = "ada"


class Line:
    """The client's end: what it sends, and what it has read while it was listening."""

    def __init__(self) -> None:
        self.read: list[JSON] = []
        self.listening = asyncio.Event()
        self.listening.set()
        self.blocked = asyncio.Event()
        """Set once the server had something to say to a client that did not listen."""
        self.last_words: tuple[str, JSON] | None = None
        """What the client says just after the connection broke, at the next frame that it gets."""
        self._grown = asyncio.Event()
        self._incoming: asyncio.Queue[JSON] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        scope = {"type": "websocket", "headers": [], "extensions": {}, "path": "/ws"}
        self.websocket = WebSocket(scope, self._incoming.get, self._send)

    def say(self, type_: str, payload: JSON) -> None:
        text = json.dumps({"type": type_, "payload": payload})
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    def hang_up(self) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})

    async def until(self, type_: str) -> list[JSON]:
        """Everything that came since the last call, up to and with a frame of a type."""
        async with asyncio.timeout(PATIENCE):
            while type_ not in [frame["type"] for frame in self.read]:
                self._grown.clear()
                await self._grown.wait()
        end = [frame["type"] for frame in self.read].index(type_) + 1
        frames, self.read = self.read[:end], self.read[end:]
        return frames

    async def _send(self, message: Any) -> None:
        if self.last_words is not None:
            asyncio.get_running_loop().call_soon(self.say, *self.last_words)
            raise WebSocketDisconnect(1006)
        if message["type"] == "websocket.send":
            if not self.listening.is_set():
                self.blocked.set()
                await self.listening.wait()
            self.read.append(json.loads(message["text"]))
            self._grown.set()


class Room:
    """An agent with one session `s`, and one connection to it."""

    def __init__(self, folder: Path, model: ScriptedModel, **bounds: int) -> None:
        self.storage = StorageManager(SqliteDatabase(folder / "sessions.db"))
        self.bus = LocalBus()
        self.sessions = SessionManager(self.storage, self.bus, SessionManagerConfig())
        self.agent = MemAgent(self.sessions, self.storage.database, model, self.bus)
        self.line = Line()
        self.model = model
        self.context = SocketContext(
            agent=self.agent,
            storage=self.storage,
            hub=Hub(self.bus),
            metrics=Metrics(),
            limits=limits(**bounds),
        )

    async def open(self, stack: AsyncExitStack) -> None:
        await self.storage.open()
        stack.push_async_callback(self.storage.close)
        await self.agent.start()
        stack.push_async_callback(self.agent.close, drain=timedelta(0))
        await self.agent.create_session(OWNER, "s")
        connection = V1Connection(self.line.websocket, self.context, OWNER)
        self.served = asyncio.create_task(connection.run(SUBPROTOCOL))
        stack.push_async_callback(asyncio.wait_for, self.served, PATIENCE)
        stack.callback(self.line.hang_up)
        stack.callback(self.line.listening.set)
        self.line.say("hello", {"v": 1})
        await self.line.until("welcome")

    async def subscribe(self) -> list[JSON]:
        self.line.say("subscribe", {"sessionId": "s", "epoch": None, "seq": 0})
        return await self.line.until("sync:caught_up")

    async def store(self, content: str = "Hi") -> MessageReceived:
        """Store a message without telling anyone, as another process would; its event."""
        message = NewMessage(
            id=new_id(), role="user", parts=text_parts(content), timestamp=utc_now()
        )
        appended = await self.storage.database.append(OWNER, "s", message)
        return MessageReceived(
            session_id="s", epoch=appended.session.epoch, message=appended.message
        )

    def tell(self, *events: Any) -> None:
        for event in events:
            self.bus.publish(OWNER, event)

    async def settled(self) -> list[JSON]:
        """Everything that came since the last call, once all that was told has been dealt with."""
        self.line.say("ping", {"t": 1})
        return (await self.line.until("pong"))[:-1]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def room(tmp_path: Path, stack: AsyncExitStack) -> Room:
    room = Room(tmp_path, ScriptedModel("Hello there."))
    await room.open(stack)
    return room


def seqs(frames: list[JSON]) -> list[int]:
    return [frame["seq"] for frame in frames if frame["type"] == "message:received"]


def delta(off: int, text: str, turn_id: str = "t") -> MessageDelta:
    return MessageDelta(session_id="s", turn_id=turn_id, attempt=1, off=off, text=text)


def started(turn_id: str = "t") -> TurnStarted:
    return TurnStarted(session_id="s", turn_id=turn_id, attempt=1, in_reply_to=1)


def ended(turn_id: str = "t") -> TurnEnded:
    return TurnEnded(session_id="s", turn_id=turn_id, attempt=1, status="complete", retryable=False)


async def test_a_gap_in_the_news_is_read_from_the_log(room: Room) -> None:
    await room.subscribe()
    await room.store("One")
    await room.store("Two")
    room.tell(await room.store("Three"))
    assert seqs(await room.line.until("sync:caught_up")) == [1, 2, 3]
    room.tell(await room.store("Four"))
    assert seqs(await room.settled()) == [4]


async def test_news_that_are_told_twice_are_sent_once(room: Room) -> None:
    await room.subscribe()
    one, two = await room.store("One"), await room.store("Two")
    room.tell(one, two, one, two)
    frames = await room.settled()
    room.tell(await room.store("Three"))
    frames += await room.settled()
    assert seqs(frames) == [1, 2, 3]
    assert "sync:caught_up" not in [frame["type"] for frame in frames]


async def test_news_of_what_the_replay_has_are_sent_once(room: Room) -> None:
    one = await room.store("One")
    room.line.listening.clear()
    room.line.say("subscribe", {"sessionId": "s", "epoch": None, "seq": 0})
    two = await room.store("Two")
    room.tell(one, two)
    room.line.listening.set()
    frames = await room.line.until("sync:caught_up") + await room.settled()
    assert seqs(frames) == [1, 2]


async def test_a_log_of_another_epoch_ends_the_live_delivery(room: Room, tmp_path: Path) -> None:
    await room.subscribe()
    room.tell(await room.store("One"))
    assert seqs(await room.settled()) == [1]
    await replace_epoch(tmp_path / "sessions.db")
    room.tell(await room.store("Two"))
    frames = await room.line.until("sync:lagged")
    assert (seqs(frames), frames[-1]["payload"]["seq"]) == ([], 1)


async def replace_epoch(file: Path) -> None:
    """What restoring a backup does, from another process."""
    program = (
        "import sqlite3, sys\n"
        "with sqlite3.connect(sys.argv[1], timeout=10) as database:\n"
        "    database.execute(\"UPDATE sessions SET epoch = 'another'\")\n"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(file))
    assert await asyncio.wait_for(child.wait(), PATIENCE) == 0


async def test_turns_that_begin_during_a_replay_are_told_after_it(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    room = Room(tmp_path, ScriptedModel("Hi."), queue_frames=4)
    await room.open(stack)
    for number in range(20):
        await room.store(f"{number}")
    room.line.listening.clear()
    room.line.say("subscribe", {"sessionId": "s", "epoch": None, "seq": 0})
    await asyncio.wait_for(room.line.blocked.wait(), PATIENCE)
    room.tell(started(), delta(0, "Half"), ended())
    room.line.listening.set()
    frames = await room.line.until("sync:caught_up")
    types = [frame["type"] for frame in frames]
    assert types == [
        "subscribed",
        *["message:received"] * 20,
        "turn:started",
        "turn:ended",
        "sync:caught_up",
    ]


async def test_an_answer_that_is_in_the_log_is_not_also_a_running_turn(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    gate = asyncio.Event()
    stack.callback(gate.set)
    room = Room(tmp_path, ScriptedModel("Half", gate, " whole"))
    await room.open(stack)
    sent = await room.agent.send(OWNER, "s", "Hi")
    assert sent.turn is not None
    await room.model.begun.reach(1)
    # The answer is committed, and its turn's runner has not been told so yet.
    answer = Answer(
        message_id=new_id(), parts=text_parts("Half"), status="complete", timestamp=utc_now()
    )
    await room.storage.database.finish_turn(OWNER, "s", sent.turn.id, 1, answer)
    assert room.agent.live_turn("s") is not None
    types = [frame["type"] for frame in await room.subscribe()]
    assert "message:delta" not in types
    assert types.count("message:received") == 2


async def test_a_client_that_lags_is_sent_messages_and_no_stale_deltas(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    room = Room(tmp_path, ScriptedModel("Hi."), queue_frames=8)
    await room.open(stack)
    await room.subscribe()
    await room.settled()
    room.line.listening.clear()
    room.tell(await room.store("One"))
    for number in range(20):
        room.tell(delta(0, "Half", f"t{number}"))
    room.tell(await room.store("Two"))
    room.line.listening.set()
    frames = await room.line.until("sync:lagged")
    # One frame was on its way when the client stopped reading; no delta waited behind it.
    assert seqs(frames) == [1]
    assert len([frame for frame in frames if frame["type"] == "message:delta"]) <= 1
    assert frames[-1]["payload"]["seq"] == 1
    assert seqs(await room.subscribe()) == [1, 2]


async def test_what_was_asked_on_a_connection_that_broke_is_let_go_of(room: Room) -> None:
    room.line.last_words = ("subscribe", {"sessionId": "s", "epoch": None, "seq": 0})
    room.line.say("ping", {"t": 1})
    await asyncio.wait({room.served}, timeout=PATIENCE)
    assert room.context.hub.sockets == 0
    gc.collect()  # complains about what was made and never begun


async def test_nothing_that_waited_of_a_deleted_session_is_sent(room: Room) -> None:
    await room.subscribe()
    room.line.listening.clear()
    for number in range(10):
        room.tell(await room.store(f"{number}"))
    room.tell(delta(0, "Half"), SessionDeleted(session_id="s"), delta(4, " more"))
    room.line.listening.set()
    frames = await room.settled()
    assert [frame["type"] for frame in frames] == ["message:received", "session:deleted"]


async def test_the_seventeenth_send_without_an_ack_waits(room: Room) -> None:
    for number in range(17):
        sending = {"sessionId": "s", "content": "Hi", "clientMsgId": f"m{number}"}
        room.line.say("message:sent", sending)
    error = (await room.line.until("error"))[-1]["payload"]
    assert (error["code"], error["clientMsgId"]) == ("rate_limited", "m16")
    assert error["retryAfterMs"] > 0


async def test_a_listener_that_fails_hurts_nobody_else(room: Room) -> None:
    class Broken:
        def receive(self, event: object, frame: object) -> None:
            raise RuntimeError("out of order")

    room.context.hub.join(OWNER, "s", Broken())
    await room.subscribe()
    room.tell(await room.store("One"))
    assert seqs(await room.settled()) == [1]
