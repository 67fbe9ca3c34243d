"""Resuming: what a socket is given when it comes back, and when it can not keep up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cipher.agent.llm import ReasoningDelta
from cipher.testing import ScriptedModel
from cipher.web.socket.limits import SocketLimits
from tests.web.running import Client, Server, Start

HISTORY = "/api/sessions/s/history"


async def answered(server: Server, *contents: str) -> Client:
    """A session `s` with these questions and their answers, and a socket that saw all of it."""
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    for content in contents:
        await server.say("s", content)
        await client.until("turn:ended")
    return client


async def test_a_new_client_is_given_the_whole_log(server: Server) -> None:
    await answered(server, "One", "Two")
    epoch = (await server.call("GET", "/api/sessions/s"))["session"]["epoch"]
    client = await server.v1()
    subscribed, *messages, caught_up = await client.subscribe("s")
    assert subscribed == {
        "type": "subscribed",
        "payload": {
            "sessionId": "s",
            "epoch": epoch,
            "head": 4,
            "leafSeq": 4,
            "recovered": True,
            "from": 0,
            "activeTurns": [],
        },
    }
    assert [(frame["type"], frame["epoch"], frame["seq"]) for frame in messages] == [
        ("message:received", epoch, seq) for seq in (1, 2, 3, 4)
    ]
    assert caught_up == {
        "type": "sync:caught_up",
        "payload": {"sessionId": "s", "epoch": epoch, "seq": 4},
    }
    shown = (await server.call("GET", HISTORY))["history"]
    assert [f["payload"]["content"] for f in messages] == [m["content"] for m in shown]


async def test_a_client_that_comes_back_is_given_what_it_missed(server: Server) -> None:
    await answered(server, "One", "Two")
    cursor = (await server.call("GET", HISTORY, params={"limit": 1}))["cursor"]
    client = await server.v1({"sessionId": "s", "epoch": cursor["epoch"], "seq": 3})
    frames = await client.all_until("sync:caught_up")
    assert [frame["type"] for frame in frames] == [
        "subscribed",
        "message:received",
        "sync:caught_up",
    ]
    assert (frames[0]["payload"]["from"], frames[1]["seq"]) == (3, 4)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ({"epoch": "another", "seq": 1}, "epoch_mismatch"),
        ({"epoch": None, "seq": 1}, "epoch_mismatch"),
        ({"seq": 5}, "ahead"),
        ({"seq": 0}, "too_many"),
        ({"epoch": None, "seq": 0}, "too_many"),
    ],
)
async def test_a_place_that_can_not_be_taken_up_is_said(
    start: Start, place: dict[str, Any], reason: str
) -> None:
    server = await start(limits=SocketLimits(replay_messages=3))
    await answered(server, "One", "Two")
    cursor = (await server.call("GET", HISTORY))["cursor"]
    client = await server.v1()
    await client.send("subscribe", {"sessionId": "s", "epoch": cursor["epoch"], **place}, id="r")
    frame = await client.next()
    assert (frame["type"], frame["ref"]) == ("subscribed", "r")
    assert (frame["payload"]["recovered"], frame["payload"]["reason"]) == (False, reason)
    assert frame["payload"]["from"] == 4
    await client.send("ping", {"t": 1})
    assert (await client.next())["payload"] == {"t": 1, "heads": {}}


async def test_a_running_answer_goes_on_where_the_tab_is_opened_again(start: Start) -> None:
    gate, last = asyncio.Event(), asyncio.Event()
    model = ScriptedModel(ReasoningDelta("Hm."), "So it ", gate, "goes ", last, "on.")
    server = await start(model)
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    await server.say("s", "Hi")
    await client.until("message:delta", text="So it ")
    await client.connection.close()

    again = await server.v1()
    subscribed, user, reasoning, text, _ = await again.subscribe("s")
    turn = subscribed["payload"]["activeTurn"]
    place = {"sessionId": "s", "turnId": turn["turnId"], "attempt": 1}
    assert turn == {"turnId": turn["turnId"], "attempt": 1, "off": 6, "inReplyTo": 1}
    assert subscribed["payload"]["activeTurns"][0]["status"] == "running"
    assert user["payload"]["content"] == "Hi"
    snapshot = {**place, "off": 0, "snapshot": True}
    assert reasoning["payload"] == {**snapshot, "text": "Hm.", "kind": "reasoning"}
    assert text["payload"] == {**snapshot, "text": "So it "}
    gate.set()
    delta = (await again.until("message:delta"))["payload"]
    assert delta == {**place, "off": 6, "text": "goes "}
    last.set()
    answer = await again.until("message:received", role="assistant")
    assert answer["payload"]["content"] == "So it goes on."


async def test_a_client_that_has_part_of_an_answer_is_given_the_rest(start: Start) -> None:
    gate = asyncio.Event()
    server = await start(ScriptedModel("Grüße 👋 an", gate, " alle"))
    await server.create("s")
    ack = await server.say("s", "Hi")
    client = await server.v1()
    await client.subscribe("s")
    await asyncio.wait_for(_live(server, ack["turnId"]), 10)
    place = {"epoch": ack["epoch"], "seq": 1}
    # "Grüße " is 6 units long, the waving hand takes 2 of them.
    known = {ack["turnId"]: {"attempt": 1, "off": 8}}
    _, delta, _ = await client.subscribe("s", **place, turns=known)
    assert (delta["payload"]["off"], delta["payload"]["text"]) == (8, " an")
    assert "snapshot" not in delta["payload"]
    for unusable in ({"attempt": 1, "off": 7}, {"attempt": 1, "off": 99}, {"attempt": 2, "off": 8}):
        _, delta, _ = await client.subscribe("s", **place, turns={ack["turnId"]: unusable})
        assert (delta["payload"]["off"], delta["payload"]["snapshot"]) == (0, True)
    gate.set()


async def _live(server: Server, turn_id: str) -> None:
    """Wait until a turn has said something."""
    watcher = await server.v1()
    frames = await watcher.subscribe("s")
    if not any(frame["type"] == "message:delta" for frame in frames):
        await watcher.until("message:delta", turnId=turn_id)


async def test_an_answer_that_ended_meanwhile_is_a_message_and_no_turn(server: Server) -> None:
    first = await answered(server, "One")
    await first.connection.close()
    client = await server.v1()
    frames = await client.subscribe("s")
    assert [frame["type"] for frame in frames] == [
        "subscribed",
        "message:received",
        "message:received",
        "sync:caught_up",
    ]
    assert frames[2]["payload"]["status"] == "complete"


async def test_a_session_that_is_not_there_can_not_be_subscribed_to(server: Server) -> None:
    client = await server.v1()
    await client.send("subscribe", {"sessionId": "nope", "epoch": None, "seq": 0}, id="r")
    error = await client.next()
    assert (error["type"], error["ref"]) == ("error", "r")
    assert (error["payload"]["code"], error["payload"]["sessionId"]) == ("not_found", "nope")


async def test_subscribing_again_starts_anew(server: Server) -> None:
    client = await answered(server, "One")
    assert len(await client.subscribe("s")) == 4
    await server.say("s", "Two")
    frames = await client.all_until("turn:ended")
    assert [frame["seq"] for frame in frames if frame["type"] == "message:received"] == [3, 4]


async def test_more_subscriptions_than_allowed_are_refused(start: Start) -> None:
    server = await start(limits=SocketLimits(subscriptions=1))
    await server.create("s")
    await server.create("t")
    client = await server.v1()
    await client.subscribe("s")
    await client.send("subscribe", {"sessionId": "t", "epoch": None, "seq": 0})
    error = await client.until("error")
    assert (error["payload"]["code"], error["payload"]["sessionId"]) == ("bad_request", "t")


async def test_every_viewer_has_a_prefix_of_the_answer_and_then_all_of_it(start: Start) -> None:
    gates = [asyncio.Event() for _ in range(4)]
    script = [step for gate in gates for step in ("piece ", gate)]
    server = await start(ScriptedModel(*script, "end"))
    await server.create("s")
    ack = await server.say("s", "Hi")
    whole = "piece " * 4 + "end"

    async def view(client: Client) -> str:
        text = ""
        while True:
            frame = await client.next()
            payload = frame["payload"]
            if frame["type"] == "message:delta":
                text = text[: payload["off"]] if not payload.get("snapshot") else ""
                assert len(text) == payload["off"]
                text += payload["text"]
                assert whole.startswith(text)
            if frame["type"] == "turn:ended":
                return text

    viewers = []
    for gate in gates:
        client = await server.v1({"sessionId": "s", "epoch": ack["epoch"], "seq": 1})
        viewers.append(asyncio.create_task(view(client)))
        gate.set()
    assert await asyncio.gather(*viewers) == [whole] * 4
