"""One socket's life, whatever it speaks: reading frames, writing the outbox, and the end of both.

Owns the handshake's choice between brief mode and `sessions.v1`, the heartbeat, the count of bad
frames, sending messages within the limits, and the close codes. What a mode does with commands and
events is its subclass's (`brief.py`, `v1.py`). Promises that a failing command is answered with
`error` and that only the reasons listed in the protocol close a socket.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from cipher.agent.agent import MemAgent
from cipher.errors import BadFrame, BadRequest, CipherError, RateLimited, StorageError
from cipher.events import Event
from cipher.model import Appended, new_id
from cipher.storage.manager import StorageManager
from cipher.web.edge.metrics import Metrics
from cipher.web.edge.rate import SendRate
from cipher.web.requests import SendCommand
from cipher.web.socket.frames import Command, Frame, Ref, Refused, read_command, refusal
from cipher.web.socket.hub import Hub
from cipher.web.socket.limits import SocketLimits
from cipher.web.socket.outbox import Outbox, TooSlow
from cipher.web.strict import check_content

BAD_FRAMES: Final = 4400
HEARTBEAT: Final = 4408
SLOW: Final = 4413
FLOOD: Final = 4429

_NAMING: Final = ("session_id", "client_msg_id", "turn_id")
"""The fields of a command that its error repeats, so that a client knows what was refused."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketContext:
    """What every socket of a server shares."""

    agent: MemAgent
    storage: StorageManager
    hub: Hub
    metrics: Metrics
    limits: SocketLimits


class Closing(Exception):
    """The server ends this socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Connection:
    """A socket of one owner. `run` returns when it is closed and nothing of it is left."""

    mode: ClassVar[str]
    brief: ClassVar[bool]
    silence_seconds: float | None = None
    """How long the client may send nothing at all."""

    def __init__(self, websocket: WebSocket, context: SocketContext, owner_id: str) -> None:
        self.id = new_id()
        self.owner_id = owner_id
        self.agent = context.agent
        self.context = context
        self.limits = context.limits
        self.outbox = Outbox(websocket.send_text, context.limits, context.metrics)
        self._websocket = websocket
        self._rate = SendRate(self.limits.sends_per_minute, time.monotonic)
        self._bad_frames = 0
        self._sends: deque[tuple[SendCommand, Ref]] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, subprotocol: str | None) -> None:
        """Serve the socket until it closes."""
        await self._websocket.accept(subprotocol)
        self.context.hub.attach(self.owner_id, self)
        log.info("socket opened", conn_id=self.id, mode=self.mode)
        reader = asyncio.create_task(self._read(), name="socket-reader")
        writer = asyncio.create_task(self.outbox.write(), name="socket-writer")
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.leave()
            self.context.hub.detach(self.owner_id, self)
            await _cancelled(reader, *self._tasks)
            code = await self._part(reader, writer)
            log.info("socket closed", conn_id=self.id, code=code)

    def receive(self, event: Event, frame: Frame) -> None:
        """An event outside of sessions, from the hub."""
        raise NotImplementedError

    async def obey(self, command: Command) -> None:
        """Do what a command asks; errors of it are answered by the caller."""
        raise NotImplementedError

    def accepted(self, command: SendCommand, ref: Ref, appended: Appended) -> None:
        """A send is on disk."""
        raise NotImplementedError

    def leave(self) -> None:
        """Leave the hub with everything but the socket itself."""
        raise NotImplementedError

    @property
    def sending(self) -> tuple[SendCommand, Ref] | None:
        """The message that is being stored now."""
        return self._sends[0] if self._sends else None

    def send(self, command: SendCommand, ref: Ref) -> None:
        """Take a message; those of one socket are stored in the order in which they came.

        Raises: BadRequest, TooLarge, RateLimited, Closing for a client that does not slow down.
        """
        check_content(command.content)
        if command.attachments:
            raise BadRequest("attachments: this server takes none.")
        if len(self._sends) >= self.limits.inflight:
            raise RateLimited("Too many messages wait for their ack.", retry_after_ms=1000)
        self.count_send()
        self._sends.append((command, ref))
        if self._sender is None:
            self._sender = self.spawn(self._send_all)

    def count_send(self) -> None:
        """Count something that costs a turn. Raises: RateLimited, Closing."""
        try:
            self._rate.take()
        except RateLimited:
            if self._rate.refused > self.limits.sends_per_minute:
                raise Closing(FLOOD, "flood") from None
            raise

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Run something for this socket that must not hold up its reader.

        It is not begun where the socket ends first.
        """
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def next_command(self, timeout_seconds: float | None) -> Command:
        """The next command that could be read; bad frames are answered on the way.

        Raises: WebSocketDisconnect, Closing.
        """
        while True:
            try:
                async with asyncio.timeout(timeout_seconds):
                    message = await self._websocket.receive()
            except TimeoutError:
                raise Closing(HEARTBEAT, "heartbeat") from None
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code") or 1005)
            text = message.get("text")
            self.context.metrics.frames_in.inc()
            self.context.metrics.bytes_in.inc(len(text or message.get("bytes") or b""))
            try:
                if text is None:
                    raise Refused(BadFrame("Frames are text, not binary."))
                return read_command(text, max_bytes=self.limits.max_frame_bytes, brief=self.brief)
            except Refused as refused:
                self._answer_refused(refused)

    async def _read(self) -> None:
        await self.begin()
        while True:
            command = await self.next_command(self.silence_seconds)
            try:
                await self.obey(command)
            except CipherError as error:
                self.answer_error(error, command.payload, command.ref)

    async def begin(self) -> None:
        """What comes before the first command."""

    def answer_error(self, error: CipherError, payload: object, ref: Ref) -> None:
        """Tell the client what became of its command."""
        if isinstance(error, StorageError):
            self.context.storage.suspect()
        ids = {name: getattr(payload, name, None) for name in _NAMING}
        self.outbox.put(refusal(error, ref, **ids))

    def _answer_refused(self, refused: Refused) -> None:
        self.outbox.put(refusal(refused.error, refused.ref))
        if isinstance(refused.error, BadFrame):
            self._bad_frames += 1
            if self._bad_frames >= self.limits.bad_frames:
                raise Closing(BAD_FRAMES, "bad frames")

    async def _send_all(self) -> None:
        """Store what was taken, one after the other."""
        while self._sends:
            command, ref = self._sends[0]
            began = time.perf_counter()
            try:
                appended = await self.agent.send(
                    self.owner_id,
                    command.session_id,
                    command.content,
                    client_msg_id=command.client_msg_id,
                    parent_seq=command.parent_seq,
                    when_busy=command.when_busy,
                )
            except CipherError as error:
                self.answer_error(error, command, ref)
            except Exception:
                log.exception("send failed", conn_id=self.id, session_id=command.session_id)
                self.answer_error(CipherError(), command, ref)
            else:
                self.context.metrics.append.observe(time.perf_counter() - began)
                self.accepted(command, ref, appended)
            self._sends.popleft()
        self._sender = None

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception:
            log.exception("socket task failed", conn_id=self.id)
            self.outbox.put(refusal(CipherError()))

    async def _part(self, reader: asyncio.Task[None], writer: asyncio.Task[None]) -> int:
        """Say goodbye if there is someone to say it to; the close code."""
        if writer.done():
            if isinstance(writer.exception(), TooSlow):
                return self._abort(SLOW, "slow")
            return 1006
        error = reader.exception() if reader.done() and not reader.cancelled() else None
        if isinstance(error, WebSocketDisconnect) or error is None:
            await _cancelled(writer)
            return error.code if isinstance(error, WebSocketDisconnect) else 1006
        if isinstance(error, Closing):
            code, reason = error.code, error.reason
        else:
            log.error("socket failed", conn_id=self.id, exc_info=error)
            code, reason = 1011, "internal"
        self.outbox.finish()
        try:
            async with asyncio.timeout(self.limits.blocked_seconds):
                await writer
                await self._websocket.close(code, reason)
        except (TimeoutError, TooSlow):
            return self._abort(code, reason)
        except WebSocketDisconnect:
            return 1006
        return code

    def _abort(self, code: int, reason: str) -> int:
        """Close a socket whose client does not read: no frame can be awaited any more."""
        close = self._websocket.scope["extensions"].get("cipher.abort")
        if close is not None:
            close(code, reason)
        return code


async def _cancelled(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
