"""Sending, cancelling and retrying over REST."""

from __future__ import annotations

import asyncio

from cipher.errors import ModelRejected
from cipher.testing import ScriptedModel
from cipher.web.socket.limits import SocketLimits
from tests.web.running import Server, Start


async def test_a_message_is_accepted_with_its_receipt(server: Server) -> None:
    await server.create("s")
    response = await server.http.post(
        "/api/sessions/s/messages", json={"content": "Hi", "clientMsgId": "mine"}
    )
    assert response.status_code == 202
    ack = response.json()["data"]
    session = (await server.call("GET", "/api/sessions/s"))["session"]
    assert ack == {
        "sessionId": "s",
        "clientMsgId": "mine",
        "messageId": ack["messageId"],
        "turnId": ack["turnId"],
        "epoch": session["epoch"],
        "seq": 1,
        "durability": "committed",
        "duplicate": False,
    }


async def test_the_idempotency_key_is_the_client_message_id(server: Server) -> None:
    await server.create("s")
    send = "/api/sessions/s/messages"
    headers = {"Idempotency-Key": "mine"}
    first = await server.call("POST", send, headers=headers, json={"content": "Hi"})
    again = await server.call("POST", send, json={"content": "Hi", "clientMsgId": "mine"})
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert again == first | {"duplicate": True}
    refusal = await server.refusal("POST", send, headers=headers, json={"content": "Other"})
    assert refusal == (409, "idempotency_conflict")
    both = {"content": "Hi", "clientMsgId": "yours"}
    assert await server.refusal("POST", send, headers=headers, json=both) == (400, "bad_request")


async def test_a_message_can_follow_any_earlier_one(server: Server) -> None:
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    await server.say("s", "One")
    await client.until("turn:ended")
    await server.say("s", "Another one", parentSeq=0)
    await client.until("turn:ended")
    shown = (await server.call("GET", "/api/sessions/s/history"))["history"]
    assert [(message["seq"], message["parentSeq"]) for message in shown] == [(3, 0), (4, 3)]
    unknown = {"content": "Hi", "parentSeq": 99}
    refusal = await server.refusal("POST", "/api/sessions/s/messages", json=unknown)
    assert refusal == (404, "not_found")


async def test_a_busy_session_can_be_left_alone(start: Start) -> None:
    gate = asyncio.Event()
    server = await start(ScriptedModel("So", gate))
    await server.create("s")
    await server.say("s", "One")
    second = {"content": "Two", "whenBusy": "reject"}
    response = await server.http.post("/api/sessions/s/messages", json=second)
    assert response.status_code == 409
    assert response.json()["error"] == {
        "code": "session_busy",
        "message": "The session is busy with another turn.",
        "retryable": True,
    }


async def test_cancel_keeps_what_was_said(start: Start) -> None:
    gate = asyncio.Event()
    server = await start(ScriptedModel("Half a", gate, " sentence"))
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    ack = await server.say("s", "Hi")
    await client.until("message:delta")
    path = f"/api/sessions/s/turns/{ack['turnId']}/cancel"
    data = await server.call("POST", path)
    assert data == {"sessionId": "s", "turnId": ack["turnId"], "cancelled": True}
    assert await server.call("POST", path) == data
    _, answer = (await server.call("GET", "/api/sessions/s/history"))["history"]
    assert (answer["content"], answer["status"]) == ("Half a", "cancelled")


async def test_retry_answers_once_more(start: Start) -> None:
    model = ScriptedModel(ModelRejected("Your quota is used up.")).then("Here you are.")
    server = await start(model)
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    ack = await server.say("s", "Hi", clientMsgId="mine")
    ended = await client.until("turn:ended")
    assert (ended["payload"]["status"], ended["payload"]["reason"]) == ("failed", "model_rejected")
    path = f"/api/sessions/s/turns/{ack['turnId']}/retry"
    response = await server.http.post(path)
    assert response.status_code == 202
    receipt = response.json()["data"]
    assert (receipt["turnId"], receipt["seq"]) == (ack["turnId"], 1)
    await client.until("turn:ended", attempt=2)
    shown = (await server.call("GET", "/api/sessions/s/history"))["history"]
    assert [(m["seq"], m["parentSeq"], m["content"]) for m in shown] == [
        (1, 0, "Hi"),
        (3, 1, "Here you are."),
    ]


async def test_a_failed_answer_says_why(start: Start) -> None:
    server = await start(ScriptedModel("Half", ModelRejected("Your quota is used up.")))
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    await server.say("s", "Hi")
    await client.until("turn:ended")
    user, answer = (await server.call("GET", "/api/sessions/s/history"))["history"]
    assert user["content"] == "Hi"
    assert (answer["status"], answer["content"]) == ("failed", "Half")
    assert answer["error"] == {"code": "model_rejected", "message": "Your quota is used up."}


async def test_turns_that_are_not_there_are_not_found(server: Server) -> None:
    await server.create("s")
    for path in ("/api/sessions/s/turns/nope", "/api/sessions/nope/turns/nope"):
        for verb in ("cancel", "retry"):
            assert await server.refusal("POST", f"{path}/{verb}") == (404, "not_found")


async def test_sends_beyond_the_rate_are_told_when_to_come_back(start: Start) -> None:
    server = await start(limits=SocketLimits(sends_per_minute=3))
    await server.create("s")
    for number in range(3):
        await server.say("s", f"{number}")
    response = await server.http.post("/api/sessions/s/messages", json={"content": "4"})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (429, "rate_limited")
    assert 0 < error["retryAfterMs"] <= 60_000
    assert 0 < int(response.headers["retry-after"]) <= 60
    session = (await server.call("GET", "/api/sessions/s"))["session"]
    assert session["title"] == "0"
