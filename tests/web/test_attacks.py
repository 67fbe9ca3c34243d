"""What hostile clients do below the protocol: heads, bodies and frames that never end.

Owns attacks that need a connection of their own making. Promises that each fails on a server that
does not bound what it tests.
"""

from __future__ import annotations

import asyncio
import logging
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from starlette.types import Message, Receive, Scope, Send

from cipher.errors import BadRequest
from cipher.web.edge.body import BodyLimit
from cipher.web.edge.metrics import Metrics
from cipher.web.server import MAX_HEAD_BYTES, Http, WebSocket
from tests.web.process import process
from tests.web.running import PATIENCE, Server

EMPTY_MASK = bytes(4)


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


@asynccontextmanager
async def bare_socket(
    server: Server,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A WebSocket after its handshake, whose frames are written by hand."""
    async with wire(server) as (reader, writer):
        key = b64encode(os.urandom(16))
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
            + key
            + b"\r\n\r\n"
        )
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        yield reader, writer


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the server ends the connection."""
    received = bytearray()
    async with asyncio.timeout(PATIENCE):
        # A connection that is ended while the client still sends is reset.
        with suppress(ConnectionError):
            while piece := await reader.read(65_536):
                received += piece
    return bytes(received)


def frame(opcode: int, data: bytes, *, last: bool = True) -> bytes:
    """A short frame of a client."""
    assert len(data) < 126
    return bytes([(0x80 if last else 0) | opcode, 0x80 | len(data)]) + EMPTY_MASK + data


@pytest.mark.parametrize(
    ("opening", "piece"),
    [
        (b"GET /", b"a" * 1024),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ", b"a" * 1024),
        (b"GET /livez HTTP/1.1\r\nHost: localhost", b"\r\nX-Name: value" * 64),
    ],
    ids=["a long address", "a long header", "many headers"],
)
async def test_a_head_that_does_not_end_is_refused(
    server: Server, opening: bytes, piece: bytes
) -> None:
    async with wire(server) as (reader, writer):
        writer.write(opening)
        sent = 0
        with suppress(ConnectionError):
            while sent < 4 * MAX_HEAD_BYTES and not reader.at_eof():
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
        answer = await rest_of(reader)
    assert not answer or b'"code":"too_large"' in answer
    assert (await server.http.get("/livez")).status_code == 200


async def test_trailers_that_do_not_end_are_refused(server: Server) -> None:
    async with wire(server) as (reader, writer):
        writer.write(
            b"POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\n{}\r\n0\r\nX: "
        )
        with suppress(ConnectionError):
            for _ in range(4 * MAX_HEAD_BYTES // 4096):
                writer.write(b"a" * 4096)
                await writer.drain()
        await rest_of(reader)


async def test_a_body_after_its_head_may_be_long(server: Server) -> None:
    async with wire(server) as (reader, writer):
        body = b'{"title": "' + b" " * 1_000_000 + b'"}'
        writer.write(
            b"POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        for place in range(0, len(body), 10_000):
            writer.write(body[place : place + 10_000])
            await writer.drain()
        answer = await rest_of(reader)
    assert b"title: expected str of length" in answer


async def test_a_head_that_does_not_come_ends_the_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Http, "head_seconds", 0.05)
    for start in (b"", b"GET /livez HTTP/1.1\r\nHost: loc"):
        async with wire(server) as (reader, writer):
            writer.write(start)
            assert await rest_of(reader) == b""


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


async def test_a_message_in_endless_fragments_is_over_the_limit(server: Server) -> None:
    async with bare_socket(server) as (reader, writer):
        with suppress(ConnectionError):
            writer.write(frame(1, b"", last=False) + frame(0, b"", last=False) * 20_000)
            await writer.drain()
        answer = await rest_of(reader)
    assert b"\x03\xf1" in answer  # 1009
    assert (await server.http.get("/livez")).status_code == 200


async def test_pongs_do_not_pile_up_for_a_client_that_does_not_read(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    enough = asyncio.Event()
    handle = WebSocket.handle_ping

    def noting(self: WebSocket) -> None:
        handle(self)
        sizes.append(self.transport.get_write_buffer_size())
        if len(sizes) == 100_000:
            enough.set()

    monkeypatch.setattr(WebSocket, "handle_ping", noting)
    pings = frame(9, b"x" * 125) * 1000
    async with bare_socket(server) as (reader, writer):
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # it never reads
        for _ in range(200):
            writer.write(pings)
            async with asyncio.timeout(PATIENCE):
                await writer.drain()
        async with asyncio.timeout(PATIENCE):
            await enough.wait()
    assert max(sizes) < 2_000_000


async def test_what_people_write_is_not_in_the_log_of_frames(tmp_path: Path) -> None:
    async with process(tmp_path, LOG_LEVEL="debug") as up:
        await up.server.create("s")
        client = await up.server.v1()
        await client.send("message:sent", {"sessionId": "s", "content": "my-diary"})
        await client.until("message:ack")
        up.process.terminate()
        await up.ended()
        log = await up.log()
    assert "socket opened" in log
    assert "my-diary" not in log


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
