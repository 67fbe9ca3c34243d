"""The first token and the bytes of the others: our socket beside the endpoint read directly.

A paced endpoint on loopback (OpenAI's wire format) answers with the same tokens to a plain HTTP
client and, through a real `cipher serve`, to a `sessions.v1` socket. Both are asked in turn; the
figure is the median of the extra time to the first token. Bytes are those of all `message:delta`
frames, their WebSocket headers included, less the text they carry, over the tokens of the answer.

    .venv/bin/python bench/first_token.py [--rounds N] [--tokens N] [--rates 50,100]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
from record import save
from websockets.asyncio.client import ClientConnection, connect

from cipher.model import new_id

TOKEN = "word "
THINK_SECONDS = 0.05


class PacedEndpoint:
    """Streams `tokens` tokens at `rate` a second after a short thought."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.rate = 50.0
        self.port = 0

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length")
                )
                await reader.readexactly(length)
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                    b"transfer-encoding: chunked\r\n\r\n"
                )
                await asyncio.sleep(THINK_SECONDS)
                due = time.perf_counter()
                for _ in range(self.tokens):
                    self._send(writer, {"delta": {"content": TOKEN}})
                    due += 1 / self.rate
                    await asyncio.sleep(max(due - time.perf_counter(), 0))
                self._send(writer, {"delta": {}, "finish_reason": "stop"})
                done = b"data: [DONE]\n\n"
                writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(done), done))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    @staticmethod
    def _send(writer: asyncio.StreamWriter, choice: dict[str, Any]) -> None:
        chunk = {"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}
        data = b"data: " + json.dumps(chunk).encode() + b"\n\n"
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))


async def direct(client: httpx2.AsyncClient, url: str) -> float:
    """Milliseconds from asking to the first token, read straight from the endpoint."""
    began = time.perf_counter()
    first = 0.0
    body = {"model": "paced", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    async with client.stream("POST", f"{url}/chat/completions", json=body) as answer:
        async for line in answer.aiter_lines():
            if not first and '"content"' in line:
                first = (time.perf_counter() - began) * 1e3
    return first


def frame_bytes(payload: bytes) -> int:
    """The size of an unmasked frame with this payload."""
    return len(payload) + (2 if len(payload) < 126 else 4)


async def through(socket: ClientConnection, session_id: str) -> dict[str, float]:
    """Milliseconds from sending to the first delta, and the cost of all deltas."""
    began = time.perf_counter()
    payload = {"sessionId": session_id, "content": "hi", "clientMsgId": new_id()}
    await socket.send(json.dumps({"type": "message:sent", "payload": payload}))
    first, overhead, frames, text = 0.0, 0, 0, 0
    while True:
        raw = await socket.recv(decode=False)
        frame = json.loads(raw)
        if frame["type"] == "message:delta":
            first = first or (time.perf_counter() - began) * 1e3
            said = frame["payload"]["text"]
            overhead += frame_bytes(raw) - len(said.encode())
            frames, text = frames + 1, text + len(said)
        elif frame["type"] == "turn:ended":
            assert frame["payload"]["status"] == "complete", frame
            tokens = text / len(TOKEN)
            return {"first_ms": first, "bytes_per_token": overhead / tokens, "frames": frames}


async def open_session(url: str, port: int) -> tuple[ClientConnection, str]:
    session_id = new_id()
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{url}/api/sessions", json={"sessionId": session_id})
        answer.raise_for_status()
    socket = await connect(f"ws://localhost:{port}/ws", subprotocols=["sessions.v1"])  # type: ignore[list-item]
    subs = [{"sessionId": session_id, "epoch": None, "seq": 0}]
    hello = {"v": 1, "clientId": "bench", "subs": subs}
    await socket.send(json.dumps({"type": "hello", "payload": hello}))
    while json.loads(await socket.recv())["type"] != "sync:caught_up":
        pass
    return socket, session_id


async def serve(folder: Path, port: int, endpoint: PacedEndpoint) -> asyncio.subprocess.Process:
    environment = os.environ | {
        "STORAGE_DATABASE_PATH": str(folder),
        "LLM_BASE_URL": f"http://127.0.0.1:{endpoint.port}/v1",
        "LLM_MODEL": "paced",
        "LOG_LEVEL": "error",
    }
    cipher = Path(sys.executable).with_name("cipher")
    server = await asyncio.create_subprocess_exec(
        str(cipher), "serve", "--port", str(port), env=environment, cwd=folder
    )
    async with asyncio.timeout(30), httpx2.AsyncClient() as client:
        while True:
            try:
                answer = await client.get(f"http://localhost:{port}/readyz")
                if answer.status_code == 200:
                    return server
            except httpx2.TransportError:
                await asyncio.sleep(0.05)


async def measure(rounds: int, tokens: int, rates: list[float]) -> dict[str, Any]:
    endpoint = PacedEndpoint(tokens)
    listening = await endpoint.start()
    port = 3800 + os.getpid() % 90
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        server = await serve(Path(name), port, endpoint)
        try:
            async with httpx2.AsyncClient() as client:
                socket, session_id = await open_session(f"http://localhost:{port}", port)
                url = f"http://127.0.0.1:{endpoint.port}/v1"
                await through(socket, session_id)
                for rate in rates:
                    endpoint.rate = rate
                    straight, ours = [], []
                    for _ in range(rounds):
                        straight.append(await direct(client, url))
                        ours.append(await through(socket, session_id))
                    extra = [mine["first_ms"] - d for mine, d in zip(ours, straight, strict=True)]
                    figures[f"{rate:g}_tokens_per_second"] = {
                        "direct_first_ms": statistics.median(straight),
                        "ours_first_ms": statistics.median(one["first_ms"] for one in ours),
                        "extra_ms_p50": statistics.median(extra),
                        "extra_ms_max": max(extra),
                        "bytes_per_token": statistics.median(
                            one["bytes_per_token"] for one in ours
                        ),
                        "tokens_per_frame": tokens
                        / statistics.median(one["frames"] for one in ours),
                    }
                await socket.close()
        finally:
            server.terminate()
            await server.wait()
    listening.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--rates", default="50,100")
    options = parser.parse_args()
    rates = [float(rate) for rate in options.rates.split(",")]
    save("first_token", asyncio.run(measure(options.rounds, options.tokens, rates)))


if __name__ == "__main__":
    main()
