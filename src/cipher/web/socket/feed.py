"""A feed: one socket's view of one session, first what it missed, then what happens.

Owns the place in the log up to which this socket knows a session. The hub tells a feed what happens
from the moment that it joined; the gap before that is read from the database; so nothing falls in
between. An event is only a hint: one that does not follow the last message makes the feed read the
log again. Promises messages in order of `seq`, each once, and deltas that continue each other.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from cipher.agent.agent import MemAgent
from cipher.errors import CipherError
from cipher.events import (
    DeltaKind,
    Event,
    MessageDelta,
    MessageReceived,
    TurnEnded,
    TurnStarted,
    utf16_length,
)
from cipher.model import Message, MessagePage
from cipher.sessions.session import LiveTurn
from cipher.web.requests import Subscribe
from cipher.web.socket.frames import (
    Frame,
    Reason,
    Ref,
    RunningTurn,
    Subscribed,
    SyncPoint,
    delta_frame,
    message_frame,
    reply,
)
from cipher.web.socket.outbox import Outbox
from cipher.web.wire import active_turns

_PAGE: Final = 100
_MAX_PENDING: Final = 256

log = structlog.get_logger()


class Feed:
    """Joined to the hub before `open`, until `on_end` is called or it is closed.

    `on_message` gets session, epoch and message before its frame is queued; `spawn` runs a task
    that ends with the socket.
    """

    def __init__(
        self,
        agent: MemAgent,
        owner_id: str,
        session_id: str,
        outbox: Outbox,
        *,
        spawn: Callable[[Callable[[], Coroutine[Any, Any, None]]], object],
        on_message: Callable[[str, str, Message], None],
        on_end: Callable[[Feed], None],
    ) -> None:
        self.session_id = session_id
        self.head = 0
        """The highest `seq` that is known to exist."""
        self._session = agent.sessions.handle(owner_id, session_id)
        self._agent = agent
        self._outbox = outbox
        self._spawn = spawn
        self._on_message = on_message
        self._on_end = on_end
        self._epoch = ""
        self._seq = 0
        self._live = False
        self._over = False
        self._pending: list[Frame] = []
        self._ended: tuple[str | None, int | None] = (None, None)

    async def open(self, wish: Subscribe, *, max_messages: int, ref: Ref = None) -> None:
        """Answer a subscription, replay what the client misses, and go live.

        Raises: SessionNotFound, StorageError; then the feed is not open.
        """
        page = await self._session.log(after=wish.seq, limit=min(_PAGE, max_messages))
        session = page.session
        self._epoch, self._seq = session.epoch, wish.seq
        self.head = max(self.head, session.head_seq)
        reason = _why_not(wish, page, max_messages)
        live = self._agent.live_turn(self.session_id)
        subscribed = Subscribed(
            session_id=self.session_id,
            epoch=session.epoch,
            head=session.head_seq,
            leaf_seq=session.leaf_seq,
            recovered=reason is None,
            reason=reason,
            from_=session.head_seq if reason else wish.seq,
            active_turns=active_turns(page.turns),
            active_turn=_running(live),
        )
        self._outbox.put(reply("subscribed", subscribed, ref=ref, session_id=self.session_id))
        if reason is not None:
            self._over = True
            self._on_end(self)
            return
        await self._catch_up(page, wish)

    def receive(self, event: Event, frame: Frame) -> None:
        """What the hub tells."""
        if isinstance(event, MessageReceived):
            self._receive_message(event, frame)
        elif self._live:
            self._offer(frame)
        elif isinstance(event, TurnStarted | TurnEnded):
            # Deltas need no keeping: the snapshot at the end of the replay has them.
            self._pending.append(frame)
            if len(self._pending) > _MAX_PENDING:
                self._lag()

    def close(self) -> None:
        """Send nothing more; the hub must have been left."""
        self._live, self._over = False, True

    def _receive_message(self, event: MessageReceived, frame: Frame) -> None:
        message = event.message
        self.head = max(self.head, message.seq)
        if not self._live or message.seq <= self._seq:
            return
        if event.epoch == self._epoch and message.seq == self._seq + 1:
            self._deliver(message, frame)
        else:
            self._live = False
            self._spawn(self._read_gap)

    def _deliver(self, message: Message, frame: Frame) -> None:
        self._on_message(self.session_id, self._epoch, message)
        if self._live:
            if not self._offer(frame):
                return
        else:
            self._outbox.put(frame)
        self._seq = message.seq
        if message.role != "user":
            self._ended = (message.turn_id, message.attempt)

    async def _read_gap(self) -> None:
        try:
            await self._catch_up(await self._session.log(after=self._seq, limit=_PAGE))
        except CipherError as error:
            log.warning("feed lags", session_id=self.session_id, code=error.code)
            self._lag()

    async def _catch_up(self, page: MessagePage, wish: Subscribe | None = None) -> None:
        while page.session.epoch == self._epoch:
            for message in page.messages:
                await self._outbox.room()
                if self._over:
                    return
                frame = message_frame(self.session_id, self._epoch, message)
                self._deliver(message, frame)
            self.head = max(self.head, page.session.head_seq)
            if not page.messages or self._seq >= self.head:
                self._go_live(wish)
                return
            page = await self._session.log(after=self._seq, limit=_PAGE)
        # The log is not the one that this client has read.
        self._lag()

    def _go_live(self, wish: Subscribe | None) -> None:
        """Send what waited and what the running answer has; nothing is published in between."""
        for frame in self._pending:
            self._outbox.put(frame)
        self._pending.clear()
        live = self._agent.live_turn(self.session_id)
        if live is not None and (live.turn_id, live.attempt) != self._ended:
            for delta in _said_so_far(self.session_id, live, wish):
                self._outbox.put(delta_frame(delta))
        point = SyncPoint(session_id=self.session_id, epoch=self._epoch, seq=self._seq)
        self._outbox.put(reply("sync:caught_up", point, session_id=self.session_id))
        self._live = True

    def _offer(self, frame: Frame) -> bool:
        if self._outbox.offer(frame):
            return True
        self._lag()
        return False

    def _lag(self) -> None:
        """Give up on live delivery: the client subscribes again from the last `seq` it has."""
        if self._over:
            return
        self._live, self._over = False, True
        self._on_end(self)
        self._outbox.drop(self.session_id, deltas_only=True)
        point = SyncPoint(session_id=self.session_id, epoch=self._epoch, seq=self._seq)
        self._outbox.put(reply("sync:lagged", point, session_id=self.session_id))


def _why_not(wish: Subscribe, page: MessagePage, max_messages: int) -> Reason | None:
    """Why a client's place in the log can not be taken up; None if it can."""
    session = page.session
    if wish.epoch != session.epoch and (wish.epoch is not None or wish.seq > 0):
        return "epoch_mismatch"
    if wish.seq > session.head_seq:
        return "ahead"
    return "too_many" if session.head_seq - wish.seq > max_messages else None


def _running(live: LiveTurn | None) -> RunningTurn | None:
    if live is None:
        return None
    return RunningTurn(
        turn_id=live.turn_id, attempt=live.attempt, off=live.off, in_reply_to=live.in_reply_to
    )


def _said_so_far(session_id: str, live: LiveTurn, wish: Subscribe | None) -> list[MessageDelta]:
    """What a client misses of the running answer: its tail, or all of it as snapshots."""
    known = wish.turns.get(live.turn_id) if wish else None
    off = known.off if known and known.attempt == live.attempt else 0
    tail = _from_utf16(live.text, off)
    said: list[tuple[DeltaKind, str, int]] = [("reasoning", live.reasoning, 0)]
    said.append(("text", live.text, 0) if tail is None else ("text", tail, off))
    return [
        MessageDelta(
            session_id=session_id,
            turn_id=live.turn_id,
            attempt=live.attempt,
            off=start,
            text=text,
            kind=kind,
            snapshot=start == 0,
        )
        for kind, text, start in said
        if text
    ]


def _from_utf16(text: str, off: int) -> str | None:
    """The text from an offset in UTF-16 code units; None if nothing can start there."""
    if off == 0 or off > utf16_length(text):
        return None
    if text.isascii():
        return text[off:]
    try:
        return text.encode("utf-16-le")[2 * off :].decode("utf-16-le")
    except UnicodeDecodeError:
        return None
