"""Clients that send too much, or read too little."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from tests.web.running import Client, Server, Start, limits


@pytest.fixture
async def seeded(server: Server) -> Server:
    """A server with the session `s`."""
    await server.create("s")
    return server


async def _sent(client: Client, number: int) -> dict[str, Any]:
    await client.send(
        "message:sent", {"sessionId": "s", "content": "Hi", "clientMsgId": f"m{number}"}, id=number
    )
    while True:
        frame = await client.next()
        if frame.get("ref") == number:
            return frame


async def test_the_hundred_and_twenty_first_send_of_a_minute_waits(seeded: Server) -> None:
    client = await seeded.v1()
    for number in range(120):
        assert (await _sent(client, number))["type"] == "message:ack"
    error = (await _sent(client, 120))["payload"]
    assert (error["code"], error["retryable"]) == ("rate_limited", True)
    assert (error["sessionId"], error["clientMsgId"]) == ("s", "m120")
    assert 0 < error["retryAfterMs"] <= 60_000
    stored = await seeded.call("GET", "/api/sessions/s")
    assert stored["session"]["messageCount"] >= 120
    other = await seeded.v1()
    assert (await _sent(other, 121))["type"] == "message:ack"


async def test_a_client_that_does_not_slow_down_is_closed(seeded: Server) -> None:
    client = await seeded.v1()
    for number in range(120):
        await _sent(client, number)
    for _ in range(121):
        await client.send("message:sent", {"sessionId": "s", "content": "Hi"})
    assert await client.close_code() == 4429


LONG = "x" * 150_000


async def deaf(server: Server) -> Client:
    """A client subscribed to `s` that reads no more than a few frames unless it is asked to."""
    ear = socket.socket()
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ear.setblocking(False)
    await asyncio.get_running_loop().sock_connect(ear, ("127.0.0.1", server.port))
    quiet = {"max_queue": 1, "max_size": None, "ping_interval": None, "close_timeout": 0.1}
    client = await server.v1(sock=ear, **quiet)
    await client.subscribe("s")
    return client


async def test_a_client_that_lags_is_told_and_catches_up_without_a_gap(start: Start) -> None:
    server = await start(limits=limits(queue_frames=8, sends_per_minute=1000))
    session = await server.create("s")
    client, reader = await deaf(server), await server.v1()
    await reader.subscribe("s")
    for number in range(40):
        await server.say("s", LONG, clientMsgId=f"m{number}")
    while (await server.call("GET", "/api/sessions/s"))["session"]["headSeq"] < 80:
        await reader.until("turn:ended")

    frames = await client.all_until("sync:lagged")
    seen = [frame["seq"] for frame in frames if frame["type"] == "message:received"]
    lagged = frames[-1]["payload"]
    assert lagged == {"sessionId": "s", "epoch": session["epoch"], "seq": len(seen)}
    assert len(seen) < 80
    caught_up = await client.subscribe("s", epoch=lagged["epoch"], seq=lagged["seq"])
    seen += [frame["seq"] for frame in caught_up if frame["type"] == "message:received"]
    assert seen == list(range(1, 81))


async def test_a_client_that_does_not_read_is_closed_with_4413(start: Start) -> None:
    server = await start(limits=limits(blocked_seconds=0.2, sends_per_minute=1000))
    await server.create("s")
    client = await deaf(server)
    number = 0
    while (await server.call("GET", "/api/stats"))["sockets"] == 1:
        number += 1
        await server.say("s", LONG, clientMsgId=f"m{number}")
    assert await client.close_code() == 4413


async def test_a_client_that_does_not_read_can_not_keep_a_server_from_stopping(
    start: Start,
) -> None:
    server = await start(limits=limits(sends_per_minute=1000))
    await server.create("s")
    await deaf(server)
    for number in range(20):
        await server.say("s", LONG, clientMsgId=f"m{number}")
    await server.stop()


async def test_closed_sockets_leave_nothing_behind(server: Server) -> None:
    await server.create("s")
    before = len(asyncio.all_tasks())
    for mode in (server.v1, server.brief) * 5:
        client = await mode()
        await client.send("message:sent", {"sessionId": "s", "content": "Hi"})
        await client.until("message:received" if mode == server.brief else "message:ack")
        await client.connection.close()
    watcher = await server.v1()
    await watcher.subscribe("s")
    await server.say("s", "Last")
    while (await server.call("GET", "/api/sessions/s"))["session"]["running"]:
        await watcher.until("turn:ended")
    await watcher.connection.close()
    while (await server.call("GET", "/api/stats"))["sockets"]:
        pass
    async with asyncio.timeout(10):
        while len(asyncio.all_tasks()) > before:
            await server.http.get("/livez")
