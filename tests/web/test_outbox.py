"""The outbox: what is merged, what is refused, what is taken back, and when it is too slow."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest

from cipher.events import DeltaKind, MessageDelta
from cipher.web.edge.metrics import Metrics
from cipher.web.socket.frames import Frame, delta_frame, reply
from cipher.web.socket.outbox import Outbox, TooSlow
from tests.web.running import limits


class Line:
    """A socket that takes frames only when the test says so."""

    def __init__(self, **bounds: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.outbox = Outbox(self._send, limits(**bounds), Metrics())

    async def _send(self, text: str) -> None:
        await self.open.wait()
        self.sent.append(json.loads(text))

    async def flush(self) -> list[dict[str, Any]]:
        """Let everything go; what was sent."""
        self.open.set()
        self.outbox.finish()
        await self.outbox.write()
        return self.sent


def delta(
    off: int,
    text: str,
    *,
    session: str = "s",
    attempt: int = 1,
    kind: DeltaKind = "text",
    snapshot: bool = False,
) -> Frame:
    return delta_frame(
        MessageDelta(
            session_id=session,
            turn_id=f"turn-of-{session}",
            attempt=attempt,
            off=off,
            text=text,
            kind=kind,
            snapshot=snapshot,
        )
    )


def news(session: str, number: int) -> Frame:
    return reply("session:updated", {"sessionId": session, "n": number}, session_id=session)


def texts(frames: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(f["payload"]["off"], f["payload"]["text"]) for f in frames if "off" in f["payload"]]


async def test_deltas_that_continue_each_other_are_merged() -> None:
    line = Line()
    for off, text in [(0, "Hel"), (3, "lo 👋"), (8, "!")]:
        assert line.outbox.offer(delta(off, text))
    assert texts(await line.flush()) == [(0, "Hello 👋!")]


async def test_a_snapshot_takes_in_what_follows_it() -> None:
    line = Line()
    line.outbox.put(delta(0, "Hello", snapshot=True))
    line.outbox.offer(delta(5, "!"))
    sent = await line.flush()
    assert (texts(sent), sent[0]["payload"]["snapshot"]) == ([(0, "Hello!")], True)


@pytest.mark.parametrize(
    "other",
    [
        delta(5, "x"),
        delta(0, "x", snapshot=True),
        delta(3, "x", attempt=2),
        delta(3, "x", kind="reasoning"),
        delta(3, "x", session="t"),
    ],
)
async def test_what_does_not_continue_is_a_frame_of_its_own(other: Frame) -> None:
    line = Line()
    line.outbox.offer(delta(0, "abc"))
    line.outbox.offer(other)
    assert len(await line.flush()) == 2


async def test_deltas_of_sessions_side_by_side_are_merged_each_with_its_own() -> None:
    line = Line()
    for off in range(3):
        line.outbox.offer(delta(off, "a", session="a"))
        line.outbox.offer(delta(off, "b", session="b"))
    assert texts(await line.flush()) == [(0, "aaa"), (0, "bbb")]


async def test_a_delta_never_overtakes_a_message_of_its_session() -> None:
    line = Line()
    line.outbox.offer(delta(0, "a"))
    line.outbox.offer(reply("message:received", {}, session_id="s"))
    line.outbox.offer(delta(1, "b"))
    assert [frame["type"] for frame in await line.flush()] == [
        "message:delta",
        "message:received",
        "message:delta",
    ]


async def test_only_the_latest_news_of_a_session_is_sent() -> None:
    line = Line()
    for number in range(1000):
        line.outbox.put(news("s", number))
        line.outbox.put(news("t", number))
    sent = await line.flush()
    assert [frame["payload"]["n"] for frame in sent] == [999, 999]


async def test_live_frames_beyond_the_bounds_are_refused_and_others_not() -> None:
    line = Line(queue_frames=4)
    taken = [line.outbox.offer(reply("turn:started", {}, session_id=f"s{n}")) for n in range(8)]
    assert taken == [True] * 5 + [False] * 3
    line.outbox.put(reply("message:ack", {}))
    assert len(await line.flush()) == 6


async def test_a_large_frame_alone_is_not_too_much() -> None:
    line = Line(queue_bytes=1000)
    assert line.outbox.offer(reply("message:received", {"content": "x" * 5000}, session_id="s"))
    assert (await line.flush())[0]["type"] == "message:received"


async def test_merged_text_counts_towards_the_bounds() -> None:
    line = Line(queue_bytes=10_000)
    line.outbox.offer(delta(0, "x", session="other"))
    line.outbox.offer(delta(0, "x"))
    taken = 0
    while line.outbox.offer(delta(1 + 100 * taken, "x" * 100)):
        taken += 1
    assert 90 <= taken <= 100


async def test_what_waits_of_a_session_can_be_taken_back() -> None:
    line = Line()
    line.outbox.offer(delta(0, "a"))
    line.outbox.put(reply("message:received", {}, session_id="s"))
    line.outbox.put(reply("pong", {}))
    line.outbox.drop("s", deltas_only=True)
    line.outbox.drop("t", deltas_only=False)
    line.outbox.put(news("s", 1))
    line.outbox.drop("s", deltas_only=False)
    line.outbox.put(news("s", 2))
    assert [frame["type"] for frame in await line.flush()] == ["pong", "session:updated"]


async def test_replays_wait_for_room() -> None:
    line = Line(queue_frames=4)
    writer = asyncio.create_task(line.outbox.write())
    replayed = asyncio.create_task(replay(line, 50))
    await asyncio.wait({replayed}, timeout=0.05)
    assert not replayed.done()
    line.open.set()
    await asyncio.wait_for(replayed, 10)
    line.outbox.finish()
    await asyncio.wait_for(writer, 10)
    assert len(line.sent) == 50


async def replay(line: Line, count: int) -> None:
    for _ in range(count):
        await line.outbox.room()
        line.outbox.put(reply("message:received", {}, session_id="s"))


async def test_a_frame_that_can_not_be_written_in_time_is_too_slow() -> None:
    line = Line(blocked_seconds=0.02)
    line.outbox.put(reply("pong", {}))
    with pytest.raises(TooSlow):
        await line.outbox.write()


async def test_frames_that_must_arrive_are_bounded_too() -> None:
    line = Line(queue_frames=4)
    for _ in range(1000):
        line.outbox.put(reply("pong", {}))
    line.open.set()
    with pytest.raises(TooSlow):
        await line.outbox.write()
    with suppress(TooSlow):
        await line.flush()
    assert line.sent == []
