"""The bus: who hears what, and that nobody can keep the publisher from going on."""

from __future__ import annotations

from cipher.events import Event, SessionDeleted
from cipher.sessions.bus import LocalBus

NEWS = SessionDeleted(session_id="s")


def test_only_subscribers_of_the_owner_hear_an_event_until_they_leave() -> None:
    bus = LocalBus()
    hers: list[Event] = []
    his: list[Event] = []
    leave = bus.subscribe("ada", hers.append)
    bus.subscribe("bob", his.append)
    bus.publish("ada", NEWS)
    leave()
    leave()
    bus.publish("ada", NEWS)
    assert (hers, his) == ([NEWS], [])


def test_a_receiver_that_raises_keeps_the_event_from_nobody() -> None:
    bus = LocalBus()
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError(event.type)

    bus.subscribe("ada", broken)
    bus.subscribe("ada", heard.append)
    bus.publish("ada", NEWS)
    assert heard == [NEWS]
