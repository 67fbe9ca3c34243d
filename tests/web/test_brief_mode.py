"""Sockets without a subprotocol: the five events of the brief, to the letter."""

from __future__ import annotations

import asyncio
import time

import pytest

from cipher.errors import ModelUnavailable
from cipher.testing import ScriptedModel
from tests.web.running import Server, Start

EVENTS = {"session:created", "session:loaded", "session:deleted", "message:received", "error"}


async def test_a_sent_message_is_answered_whole(server: Server) -> None:
    await server.create("session-1")
    client = await server.brief()
    assert client.connection.subprotocol is None
    await client.send("message:sent", {"content": "Hello", "sessionId": "session-1"})
    frame = await client.next()
    assert frame["type"] == "message:received"
    payload = frame["payload"]
    assert (payload["content"], payload["sessionId"]) == ("Hello there.", "session-1")
    assert isinstance(payload["timestamp"], int)
    assert abs(payload["timestamp"] - time.time() * 1000) < 60_000


async def test_session_events_carry_the_briefs_payloads(server: Server) -> None:
    client = await server.brief()
    session = await server.create("s")
    created = await client.next()
    assert created["type"] == "session:created"
    assert created["payload"]["sessionId"] == "s"
    assert isinstance(created["payload"]["timestamp"], int)
    await server.call("POST", "/api/sessions/s/load")
    loaded = await client.next()
    assert loaded == {"type": "session:loaded", "payload": {"sessionId": "s", "messageCount": 0}}
    await server.call("DELETE", "/api/sessions/s")
    deleted = await client.next()
    assert deleted == {"type": "session:deleted", "payload": {"sessionId": "s"}}
    assert session["id"] == "s"


async def test_nothing_but_the_five_events_and_error_arrives(server: Server) -> None:
    client = await server.brief()
    await server.create("s")
    await client.send("message:sent", {"content": "Hello", "sessionId": "s"})
    await client.send("message:sent", {"content": "", "sessionId": "s"})
    await server.call("PATCH", "/api/sessions/s", json={"title": "Other"})
    frames = await client.all_until("message:received")
    await server.call("DELETE", "/api/sessions/s")
    frames += await client.all_until("session:deleted")
    assert {frame["type"] for frame in frames} <= EVENTS


async def test_answers_of_sessions_that_it_did_not_send_to_stay_away(server: Server) -> None:
    await server.create("mine")
    await server.create("other")
    client = await server.brief()
    watcher = await server.v1()
    await watcher.subscribe("other")
    await server.say("other", "Hi")
    await watcher.until("turn:ended")
    await client.send("message:sent", {"content": "Hello", "sessionId": "mine"})
    assert (await client.next())["payload"]["sessionId"] == "mine"


async def test_an_answer_that_failed_is_followed_by_its_error(start: Start) -> None:
    server = await start(ScriptedModel("Half", ModelUnavailable()))
    await server.create("s")
    client = await server.brief()
    await client.send("message:sent", {"content": "Hello", "sessionId": "s"})
    received = await client.next()
    assert (received["payload"]["content"], received["payload"]["status"]) == ("Half", "failed")
    error = await client.next()
    assert (error["type"], error["payload"]["code"]) == ("error", "model_unavailable")


async def test_a_closed_socket_does_not_end_the_answer(start: Start) -> None:
    gate = asyncio.Event()
    model = ScriptedModel("So", gate, " it is.")
    server = await start(model)
    await server.create("s")
    client = await server.brief()
    await client.send("message:sent", {"content": "Hello", "sessionId": "s"})
    await model.begun.reach(1)
    await client.connection.close()
    watcher = await server.v1()
    await watcher.subscribe("s")
    gate.set()
    await watcher.until("turn:ended", status="complete")
    data = await server.call("POST", "/api/sessions/s/load")
    assert data["conversationHistory"][-1]["content"] == "So it is."


@pytest.mark.parametrize("type_", ["ping", "subscribe", "hello", "turn:cancel", "nonsense"])
async def test_other_types_are_unknown_here(server: Server, type_: str) -> None:
    client = await server.brief()
    await client.send(type_, {"t": 1}, id="r1")
    frame = await client.next()
    assert (frame["type"], frame["ref"]) == ("error", "r1")
    assert frame["payload"]["code"] == "unknown_type"


async def test_a_session_that_is_not_there_is_an_error(server: Server) -> None:
    client = await server.brief()
    await client.send("message:sent", {"content": "Hello", "sessionId": "nope"})
    frame = await client.next()
    assert frame["payload"] == {
        "code": "not_found",
        "message": "There is no such session.",
        "retryable": False,
        "sessionId": "nope",
    }
