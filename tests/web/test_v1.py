"""`sessions.v1`: hello, sending, streaming, turns, and what all tabs are told."""

from __future__ import annotations

import asyncio
import json

import pytest

from cipher.agent.llm import ModelInfo, ReasoningDelta
from cipher.errors import ModelRejected
from cipher.model import Usage
from cipher.testing import ScriptedModel
from cipher.web.socket.limits import SocketLimits
from tests.web.running import Server, Start


async def test_welcome_tells_the_limits_and_the_model(start: Start) -> None:
    info = ModelInfo(id="demo", provider="demo", demo=True, notice="This is a demonstration.")
    server = await start(ScriptedModel("Hi", info=info))
    client = await server.brief(subprotocols=["sessions.v1"])
    assert client.connection.subprotocol == "sessions.v1"
    await client.send("hello", {"v": 1, "clientId": "c"}, id=7)
    frame = await client.next()
    assert (frame["type"], frame["ref"]) == ("welcome", 7)
    payload = frame["payload"]
    assert payload == {
        "v": 1,
        "connId": payload["connId"],
        "serverTime": payload["serverTime"],
        "heartbeatMs": 20_000,
        "storage": "ok",
        "limits": {
            "maxFrame": 262_144,
            "maxContent": 200_000,
            "inflight": 16,
            "perMinute": 120,
        },
        "model": {"id": "demo", "demo": True, "notice": "This is a demonstration."},
    }


async def test_a_turn_is_told_in_order_ack_first(start: Start) -> None:
    gate, usage = asyncio.Event(), Usage(input_tokens=3, output_tokens=2)
    server = await start(ScriptedModel(ReasoningDelta("Hm."), "Hel", gate, "lo.", usage))
    session = await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    await client.send(
        "message:sent", {"sessionId": "s", "content": "Hi", "clientMsgId": "mine"}, id="r1"
    )
    frames = await client.all_until("message:delta", text="Hel")
    gate.set()
    frames += await client.all_until("turn:ended")
    told = [frame for frame in frames if frame["type"] != "session:updated"]
    ack, user, started, *deltas, answer, ended = told
    assert ack == {
        "type": "message:ack",
        "ref": "r1",
        "payload": {
            "sessionId": "s",
            "clientMsgId": "mine",
            "messageId": ack["payload"]["messageId"],
            "turnId": ack["payload"]["turnId"],
            "epoch": session["epoch"],
            "seq": 1,
            "durability": "committed",
            "duplicate": False,
        },
    }
    turn_id = ack["payload"]["turnId"]
    assert (user["type"], user["epoch"], user["seq"]) == ("message:received", session["epoch"], 1)
    assert user["payload"] == {
        "sessionId": "s",
        "id": ack["payload"]["messageId"],
        "messageId": ack["payload"]["messageId"],
        "seq": 1,
        "parentSeq": 0,
        "role": "user",
        "content": "Hi",
        "parts": [{"type": "text", "text": "Hi"}],
        "timestamp": user["payload"]["timestamp"],
        "clientMsgId": "mine",
        "turnId": turn_id,
    }
    place = {"sessionId": "s", "turnId": turn_id, "attempt": 1}
    assert started == {"type": "turn:started", "payload": {**place, "inReplyTo": 1}}
    assert [delta["payload"] for delta in deltas] == [
        {**place, "off": 0, "text": "Hm.", "kind": "reasoning"},
        {**place, "off": 0, "text": "Hel"},
        {**place, "off": 3, "text": "lo."},
    ]
    assert (answer["seq"], answer["payload"]["status"]) == (2, "complete")
    assert answer["payload"]["content"] == "Hello."
    assert answer["payload"]["usage"] == {"inputTokens": 3, "outputTokens": 2}
    assert isinstance(answer["payload"]["timestamp"], int)
    cost = answer["payload"]["usage"]
    assert ended["payload"] == {**place, "status": "complete", "retryable": False, "usage": cost}


async def test_a_delta_costs_at_most_sixty_bytes_a_token(start: Start) -> None:
    # 50 tokens a second that arrive every 50 ms are 2.5 tokens a frame.
    server = await start(ScriptedModel("The quick ", "brown fox "))
    session_id = (await server.call("POST", "/api/sessions"))["session"]["id"]
    client = await server.v1()
    await client.subscribe(session_id)
    await server.say(session_id, "Hi")
    while True:
        text = await client.connection.recv()
        frame = json.loads(text)
        if frame["type"] == "message:delta":
            beyond = len(text) + 4 - len(frame["payload"]["text"])
            assert beyond / 2.5 <= 60
        if frame["type"] == "turn:ended":
            break


async def test_sending_twice_stores_once_and_acks_twice(server: Server) -> None:
    await server.create("s")
    client = await server.v1()
    for _ in range(2):
        await client.send("message:sent", {"sessionId": "s", "content": "Hi", "clientMsgId": "m"})
    first = await client.until("message:ack")
    again = await client.until("message:ack")
    assert (first["payload"]["duplicate"], again["payload"]["duplicate"]) == (False, True)
    assert first["payload"] | {"duplicate": True} == again["payload"]
    await client.send("message:sent", {"sessionId": "s", "content": "Ho", "clientMsgId": "m"}, id=3)
    error = await client.until("error")
    assert error["ref"] == 3
    assert (error["payload"]["code"], error["payload"]["clientMsgId"]) == (
        "idempotency_conflict",
        "m",
    )


async def test_sends_of_one_socket_are_stored_in_their_order(server: Server) -> None:
    await server.create("s")
    client = await server.v1()
    for number in range(10):
        await client.send(
            "message:sent", {"sessionId": "s", "content": "Hi", "clientMsgId": f"m{number}"}
        )
    acks = [(await client.until("message:ack"))["payload"] for _ in range(10)]
    assert [ack["clientMsgId"] for ack in acks] == [f"m{number}" for number in range(10)]
    seqs = [ack["seq"] for ack in acks]
    assert seqs == sorted(seqs)


async def test_cancel_and_retry_go_over_the_socket(start: Start) -> None:
    gate = asyncio.Event()
    server = await start(ScriptedModel("Half", gate).then("Whole."))
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    await client.send("message:sent", {"sessionId": "s", "content": "Hi"})
    started = (await client.until("message:delta"))["payload"]
    turn = {"sessionId": "s", "turnId": started["turnId"]}
    await client.send("turn:cancel", turn)
    ended = await client.until("turn:ended")
    assert (ended["payload"]["status"], ended["payload"]["retryable"]) == ("cancelled", True)
    await client.send("turn:retry", turn)
    await client.until("turn:started", attempt=2)
    await client.until("turn:ended", attempt=2, status="complete")
    await client.send("turn:cancel", {"sessionId": "s", "turnId": "nope"}, id="r")
    error = await client.until("error")
    assert (error["ref"], error["payload"]["code"]) == ("r", "not_found")


async def test_a_failed_turn_says_why_in_words(start: Start) -> None:
    server = await start(ScriptedModel("Half", ModelRejected("Your quota is used up.")))
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    await server.say("s", "Hi")
    answer = await client.until("message:received", role="assistant")
    assert answer["payload"]["error"] == {
        "code": "model_rejected",
        "message": "Your quota is used up.",
    }
    ended = (await client.until("turn:ended"))["payload"]
    assert (ended["status"], ended["reason"]) == ("failed", "model_rejected")
    assert ended["message"] == "Your quota is used up."


async def test_all_tabs_hear_of_all_sessions(server: Server) -> None:
    one, two = await server.v1(), await server.v1()
    session = await server.create("s", title="Plans")
    for client in (one, two):
        created = (await client.until("session:created"))["payload"]
        assert created["sessionId"] == "s"
        assert created["title"] == "Plans"
        assert created["epoch"] == session["epoch"]
    await server.call("PATCH", "/api/sessions/s", json={"title": "Other", "pinned": True})
    for client in (one, two):
        updated = (await client.until("session:updated"))["payload"]
        assert updated == {
            "sessionId": "s",
            "title": "Other",
            "createdAt": created["createdAt"],
            "lastActivity": updated["lastActivity"],
            "messageCount": 0,
            "pinned": True,
            "archived": False,
            "epoch": session["epoch"],
            "headSeq": 0,
            "leafSeq": 0,
            "running": False,
        }
        assert isinstance(updated["lastActivity"], int)
    await server.call("POST", "/api/sessions/s/load")
    for client in (one, two):
        loaded = await client.until("session:loaded")
        assert loaded["payload"] == {"sessionId": "s", "messageCount": 0}


async def test_a_turn_makes_its_session_running_and_then_not(server: Server) -> None:
    await server.create("s")
    client = await server.v1()
    await server.say("s", "Hi")
    await client.until("session:updated", running=True, messageCount=1, title="Hi")
    await client.until("session:updated", running=False, messageCount=2, headSeq=2)


async def test_ping_brings_back_the_time_and_the_heads(server: Server) -> None:
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    await server.say("s", "Hi")
    await client.until("turn:ended")
    await client.send("ping", {"t": 1234.5}, id=1)
    pong = await client.until("pong")
    assert pong["payload"] == {"t": 1234.5, "heads": {"s": 2}}


async def test_nothing_of_an_unsubscribed_session_arrives(server: Server) -> None:
    await server.create("s")
    client, other = await server.v1(), await server.v1()
    await client.subscribe("s")
    await other.subscribe("s")
    await client.send("unsubscribe", {"sessionId": "s"})
    await client.send("ping", {"t": 1})
    await client.until("pong")
    await server.say("s", "Hi")
    await other.until("turn:ended")
    await client.send("ping", {"t": 2})
    frames = await client.all_until("pong", t=2)
    assert {frame["type"] for frame in frames} <= {"session:updated", "pong"}


async def test_nothing_of_a_deleted_session_arrives(start: Start) -> None:
    gate = asyncio.Event()
    server = await start(ScriptedModel("Half", gate, " more"))
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    await server.say("s", "Hi")
    await client.until("message:delta")
    await server.call("DELETE", "/api/sessions/s")
    await client.until("session:deleted")
    gate.set()
    await server.create("t")
    frames = await client.all_until("session:created")
    assert not [frame for frame in frames[:-1] if frame["payload"]["sessionId"] == "s"]
    await client.send("ping", {"t": 1})
    assert (await client.until("pong"))["payload"]["heads"] == {}


async def test_hello_is_asked_for_in_time(start: Start) -> None:
    server = await start(limits=SocketLimits(hello_seconds=0.05))
    client = await server.brief(subprotocols=["sessions.v1"])
    assert await client.close_code() == 4408


@pytest.mark.parametrize(
    ("type_", "payload"), [("ping", {"t": 1}), ("hello", {"v": 2}), ("hello", {"v": 0})]
)
async def test_anything_but_hello_first_closes(server: Server, type_: str, payload: object) -> None:
    client = await server.brief(subprotocols=["sessions.v1"])
    await client.connection.send(json.dumps({"type": type_, "payload": payload}))
    assert (await client.next())["payload"]["code"] == "bad_request"
    assert await client.close_code() == 4400


async def test_a_second_hello_is_refused_without_a_close(server: Server) -> None:
    client = await server.v1()
    await client.send("hello", {"v": 1})
    assert (await client.until("error"))["payload"]["code"] == "bad_request"
    await client.send("ping", {"t": 1})
    await client.until("pong")


async def test_a_silent_client_is_let_go(start: Start) -> None:
    server = await start(limits=SocketLimits(heartbeat_seconds=0.05))
    client = await server.v1()
    assert await client.close_code() == 4408


async def test_a_stopping_server_says_so_and_closes_with_1012(start: Start) -> None:
    server = await start()
    client = await server.v1()
    await server.stop()
    draining = await client.until("server:draining")
    assert draining["payload"]["reconnectAfterMs"] > 0
    assert await client.close_code() == 1012
