"""Running the application: the port, the signals, and the end.

Owns the listening sockets, uvicorn's settings, and the shutdown of the protocol: at the first
SIGTERM or SIGINT the server says that it drains, running answers get their time, then sockets close
with 1012; a second signal ends the process at once, which loses nothing that was acknowledged. Owns
no wiring. Promises that a port that can not be had is said in one sentence that names the setting,
and that no connection makes the server hold, or wait for, more than a bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, ClassVar, Final

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from cipher.config import Settings
from cipher.errors import BadRequest, CipherError, SettingsError, TooLarge
from cipher.web.edge.guard import SECURITY_HEADERS
from cipher.web.wire import failure, status_of

MAX_HEAD_BYTES: Final = 65_536
"""What may come of a request before its headers, or after its body its trailers, are complete."""
_MAX_FRAGMENTS: Final = 1024
_BACKLOG: Final = 2048
_CLOSING_SECONDS: Final = 2
_LINGER_SECONDS: Final = 15.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_WILDCARDS: Final = frozenset({"", "0.0.0.0", "::"})

log = structlog.get_logger()


class Http(HttpToolsProtocol):
    """uvicorn's HTTP, with our envelope around what is not HTTP, and an end for endless heads.

    uvicorn bounds neither the size of what comes before a body nor the time that it takes.
    """

    head_seconds: ClassVar[float] = 30.0
    _unparsed = 0
    """Bytes since the parser last got through with something."""
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_expecting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(TooLarge("The headers are too long."))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._stop_expecting()
        self._unparsed = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest(msg))

    def _refuse(self, error: CipherError) -> None:
        if not self._answering:
            body = failure(error)
            status = http.HTTPStatus(status_of(error))
            headers = (
                *SECURITY_HEADERS,
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            )
            first = f"HTTP/1.1 {status.value} {status.phrase}".encode()
            lines = [first, *(b": ".join(header) for header in headers)]
            self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.transport.close()

    @property
    def _answering(self) -> bool:
        """Whether an answer is under way, which nothing may be written into."""
        cycle: Any = self.cycle  # None before the first request, whatever its type says
        return cycle is not None and not cycle.response_complete

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self._give_up)

    def _stop_expecting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self._answering:
            self._expect_head()
        else:
            self.transport.close()


class WebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, with an end for clients that do not read, and bounds on what it answers.

    A close frame can not be awaited where nothing is read, and a transport that closes flushes
    first, for as long as that takes. The application gets `cipher.abort(code, reason)`, and
    whatever still lingers a while after its handler has ended is cut off.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # The protocol would write frames into the log, and frames hold what people write.
        self.conn.debug = False

    def handle_ping(self) -> None:
        # A client that does not read gets no pongs: nothing else bounds how many would wait.
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_cont(self, event: Any) -> None:
        # Empty fragments count for nothing in the limit on bytes, but each takes time and a place.
        if self.close_sent:
            return
        if len(self.frames) < _MAX_FRAGMENTS:
            super().handle_cont(event)
            return
        self.frames.clear()
        self.conn.fail(1009, "too many fragments")
        self.handle_parser_exception()

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: dict[str, Any] = {"cipher.abort": self.abort}
            self.scope["extensions"] = {**(self.scope["extensions"] or {}), **extensions}

    def abort(self, code: int, reason: str) -> None:
        """Put the close frame behind what is not read yet, and cut the connection off soon."""
        if not self.close_sent and not self.transport.is_closing():
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        if not self.disconnected:
            self.loop.call_later(_LINGER_SECONDS, self.transport.abort)


class Server(uvicorn.Server):
    """uvicorn's server that tells when it is ready, without signal handlers: ours drain first."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(settings: Settings) -> list[socket.socket]:
    """Bind every address of `API_HOST` to one port. Raises: SettingsError."""
    host, port = settings.api_host, settings.api_port
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"API_HOST={host!r}: this name can not be resolved.") from error
    sockets: list[socket.socket] = []
    refused: OSError | None = None
    for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
        try:
            sockets.append(_bind(family, (address[0], port or _port_of(sockets), *address[2:])))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                _close(sockets)
                raise SettingsError(_why_not(error, host, port)) from error
            # `localhost` names IPv6 too where the machine has none.
            refused = error
    if not sockets:
        raise SettingsError(f"API_HOST={host!r}: not an address of this machine.") from refused
    return sockets


def address_of(settings: Settings, sockets: list[socket.socket]) -> str:
    """The address to open in a browser."""
    host = "localhost" if settings.api_host in _WILDCARDS else settings.api_host
    return f"http://{f'[{host}]' if ':' in host else host}:{_port_of(sockets)}"


async def run(
    app: ASGIApp,
    sockets: list[socket.socket],
    stop: asyncio.Event,
    *,
    max_frame_bytes: int,
    on_ready: Callable[[], None],
    drain: Callable[[], Awaitable[None]],
) -> None:
    """Serve until `stop`, then `drain`, then close every connection."""
    config = uvicorn.Config(
        app,
        http=Http,
        ws=WebSocket,
        ws_max_size=max_frame_bytes,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_CLOSING_SECONDS,
    )
    server = Server(config, on_ready)

    async def end() -> None:
        await stop.wait()
        try:
            await drain()
        finally:
            server.should_exit = True

    ending = asyncio.create_task(end(), name="server-end")
    try:
        await server.serve(sockets)
    finally:
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)


@contextlib.contextmanager
def signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` at the first SIGTERM or SIGINT; the second one ends the process as it would."""
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            log.warning("ended by a second signal")
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _bind(family: int, address: tuple[Any, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _port_of(sockets: list[socket.socket]) -> int:
    return int(sockets[0].getsockname()[1]) if sockets else 0


def _close(sockets: list[socket.socket]) -> None:
    for listener in sockets:
        listener.close()


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"API_PORT={port}: the port is in use. Stop what uses it, or choose another one with "
            "--port; 0 picks a free one."
        )
    if error.errno == errno.EACCES:
        return f"API_PORT={port}: this user may not open it; ports from 1024 on are free to all."
    return f"API_HOST={host!r}, API_PORT={port}: {error.strerror}."
