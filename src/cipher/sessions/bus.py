"""The bus: how a commit in one place becomes news in all others.

Owns delivery of events from whoever made them true to every socket of their owner. Publishing never
blocks and never fails; a subscriber that can not keep up bounds its own queue. An event is a hint
about the log: a subscriber that misses one reads the gap from the database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from cipher.events import Event

Receive = Callable[[Event], None]

logger = structlog.get_logger(__name__)


class Bus(Protocol):
    """Publish and subscribe, by owner."""

    def publish(self, owner_id: str, event: Event) -> None:
        """Hand an event to each subscriber of its owner. Call it after the commit, never before."""

    def subscribe(self, owner_id: str, receive: Receive) -> Callable[[], None]:
        """Call `receive` with each event of an owner, in order; returns how to stop it.

        `receive` must return at once. If it raises, it alone has missed the event.
        """


class LocalBus:
    """The bus of a single process: subscribers are called right where the event was published."""

    def __init__(self) -> None:
        self._receivers: dict[str, dict[int, Receive]] = {}
        self._next_key = 0

    def publish(self, owner_id: str, event: Event) -> None:
        for receive in tuple(self._receivers.get(owner_id, {}).values()):
            try:
                receive(event)
            except Exception:
                # The publisher has committed, and owes the next steps to whoever it told so.
                logger.exception("event not received", event_type=event.type)

    def subscribe(self, owner_id: str, receive: Receive) -> Callable[[], None]:
        self._next_key += 1
        key = self._next_key
        self._receivers.setdefault(owner_id, {})[key] = receive

        def unsubscribe() -> None:
            receivers = self._receivers.get(owner_id, {})
            receivers.pop(key, None)
            if not receivers:
                self._receivers.pop(owner_id, None)

        return unsubscribe
