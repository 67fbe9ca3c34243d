"""A real server on a free loopback port over a real SQLite file, and clients for it.

Owns starting and stopping, and clients that fail a test instead of waiting for ever. The model is a
scripted one. Nothing here knows how the server is made inside.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from cipher.agent.llm import LanguageModel
from cipher.config import Settings
from cipher.web.app import serve_until
from cipher.web.socket.limits import SocketLimits

PATIENCE = 10.0
JSON = dict[str, Any]


class Client:
    """One socket; every wait for a frame ends after `patience` seconds at the latest."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.patience = PATIENCE

    async def send(self, type_: str, payload: JSON | None = None, **more: Any) -> None:
        frame = {"type": type_, **more} | ({} if payload is None else {"payload": payload})
        await self.connection.send(json.dumps(frame))

    async def next(self) -> JSON:
        async with asyncio.timeout(self.patience):
            text = await self.connection.recv()
        assert isinstance(text, str)
        frame: JSON = json.loads(text)
        return frame

    async def until(self, type_: str, **fields: Any) -> JSON:
        """The next frame of a type whose payload has these fields; others are dropped."""
        return (await self.all_until(type_, **fields))[-1]

    async def all_until(self, type_: str, **fields: Any) -> list[JSON]:
        """All frames up to and with one of a type whose payload has these fields."""
        frames: list[JSON] = []
        while True:
            frames.append(await self.next())
            payload = frames[-1]["payload"]
            if frames[-1]["type"] == type_ and fields.items() <= payload.items():
                return frames

    async def subscribe(self, session_id: str, **place: Any) -> list[JSON]:
        """Subscribe, and what comes of the session until the client has caught up."""
        wish = {"sessionId": session_id, "epoch": None, "seq": 0, **place}
        await self.send("subscribe", wish)
        frames = await self.all_until("sync:caught_up", sessionId=session_id)
        return [frame for frame in frames if frame["type"] != "session:updated"]

    async def close_code(self) -> int | None:
        """The code with which the server closes the socket."""
        with suppress(ConnectionClosed):
            while True:
                await self.next()
        return self.connection.close_code


Start = Callable[..., Awaitable["Server"]]


@dataclass
class Server:
    """A running server."""

    url: str
    http: httpx2.AsyncClient
    stop: Callable[[], Awaitable[None]]
    clients: AsyncExitStack = field(default_factory=AsyncExitStack)
    """Closes the sockets that were opened here."""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """The `data` of a call that succeeds."""
        response = await self.http.request(method, path, **options)
        body = response.json()
        assert body["success"] is True, body
        return body["data"]

    async def refusal(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        """The status and the code of a call that is refused, in its envelope."""
        response = await self.http.request(method, path, **options)
        body = response.json()
        assert body["success"] is False, body
        assert set(body) == {"success", "error"}
        assert body["error"]["message"]
        return response.status_code, body["error"]["code"]

    async def create(self, session_id: str, **body: Any) -> JSON:
        data = await self.call("POST", "/api/sessions", json={"sessionId": session_id, **body})
        session: JSON = data["session"]
        return session

    async def say(self, session_id: str, content: str, **body: Any) -> JSON:
        """Send over REST; the ack."""
        ack: JSON = await self.call(
            "POST", f"/api/sessions/{session_id}/messages", json={"content": content, **body}
        )
        return ack

    async def brief(self, **options: Any) -> Client:
        """A socket in brief mode."""
        address = self.url.replace("http:", "ws:") + "/ws"
        connection = await connect(address, **{"proxy": None, "max_queue": None, **options})
        self.clients.push_async_callback(connection.close)
        return Client(connection)

    async def v1(self, *subs: JSON, **options: Any) -> Client:
        """A socket that speaks `sessions.v1`, welcomed."""
        client = await self.brief(subprotocols=["sessions.v1"], **options)
        await client.send("hello", {"v": 1, "clientId": "test", "subs": list(subs)})
        await client.until("welcome")
        return client


def limits(**changes: Any) -> SocketLimits:
    """The limits of a socket, but for these."""
    return SocketLimits(**changes)


@asynccontextmanager
async def running(folder: Path, model: LanguageModel, **options: Any) -> AsyncIterator[Server]:
    """A server on the database of a folder; options of `Settings` or `serve_until`."""
    beyond = {name: options.pop(name) for name in ("limits", "drain") if name in options}
    beyond.setdefault("drain", timedelta(0))
    settings = Settings(
        _env_file=None,
        storage_database_path=folder,
        api_port=0,
        api_host=options.pop("api_host", "127.0.0.1"),
        **options,
    )
    stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve_until(stop, settings, on_ready=address.set_result, model=model, **beyond)
    )
    await asyncio.wait({task, address}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
    if task.done():
        await task

    async def finish() -> None:
        stop.set()
        async with asyncio.timeout(PATIENCE):
            await task

    url = address.result()
    try:
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as http:
            server = Server(url, http, finish)
            async with server.clients:
                yield server
    finally:
        await finish()
