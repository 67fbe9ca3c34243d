"""The hub: from the bus to the sockets that want to know.

Owns one subscription to the bus per owner, and who listens to which session. Promises that an event
is encoded at most once, and not at all where nobody listens; that listeners are called in the order
of the bus; and that one listener's failure reaches neither the others nor the publisher.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from cipher.events import (
    Event,
    MessageDelta,
    MessageReceived,
    ServerDraining,
    ServerStatus,
    TurnEnded,
    TurnStarted,
)
from cipher.sessions.bus import Bus
from cipher.web.socket.frames import Frame, event_frame

log = structlog.get_logger()


class Listener(Protocol):
    """Takes an event together with its frame; returns at once."""

    def receive(self, event: Event, frame: Frame) -> None: ...


class Hub:
    """Every open socket (all events of its owner but those inside sessions) and every feed."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._sockets: dict[str, dict[int, Listener]] = {}
        self._feeds: dict[tuple[str, str], dict[int, Listener]] = {}
        self._unsubscribe: dict[str, Callable[[], None]] = {}

    @property
    def sockets(self) -> int:
        """How many sockets are open."""
        return sum(map(len, self._sockets.values()))

    def attach(self, owner_id: str, socket: Listener) -> None:
        """Tell a socket what happens to its owner's sessions, and to the server."""
        self._sockets.setdefault(owner_id, {})[id(socket)] = socket
        if owner_id not in self._unsubscribe:
            self._unsubscribe[owner_id] = self._bus.subscribe(
                owner_id, lambda event: self._receive(owner_id, event)
            )

    def detach(self, owner_id: str, socket: Listener) -> None:
        """Stop telling a socket; its feeds must have left before."""
        sockets = self._sockets.get(owner_id, {})
        sockets.pop(id(socket), None)
        if not sockets:
            self._sockets.pop(owner_id, None)
            self._unsubscribe.pop(owner_id, lambda: None)()

    def join(self, owner_id: str, session_id: str, feed: Listener) -> None:
        """Tell a feed what happens inside a session."""
        self._feeds.setdefault((owner_id, session_id), {})[id(feed)] = feed

    def leave(self, owner_id: str, session_id: str, feed: Listener) -> None:
        """Stop telling a feed. Leaving twice is fine."""
        feeds = self._feeds.get((owner_id, session_id), {})
        feeds.pop(id(feed), None)
        if not feeds:
            self._feeds.pop((owner_id, session_id), None)

    def broadcast(self, event: ServerStatus | ServerDraining) -> None:
        """Tell every socket of every owner."""
        for sockets in tuple(self._sockets.values()):
            _deliver(sockets, event)

    def _receive(self, owner_id: str, event: Event) -> None:
        match event:
            case MessageReceived() | MessageDelta() | TurnStarted() | TurnEnded():
                _deliver(self._feeds.get((owner_id, event.session_id), {}), event)
            case _:
                _deliver(self._sockets.get(owner_id, {}), event)


def _deliver(listeners: dict[int, Listener], event: Event) -> None:
    frame: Frame | None = None
    for listener in tuple(listeners.values()):
        try:
            frame = frame or event_frame(event)
            listener.receive(event, frame)
        except Exception:
            # The publisher has committed and must go on; the log heals what a listener missed.
            log.exception("event not delivered", event_type=event.type)
