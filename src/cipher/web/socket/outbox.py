"""The outbox: what waits to be written to one socket.

Owns the queue, its bounds and the one task that writes. A reader that is too slow costs bounded
memory: deltas of a turn that wait are merged, news about a session replace each other, and live
frames beyond the bounds are refused, upon which the session's feed tells the client that it lags.
Promises order per session, and that only deltas and outdated news ever go missing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from cipher.events import MessageDelta, utf16_length
from cipher.web.edge.metrics import Metrics
from cipher.web.socket.frames import Frame, delta_frame
from cipher.web.socket.limits import SocketLimits


class TooSlow(Exception):
    """The client did not read for too long, or has more waiting than it may."""


class _Waiting:
    """One place in the queue; what stands in it may grow or be replaced while it waits."""

    __slots__ = ("end", "frame", "pieces", "size")

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.size = frame.size
        delta = frame.delta
        self.pieces: list[str] = [delta.text] if delta else []
        self.end = delta.off + utf16_length(delta.text) if delta else 0

    def merge(self, delta: MessageDelta) -> int:
        """Take in a delta that goes on where this place ends; the growth in bytes, 0 if it does
        not."""
        here = self.frame.delta
        if here is None or delta.snapshot or self.end != delta.off:
            return 0
        if (here.turn_id, here.attempt, here.kind) != (delta.turn_id, delta.attempt, delta.kind):
            return 0
        grown = utf16_length(delta.text)
        self.pieces.append(delta.text)
        self.end += grown
        self.size += grown
        return grown

    def written(self) -> Frame:
        """The frame to write, with everything that was merged into it."""
        delta = self.frame.delta
        if delta is None or len(self.pieces) < 2:
            return self.frame
        return delta_frame(msgspec.structs.replace(delta, text="".join(self.pieces)))


class Outbox:
    """Put frames in from anywhere on the loop; one task runs `write`."""

    def __init__(
        self, send: Callable[[str], Awaitable[None]], limits: SocketLimits, metrics: Metrics
    ) -> None:
        self._send = send
        self._limits = limits
        self._metrics = metrics
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._tails: dict[str, _Waiting] = {}
        """The last waiting place of each session, if it is a delta."""
        self._news: dict[str, _Waiting] = {}
        """The waiting `session:updated` of each session."""
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._overrun = False
        self._finishing = False

    def put(self, frame: Frame) -> None:
        """Queue a frame that must arrive. Four times the bounds of live frames is too slow."""
        if self._overrun or self._replace_news(frame):
            return
        waiting = _Waiting(frame)
        self._queue.append(waiting)
        self._bytes += frame.size
        if frame.session_id is not None:
            if frame.type == "session:updated":
                self._news[frame.session_id] = waiting
            elif frame.delta is not None:
                self._tails[frame.session_id] = waiting
            else:
                self._tails.pop(frame.session_id, None)
        if self._is_beyond(4):
            self._overrun = True
        if self._is_beyond(0.5):
            self._room.clear()
        self._ready.set()

    def offer(self, frame: Frame) -> bool:
        """Queue a live frame of a session, or merge it; False if there is no room for it."""
        tail = self._tails.get(frame.session_id or "")
        if tail is not None and frame.delta is not None:
            grown = tail.merge(frame.delta)
            self._bytes += grown
            if grown:
                return not self._is_beyond(1)
        if self._is_beyond(1):
            return False
        self.put(frame)
        return True

    async def room(self) -> None:
        """Wait until less than half of the bounds is taken: how replays keep from flooding."""
        while not self._room.is_set():
            await self._room.wait()

    def drop(self, session_id: str, *, deltas_only: bool) -> None:
        """Take back what waits of a session: only deltas, or all there is."""
        kept = deque(
            waiting
            for waiting in self._queue
            if waiting.frame.session_id != session_id or (deltas_only and not waiting.frame.delta)
        )
        self._queue = kept
        self._bytes = sum(waiting.size for waiting in kept)
        self._tails.pop(session_id, None)
        if not deltas_only:
            self._news.pop(session_id, None)

    def finish(self) -> None:
        """Let `write` return once the queue is empty."""
        self._finishing = True
        self._ready.set()

    async def write(self) -> None:
        """Write until `finish`. Raises: TooSlow, and whatever sending raises."""
        while True:
            await self._ready.wait()
            frames = size = 0
            while self._queue:
                frame = self._take()
                try:
                    async with asyncio.timeout(self._limits.blocked_seconds):
                        await self._send(frame.text)
                except TimeoutError as error:
                    raise TooSlow from error
                frames, size = frames + 1, size + frame.size
            self._metrics.frames_out.inc(frames)
            self._metrics.bytes_out.inc(size)
            self._ready.clear()
            if self._finishing:
                return

    def _take(self) -> Frame:
        if self._overrun:
            raise TooSlow
        waiting = self._queue.popleft()
        self._bytes -= waiting.size
        frame = waiting.written()
        if frame.session_id is not None:
            for index in (self._tails, self._news):
                if index.get(frame.session_id) is waiting:
                    del index[frame.session_id]
        if not self._is_beyond(0.5):
            self._room.set()
        return frame

    def _replace_news(self, frame: Frame) -> bool:
        if frame.type != "session:updated" or frame.session_id not in self._news:
            return False
        waiting = self._news[frame.session_id]
        self._bytes += frame.size - waiting.size
        waiting.frame, waiting.size = frame, frame.size
        return True

    def _is_beyond(self, share: float) -> bool:
        """Whether the queue takes its bounds `share` times; one frame alone is never too much."""
        return len(self._queue) > 1 and (
            len(self._queue) > share * self._limits.queue_frames
            or self._bytes > share * self._limits.queue_bytes
        )
