"""What hostile clients do below the protocol: heads, bodies and frames that never end.

Owns attacks that need a connection of their own making. Promises that each fails on a server that
does not bound what it tests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.types import Message, Receive, Scope, Send

from cipher.errors import BadRequest
from cipher.web.edge.body import BodyLimit
from cipher.web.edge.metrics import Metrics
from tests.web.running import PATIENCE, Server


@asynccontextmanager
async def wire(
    server: Server,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection to a server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        # What comes after the body is the end of the connection, however late.
        await receive()

    messages: asyncio.Queue[Message] = asyncio.Queue()

    async def send(message: Message) -> None:
        raise AssertionError(message)

    limited = BodyLimit(reading, 1024, {}, idle_seconds=0.05)
    scope: Scope = {"type": "http", "path": "/", "headers": []}
    messages.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
    with pytest.raises(BadRequest):
        async with asyncio.timeout(PATIENCE):
            await limited(scope, messages.get, send)

    messages.put_nowait({"type": "http.request", "body": b"{}", "more_body": False})
    waiting = asyncio.create_task(limited(scope, messages.get, send))
    done, _ = await asyncio.wait({waiting}, timeout=0.3)
    assert not done
    messages.put_nowait({"type": "http.disconnect"})
    async with asyncio.timeout(PATIENCE):
        await waiting


async def test_a_client_that_goes_away_is_no_fault_of_the_server(server: Server) -> None:
    async with wire(server) as (_, writer):
        writer.write(
            b"POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
        )
        await writer.drain()
    async with asyncio.timeout(PATIENCE):
        text = ""
        while 'route="/api/sessions"' not in text:
            text = (await server.http.get("/metrics")).text
    assert 'status="5' not in text


async def test_a_fault_of_the_server_has_the_envelope(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Metrics) -> bytes:
        raise RuntimeError("secret/path.sqlite")

    monkeypatch.setattr(Metrics, "render", fail)
    with caplog.at_level(logging.CRITICAL):
        response: httpx2.Response = await server.http.get("/metrics")
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal"
    assert "secret" not in response.text
