"""`FakeOpenAI`: an endpoint on loopback that speaks Chat Completions, well or badly.

Owns a small HTTP/1.1 server with kept-alive connections and chunked answers, one scripted reply per
POST, and the record of what was asked. The last reply answers all further requests. `raw` replies
carry any bytes, so that the server can play other providers' wire formats, too. It runs in the
event loop of the test, on a port that the system picks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Final, Literal, Self

from cipher.model import Usage
from cipher.testing.tally import Tally


class _HangUp(Enum):
    HANG_UP = "hang up"


HANG_UP: Final = _HangUp.HANG_UP
"""A step at which the server breaks the connection off."""


@dataclass(frozen=True)
class Thought:
    """A step that sends reasoning, in the field that the dialect has for it."""

    text: str
    field: Literal["reasoning_content", "reasoning"] = "reasoning_content"


Step = str | Thought | bytes | asyncio.Event | Literal[_HangUp.HANG_UP]
"""A text to say, a thought, bytes as they are, an event to wait for, or the end of the line."""


@dataclass(frozen=True)
class Reply:
    """What the server does with one request; see `reply`, `refusal` and `raw`."""

    steps: tuple[Step, ...]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    finish: str | None = None
    usage: Usage | None = None
    done: bool = False


@dataclass(frozen=True)
class ReceivedRequest:
    """One request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


def reply(
    *steps: Step, finish: str | None = "stop", usage: Usage | None = None, done: bool = True
) -> Reply:
    """An answer. Without `finish` and `done` it just ends; `usage` goes to those who ask for it."""
    return Reply(steps, finish=finish, usage=usage, done=done)


def refusal(
    status: int, message: str = "", *, retry_after: float | None = None, code: str | None = None
) -> Reply:
    """An error in OpenAI's form."""
    error = {"message": message, "type": "error", "code": code}
    headers = {"content-type": "application/json"}
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    return Reply((json.dumps({"error": error}).encode(),), status=status, headers=headers)


def raw(*steps: bytes | asyncio.Event, content_type: str = "text/event-stream") -> Reply:
    """Bytes as they are, each in a network packet of its own."""
    return Reply(steps, headers={"content-type": content_type})


class FakeOpenAI:
    """Serves `replies` in turn while entered. `counts_tokens` False refuses `stream_options`."""

    def __init__(self, *replies: Reply, models: tuple[str, ...] = (), counts_tokens: bool = True):
        self.requests: list[ReceivedRequest] = []
        """Every POST so far, oldest first."""
        self.asked = Tally()
        self.hung_up = Tally()
        """Requests whose client went away before the reply was over."""
        self.connected = Tally()
        self._replies = replies or (reply("Hello."),)
        self._served = 0
        self._models = models
        self._counts_tokens = counts_tokens
        self._connections: set[asyncio.Task[None]] = set()

    def answer_with(self, *replies: Reply) -> None:
        """Serve these replies from the next request on, the last one for all further ones."""
        self._replies, self._served = replies, 0

    @property
    def origin(self) -> str:
        """The server's address without a path."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    @property
    def base_url(self) -> str:
        """The address to give as `LLM_BASE_URL`."""
        return f"{self.origin}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.connected.add()
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        except asyncio.CancelledError:
            # Only `__aexit__` cancels; the server's own callback must not see it as a failure.
            pass
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await _received(reader)) is not None:
            answering = asyncio.create_task(self._answer(request, writer))
            watching = asyncio.create_task(reader.read(1))
            try:
                await asyncio.wait([answering, watching], return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    self.hung_up.add()
                    return
                await answering
            finally:
                answering.cancel()
                watching.cancel()
                await asyncio.wait([answering, watching])

    async def _answer(self, request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if request.method == "GET":
            await self._list(writer)
            return
        self.requests.append(request)
        self.asked.add()
        wants_count = isinstance(request.body, dict) and "stream_options" in request.body
        if wants_count and not self._counts_tokens:
            await _send(writer, refusal(400, "Unrecognized request argument: stream_options"))
            return
        chosen = self._replies[min(self._served, len(self._replies) - 1)]
        self._served += 1
        await _send(writer, chosen, counted=wants_count)

    async def _list(self, writer: asyncio.StreamWriter) -> None:
        """The models, in a form that the oldest client understands."""
        listing = {"object": "list", "data": [{"id": name} for name in self._models]}
        writer.write(b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n")
        writer.write(json.dumps(listing).encode())
        writer.write_eof()
        await writer.drain()


async def _received(reader: asyncio.StreamReader) -> ReceivedRequest | None:
    """The next request on a connection, or None at its end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    content = await reader.readexactly(int(headers.get("content-length", 0)))
    return ReceivedRequest(method, path, headers, json.loads(content) if content else None)


async def _send(writer: asyncio.StreamWriter, reply: Reply, *, counted: bool = False) -> None:
    headers = {"content-type": "text/event-stream", **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} Scripted", "transfer-encoding: chunked"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    async for data in _spoken(reply, counted):
        if data is HANG_UP:
            await writer.drain()
            writer.transport.abort()
            return
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _spoken(reply: Reply, counted: bool) -> AsyncIterator[bytes | Literal[_HangUp.HANG_UP]]:
    """The packets of a reply, as its script lets them go."""
    for step in reply.steps:
        match step:
            case asyncio.Event():
                await step.wait()
            case str():
                yield _event({"content": step})
            case Thought():
                yield _event({step.field: step.text})
            case _:
                yield step
    if reply.finish is not None:
        yield _event({}, finish=reply.finish)
    if counted and reply.usage is not None:
        spent = reply.usage
        usage = {"prompt_tokens": spent.input_tokens, "completion_tokens": spent.output_tokens}
        yield _data({"choices": [], "usage": usage})
    if reply.done:
        yield b"data: [DONE]\n\n"


def _event(delta: Mapping[str, Any], *, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _data({"object": "chat.completion.chunk", "choices": [choice], "usage": None})


def _data(chunk: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
