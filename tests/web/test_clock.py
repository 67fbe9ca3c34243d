"""The machine's clock moves by two days, in either direction, while a server runs.

Numbers order a conversation and durations are measured with a clock that nobody moves, so that a
wrong wall clock makes wrong dates and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cipher import model
from cipher.config import Settings
from cipher.model import LOCAL_OWNER, NewMessage, new_id, text_parts, utc_now
from cipher.sessions import manager
from cipher.storage.base import Lease, OpenTurn
from cipher.storage.sqlite import SqliteDatabase
from cipher.testing import ScriptedModel
from tests.web.running import Server, Start

pytestmark = pytest.mark.backend

BOTH_WAYS = pytest.mark.parametrize("days", [2, -2], ids=["forward", "backward"])


class WallClock:
    """What `cipher.model` takes for the time module; only the time of day moves."""

    def __init__(self) -> None:
        self.moved = timedelta(0)

    def time_ns(self) -> int:
        return time.time_ns() + int(self.moved.total_seconds()) * 10**9


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    clock = WallClock()
    monkeypatch.setattr(model, "time", clock)
    return clock


async def listed(server: Server, **query: Any) -> list[dict[str, Any]]:
    """All sessions of a list, page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        params = {**query, "limit": 1, **({} if cursor is None else {"cursor": cursor})}
        page = await server.call("GET", "/api/sessions", params=params)
        found += page["sessions"]
        cursor = page.get("nextCursor")
        if cursor is None:
            return found


async def contents(server: Server, session: str) -> list[tuple[str, str | None]]:
    shown = (await server.call("GET", f"/api/sessions/{session}/history"))["history"]
    assert [one["seq"] for one in shown] == list(range(1, len(shown) + 1))
    return [(one["content"], one.get("status")) for one in shown]


@BOTH_WAYS
async def test_an_answer_ends_and_lists_stay_complete_when_the_clock_moves(
    start: Start, clock: WallClock, days: int
) -> None:
    gate = asyncio.Event()
    server = await start(ScriptedModel("Half ", gate, "whole.").then("Hello."))
    for name in ("a", "b", "c"):
        await server.create(name)
    client = await server.v1()
    await client.subscribe("a")
    await client.subscribe("b")
    await server.say("a", "before")
    await client.until("message:delta", sessionId="a")
    clock.moved = timedelta(days=days)
    before = {one["id"]: one["lastActivity"] for one in await listed(server)}
    await server.create("d")
    sent = await server.say("b", "after", clientMsgId="mine")
    again = await server.say("b", "after", clientMsgId="mine")
    assert (again["messageId"], again["duplicate"]) == (sent["messageId"], True)
    await client.until("turn:ended", sessionId="b", status="complete")
    gate.set()
    await client.until("turn:ended", sessionId="a", status="complete")
    assert await contents(server, "a") == [("before", None), ("Half whole.", "complete")]
    assert await contents(server, "b") == [("after", None), ("Hello.", "complete")]
    sessions = await listed(server)
    assert sorted(one["id"] for one in sessions) == ["a", "b", "c", "d"]
    activity = [one["lastActivity"] for one in sessions]
    assert activity == sorted(activity, reverse=True)
    assert all(one["lastActivity"] >= before.get(one["id"], "") for one in sessions)


@BOTH_WAYS
async def test_a_page_of_sessions_goes_on_where_it_ended_when_the_clock_moves(
    start: Start, clock: WallClock, days: int
) -> None:
    server = await start()
    for number in range(4):
        await server.create(f"s{number}")
    page = await server.call("GET", "/api/sessions", params={"limit": 2})
    clock.moved = timedelta(days=days)
    rest = await server.call("GET", "/api/sessions", params={"cursor": page["nextCursor"]})
    found = [one["id"] for one in page["sessions"] + rest["sessions"]]
    assert sorted(found) == ["s0", "s1", "s2", "s3"]


@BOTH_WAYS
async def test_a_client_that_comes_back_is_given_what_it_missed_when_the_clock_moves(
    start: Start, clock: WallClock, days: int
) -> None:
    server = await start()
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    await server.say("s", "One")
    await client.until("turn:ended")
    cursor = (await server.call("GET", "/api/sessions/s/history"))["cursor"]
    clock.moved = timedelta(days=days)
    await server.say("s", "Two")
    await client.until("turn:ended")
    back = await server.v1({"sessionId": "s", **cursor})
    frames = await back.all_until("sync:caught_up")
    assert frames[0]["payload"]["recovered"] is True
    received = [frame for frame in frames if frame["type"] == "message:received"]
    assert [(frame["seq"], frame["payload"]["content"]) for frame in received] == [
        (3, "Two"),
        (4, "Hello there."),
    ]


@BOTH_WAYS
async def test_an_answer_whose_server_died_under_another_clock_is_ended_at_the_start(
    start: Start, clock: WallClock, tmp_path: Path, days: int
) -> None:
    clock.moved = timedelta(days=days)
    database = SqliteDatabase(tmp_path / Settings(_env_file=None).database_file.name)
    await database.open()
    await database.create_session(LOCAL_OWNER, "s", at=utc_now())
    question = NewMessage(
        id=new_id(), role="user", parts=text_parts("Hi"), timestamp=utc_now(), client_msg_id="mine"
    )
    lease = Lease(owner="dead", until=utc_now() + timedelta(seconds=15))
    await database.append(LOCAL_OWNER, "s", question, turn=OpenTurn(turn_id="t", lease=lease))
    await database.close()
    clock.moved = timedelta(0)
    server = await start()
    client = await server.v1()
    await client.subscribe("s")
    assert (await contents(server, "s"))[0] == ("Hi", None)
    async with asyncio.timeout(20):
        while len(await contents(server, "s")) < 2:
            await client.until("turn:ended")
    assert (await contents(server, "s"))[1] == ("", "interrupted")


@pytest.mark.parametrize("action", ["archive", "delete"])
async def test_what_expires_because_the_clock_moved_forward_can_be_had_back(
    start: Start, clock: WallClock, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setattr(manager, "_SWEEP_SECONDS", 0.05)
    gate = asyncio.Event()
    server = await start(
        ScriptedModel("Hello.").then("Half ", gate, "whole."), session_ttl_action=action
    )
    client = await server.v1()
    for name in ("idle", "busy", "trashed"):
        await server.create(name)
    await client.subscribe("idle")
    await client.subscribe("busy")
    await server.say("idle", "Hi")
    await client.until("turn:ended", sessionId="idle")
    await server.say("busy", "Hi")
    await client.until("message:delta", sessionId="busy")
    await server.call("DELETE", "/api/sessions/trashed")
    clock.moved = timedelta(days=2)
    gone = "session:deleted" if action == "delete" else "session:updated"
    fields = {"sessionId": "idle"} if action == "delete" else {}
    await client.until(gone, **fields)
    state = "trash" if action == "delete" else "archived"
    async with asyncio.timeout(10):
        while "idle" not in {one["id"] for one in await listed(server, state=state)}:
            await client.until(gone)
    # What has an answer running stays, and nothing leaves the trash before its thirty days.
    assert "busy" in {one["id"] for one in await listed(server)}
    clock.moved = timedelta(0)
    await server.call("POST", "/api/sessions/trashed/restore")
    gate.set()
    await client.until("turn:ended", sessionId="busy", status="complete")
    if action == "delete":
        await server.call("POST", "/api/sessions/idle/restore")
    assert await contents(server, "idle") == [("Hi", None), ("Hello.", "complete")]
