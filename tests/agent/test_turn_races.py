"""Turns that meet each other, a storage that fails, and people who change their mind in between.

Nothing looks for lost turns by itself here, so what a test sees happen was not mended afterwards.
"""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from cipher.agent import agent as agent_module
from cipher.errors import SessionNotFound, StorageError
from cipher.events import (
    Event,
    MessageDelta,
    SessionCreated,
    SessionDeleted,
    SessionUpdated,
    TurnEnded,
    TurnStarted,
)
from cipher.model import SessionPatch, Turn
from cipher.storage.base import Lease, OpenTurn
from cipher.testing import ScriptedModel
from tests.agent.conftest import OWNER, Cipher, Start
from tests.storage.disk import Disk
from tests.storage.samples import at, said


@pytest.fixture(autouse=True)
def nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "_WATCH_SECONDS", 3_600)


async def sent(cipher: Cipher, text: str, *, session: str = "s") -> Turn:
    """The turn of a message that was sent."""
    turn = (await cipher.agent.send(OWNER, session, text)).turn
    assert turn is not None
    return turn


def hold_after_the_first_end(cipher: Cipher, disk: Disk) -> None:
    """Hold up what is written next after the first turn ended: the start of the one behind it."""

    def hold(event: Event) -> None:
        if isinstance(event, TurnEnded) and len(cipher.ears.of(TurnEnded)) == 1:
            disk.hold_syncs()

    cipher.bus.subscribe(OWNER, hold)


async def test_a_turn_that_is_cancelled_while_it_starts_ends_once_and_holds_nobody_up(
    start: Start, disk: Disk
) -> None:
    gate = asyncio.Event()
    cipher = await start(ScriptedModel("A1", gate).then("more"))
    await cipher.agent.create_session(OWNER, "s")
    await sent(cipher, "Q1")
    second = await sent(cipher, "Q2")
    await sent(cipher, "Q3")
    hold_after_the_first_end(cipher, disk)
    gate.set()
    await cipher.ended()
    async with disk.held_sync():
        cancelling = asyncio.create_task(cipher.agent.cancel(OWNER, "s", second.id))
        session = cipher.agent.sessions.held("s")
        assert session is not None
        while any(waiting.id == second.id for waiting in session.waiting):
            await cipher.agent.session_history(OWNER, "s")
    await cancelling
    await cipher.ended(3)
    ended = [(event.turn_id == second.id, event.status) for event in cipher.ears.of(TurnEnded)]
    assert sorted(ended) == [(False, "complete"), (False, "complete"), (True, "cancelled")]
    await cipher.ears.until(SessionUpdated, 6)
    assert cipher.ears.of(SessionUpdated)[-1].running is False


async def test_two_who_cancel_a_waiting_turn_end_it_once(start: Start) -> None:
    cipher = await start(ScriptedModel("A1", asyncio.Event()))
    await cipher.agent.create_session(OWNER, "s")
    await sent(cipher, "Q1")
    second = await sent(cipher, "Q2")
    await asyncio.gather(*(cipher.agent.cancel(OWNER, "s", second.id) for _ in range(3)))
    assert [event.turn_id for event in cipher.ears.of(TurnEnded)] == [second.id]
    assert len(cipher.ears.answers()) == 1


async def test_a_retry_runs_while_the_attempt_that_another_ended_still_streams(
    start: Start,
) -> None:
    gate = asyncio.Event()
    loser = await start(ScriptedModel("mine", gate).then("again"))
    await loser.agent.create_session(OWNER, "s")
    turn = await sent(loser, "Q1")
    await loser.ears.until(MessageDelta)
    winner = await start(ScriptedModel("never asked"))
    await winner.agent.close()
    await loser.agent.retry(OWNER, "s", turn.id)
    gate.set()
    assert (await loser.ended()).attempt == 2
    log = [(m.content, m.attempt, m.status) for m in await loser.log("s")][1:]
    assert [(attempt, status) for _, attempt, status in log] == [
        (1, "interrupted"),
        (2, "complete"),
    ]
    assert log[1][0] == "again"


async def test_closing_stops_a_turn_that_starts_just_then(start: Start, disk: Disk) -> None:
    gate = asyncio.Event()
    cipher = await start(ScriptedModel("A1", gate).then("A2", asyncio.Event()))
    await cipher.agent.create_session(OWNER, "s")
    await sent(cipher, "Q1")
    await sent(cipher, "Q2")
    hold_after_the_first_end(cipher, disk)
    gate.set()
    await cipher.ended()
    async with disk.held_sync():
        closing = asyncio.create_task(cipher.agent.close(drain=timedelta(0)))
        await asyncio.sleep(0)
        await cipher.agent.session_history(OWNER, "s")
    async with asyncio.timeout(10):
        await closing
    assert (await cipher.ended(2)).status == "interrupted"
    assert await cipher.storage.database.unfinished_turns() == ()


async def test_an_answer_outlasts_a_storage_that_is_away(start: Start, disk: Disk) -> None:
    gate = asyncio.Event()
    cipher = await start(ScriptedModel("kept ", gate, "whole").then("next"))
    await cipher.agent.create_session(OWNER, "s")
    await sent(cipher, "Q1")
    await cipher.ears.until(MessageDelta)
    disk.broken = True
    gate.set()
    await cipher.ears.until(MessageDelta, 2)
    with pytest.raises(StorageError):
        await cipher.agent.send(OWNER, "s", "refused")
    assert cipher.agent.is_running("s")
    disk.broken = False
    await cipher.ended()
    await sent(cipher, "Q2")
    await cipher.ended(2)
    log = [(m.content, m.status) for m in await cipher.log("s")]
    assert log == [("Q1", None), ("kept whole", "complete"), ("Q2", None), ("next", "complete")]


async def test_an_answer_that_can_not_be_kept_fails_and_the_next_one_runs(start: Start) -> None:
    cipher = await start(ScriptedModel("half \ud800").then("fair"))
    await cipher.agent.create_session(OWNER, "s")
    await sent(cipher, "Q1")
    await sent(cipher, "Q2")
    await cipher.ended(2)
    said = [(m.content, m.status, m.error and m.error.code) for m in cipher.ears.answers()]
    assert said == [("", "failed", "internal"), ("fair", "complete", None)]


async def test_a_session_deleted_while_the_storage_fails_stops_all_the_same(
    start: Start, disk: Disk
) -> None:
    model = ScriptedModel("so far", asyncio.Event())
    cipher = await start(model)
    await cipher.agent.create_session(OWNER, "s")
    await sent(cipher, "Q1")
    await sent(cipher, "Q2")
    await cipher.ears.until(MessageDelta)

    def break_it(event: Event) -> None:
        disk.broken = True

    stop_breaking = cipher.bus.subscribe(OWNER, break_it)
    with pytest.raises(StorageError):
        await cipher.agent.delete_session(OWNER, "s")
    stop_breaking()
    disk.broken = False
    await model.ended.reach(1)


async def test_what_waited_in_a_session_that_was_trashed_is_cancelled_at_the_next_start(
    start: Start,
) -> None:
    dead = await start(ScriptedModel("so far", asyncio.Event()))
    await dead.agent.create_session(OWNER, "s")
    await sent(dead, "Q1")
    await sent(dead, "Q2")
    await dead.ears.until(MessageDelta)
    await dead.agent.sessions.remove(OWNER, "s")
    alive = await start(ScriptedModel("never asked"))
    await alive.ended(2)
    assert [m.status for m in alive.ears.answers()] == ["interrupted", "cancelled"]
    assert await alive.storage.database.unfinished_turns() == ()
    assert alive.ears.of(TurnStarted) == []


async def test_a_turn_of_ours_that_nothing_runs_is_ended_once_its_lease_is_over(
    start: Start,
) -> None:
    cipher = await start(ScriptedModel("next"))
    await cipher.agent.create_session(OWNER, "s")
    ours = Lease(owner=cipher.agent._turns.worker_id, until=at(0))
    await cipher.storage.database.append(
        OWNER, "s", said("Q1"), turn=OpenTurn(turn_id="lost", lease=ours)
    )
    await sent(cipher, "Q2")
    await cipher.agent._recover()
    await cipher.ended(2)
    assert [(m.content, m.status) for m in cipher.ears.answers()] == [
        ("", "interrupted"),
        ("next", "complete"),
    ]


async def test_a_damaged_session_keeps_no_other_from_being_taken_up_again(
    start: Start, tmp_path: Path
) -> None:
    dead = await start(ScriptedModel("so far", asyncio.Event()))
    for name in ("damaged", "whole"):
        await dead.agent.create_session(OWNER, name)
        await sent(dead, "Hi", session=name)
    await dead.ears.until(MessageDelta, 2)
    damage = apsw.Connection(str(tmp_path / "sessions.db"))
    damage.execute("UPDATE sessions SET metadata = 'x' WHERE id = 'damaged'")
    damage.close()
    alive = await start(ScriptedModel("next"))
    assert [event.session_id for event in alive.ears.of(TurnEnded)] == ["whole"]


async def test_a_caller_that_goes_away_has_still_made_named_and_restored_a_session(
    start: Start,
) -> None:
    cipher = await start(ScriptedModel("ok"))
    agent = cipher.agent
    for work in (
        agent.create_session(OWNER, "s"),
        agent.update_session(OWNER, "s", SessionPatch(title="Named")),
        agent.delete_session(OWNER, "s"),
        agent.restore_session(OWNER, "s"),
    ):
        caller = asyncio.create_task(work)
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait({caller})
    await cipher.ears.until(SessionCreated, 2)
    kinds = [type(event) for event in cipher.ears.events]
    assert kinds == [SessionCreated, SessionUpdated, SessionDeleted, SessionCreated]


async def test_a_turn_that_the_storage_did_not_let_end_waits_on(start: Start, disk: Disk) -> None:
    gate = asyncio.Event()
    cipher = await start(ScriptedModel("A1", gate).then("A2"))
    await cipher.agent.create_session(OWNER, "s")
    await sent(cipher, "Q1")
    second = await sent(cipher, "Q2")
    disk.broken = True
    with pytest.raises(StorageError):
        await cipher.agent.cancel(OWNER, "s", second.id)
    disk.broken = False
    gate.set()
    await cipher.ended(2)
    assert [message.content for message in cipher.ears.answers()] == ["A1", "A2"]


async def test_nobody_complains_of_a_failure_whose_caller_has_gone(start: Start) -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
    cipher = await start(ScriptedModel("ok"))
    caller = asyncio.create_task(cipher.agent.send(OWNER, "nothing", "Hi"))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(SessionNotFound):
        await cipher.agent.send(OWNER, "nothing", "Hi")
    del caller
    gc.collect()
    assert complaints == []
