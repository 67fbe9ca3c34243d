"""Clients that send too much, or read too little."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.running import Client, Server


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
