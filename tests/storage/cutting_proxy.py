"""A TCP proxy that cuts a connection at a chosen moment, for outcomes that nobody hears of."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

CHUNK = 65_536


class CuttingProxy:
    """Passes bytes between its clients and a server on loopback, until it is told to cut.

    `cut_at(word, deliver=True)` lets the next chunk from a client that has the word through to the
    server, waits for the server's answer, keeps that to itself and cuts; with `deliver=False` the
    chunk does not reach the server either. Once: later chunks with the word pass. After
    `hold_after_cut` nobody gets through from the cut until `let_go`.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._word = b""
        self._deliver = True
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.WriteTransport] = set()
        self.port = 0
        self.cuts = 0
        self.cut = asyncio.Event()
        """That a connection was cut."""
        self._holds = False
        self._open_gate = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for transport in self._open:
            transport.abort()
        await self._server.wait_closed()

    def cut_at(self, word: bytes, *, deliver: bool) -> None:
        """Cut the connection that says the word next."""
        self._word, self._deliver = word, deliver

    def hold_after_cut(self) -> None:
        """Let nobody who comes after the cut through."""
        self._holds = True

    def let_go(self) -> None:
        """Let everybody through again."""
        self._open_gate.set()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self._holds and self.cut.is_set():
            await self._open_gate.wait()
        server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        ends = {to_client.transport, to_server.transport}
        self._open |= ends
        back = asyncio.create_task(self._pass_on(server, to_client))
        try:
            while data := await client.read(CHUNK):
                if self._word and self._word in data:
                    self._word = b""
                    back.cancel()
                    await asyncio.gather(back, return_exceptions=True)
                    if self._deliver:
                        to_server.write(data)
                        await server.read(CHUNK)
                    self.cuts += 1
                    self.cut.set()
                    break
                to_server.write(data)
                await to_server.drain()
        except ConnectionError:
            pass
        finally:
            back.cancel()
            for transport in ends:
                transport.abort()
            self._open -= ends

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(CHUNK):
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        sink.transport.abort()
