"""The life of a turn, from the message to its one terminal answer, over a real database."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from cipher.agent.llm import ReasoningDelta
from cipher.errors import (
    Draining,
    IdempotencyConflict,
    ModelRejected,
    ModelUnavailable,
    SessionBusy,
    SessionNotFound,
    TurnNotFound,
)
from cipher.events import (
    MessageDelta,
    MessageReceived,
    SessionDeleted,
    SessionUpdated,
    TurnEnded,
    TurnStarted,
)
from cipher.model import ReasoningPart, SessionPatch, Usage, conversation_order
from cipher.testing import ScriptedModel
from tests.agent.conftest import OWNER, Cipher, Start


async def chat(cipher: Cipher, *texts: str, session: str = "s") -> None:
    """Send texts to a new session, each after the answer to the one before."""
    await cipher.agent.create_session(OWNER, session)
    for count, text in enumerate(texts, start=1):
        await cipher.agent.send(OWNER, session, text)
        await cipher.ended(count)


async def checkpointed(cipher: Cipher) -> None:
    """Wait until the oldest unfinished turn has kept some of its text."""
    async with asyncio.timeout(10):
        while True:  # a read of the database is what yields to the loop here
            unfinished = await cipher.storage.database.unfinished_turns()
            if unfinished[0].turn.partial:
                return


async def test_an_answer_streams_then_is_stored_then_announced(start: Start) -> None:
    cipher = await start(ScriptedModel("Hel", "lo ", "there", Usage(input_tokens=5)))
    await chat(cipher, "Hi")
    user, answer = await cipher.log("s")
    assert (user.content, user.role, user.seq, user.parent_seq) == ("Hi", "user", 1, 0)
    assert (answer.content, answer.status, answer.seq, answer.parent_seq) == (
        "Hello there",
        "complete",
        2,
        1,
    )
    assert answer.turn_id == user.turn_id
    assert answer.usage == Usage(input_tokens=5)
    deltas = cipher.ears.of(MessageDelta)
    assert [(delta.off, delta.text) for delta in deltas] == [(0, "Hel"), (3, "lo "), (6, "there")]
    order = [type(e) for e in cipher.ears.events if not isinstance(e, SessionUpdated)]
    assert order[1:] == [
        MessageReceived,
        TurnStarted,
        *[MessageDelta] * 3,
        MessageReceived,
        TurnEnded,
    ]


async def test_the_panel_hears_that_a_session_runs_and_that_it_stopped(start: Start) -> None:
    cipher = await start(ScriptedModel("ok"))
    await chat(cipher, "Hi")
    last = await cipher.ears.until(SessionUpdated, 2)
    assert [event.running for event in cipher.ears.of(SessionUpdated)] == [True, False]
    assert (last.session.title, last.session.message_count) == ("Hi", 2)


async def test_the_model_gets_the_branch_in_reading_order(start: Start) -> None:
    model = ScriptedModel("one").then("two")
    cipher = await start(model)
    await chat(cipher, "first", "second")
    assert [m.content for m in model.asked[1].history] == ["first", "one", "second"]
    assert model.asked[1].system_prompt == "Be brief."


async def test_reasoning_is_kept_apart(start: Start) -> None:
    cipher = await start(ScriptedModel(ReasoningDelta("hmm"), "Yes"))
    await chat(cipher, "Really?")
    answer = (await cipher.log("s"))[-1]
    assert answer.content == "Yes"
    assert answer.parts[0] == ReasoningPart(text="hmm")


async def test_messages_sent_while_an_answer_runs_wait_their_turn(start: Start) -> None:
    gate = asyncio.Event()
    model = ScriptedModel("A", gate, "1").then("A2").then("A3")
    cipher = await start(model)
    await cipher.agent.create_session(OWNER, "s")
    await cipher.agent.send(OWNER, "s", "Q1")
    await cipher.ears.until(MessageDelta)
    await cipher.agent.send(OWNER, "s", "Q2")
    await cipher.agent.send(OWNER, "s", "Q3")
    assert len(model.asked) == 1
    gate.set()
    await cipher.ended(3)
    page = await cipher.agent.session_history(OWNER, "s")
    assert [m.content for m in page.messages] == ["Q1", "Q2", "Q3", "A1", "A2", "A3"]
    read = [m.content for m in conversation_order(page.messages)]
    assert read == ["Q1", "A1", "Q2", "A2", "Q3", "A3"]
    assert [m.content for m in model.asked[1].history] == ["Q1", "A1", "Q2"]
    assert [m.content for m in model.asked[2].history] == ["Q1", "A1", "Q2", "A2", "Q3"]


async def test_sessions_answer_side_by_side(start: Start) -> None:
    gate = asyncio.Event()
    cipher = await start(ScriptedModel("slow", gate, "er").then("fast"))
    for name in ("slow", "fast"):
        await cipher.agent.create_session(OWNER, name)
        await cipher.agent.send(OWNER, name, "go")
        await cipher.ears.until(MessageDelta)  # the first answer is now the slow one's
    ended = await cipher.ended()
    assert ended.session_id == "fast"
    gate.set()
    assert (await cipher.ended(2)).session_id == "slow"


async def test_sending_the_same_key_again_adds_nothing(start: Start) -> None:
    model = ScriptedModel("ok")
    cipher = await start(model)
    await cipher.agent.create_session(OWNER, "s")
    first = await cipher.agent.send(OWNER, "s", "Hi", client_msg_id="k1")
    await cipher.ended()
    again = await cipher.agent.send(OWNER, "s", "Hi", client_msg_id="k1")
    assert again.duplicate
    assert not first.duplicate
    assert (again.message, again.turn and again.turn.id) == (
        first.message,
        first.turn and first.turn.id,
    )
    with pytest.raises(IdempotencyConflict):
        await cipher.agent.send(OWNER, "s", "Something else", client_msg_id="k1")
    assert len(await cipher.log("s")) == 2
    assert len(model.asked) == 1


async def test_a_busy_session_refuses_if_asked_to(start: Start) -> None:
    gate = asyncio.Event()
    cipher = await start(ScriptedModel(gate, "ok"))
    await cipher.agent.create_session(OWNER, "s")
    await cipher.agent.send(OWNER, "s", "Hi")
    with pytest.raises(SessionBusy):
        await cipher.agent.send(OWNER, "s", "now?", when_busy="reject")
    gate.set()
    await cipher.ended()
    assert [m.content for m in await cipher.log("s")] == ["Hi", "ok"]


async def test_interrupting_stops_the_running_answer_first(start: Start) -> None:
    cipher = await start(ScriptedModel("long", asyncio.Event()).then("new"))
    await cipher.agent.create_session(OWNER, "s")
    await cipher.agent.send(OWNER, "s", "Q1")
    await cipher.ears.until(MessageDelta)
    await cipher.agent.send(OWNER, "s", "Q2", when_busy="interrupt")
    await cipher.ended(2)
    said = [(m.content, m.status) for m in await cipher.log("s")]
    assert said == [("Q1", None), ("long", "cancelled"), ("Q2", None), ("new", "complete")]


async def test_a_cancelled_answer_keeps_what_it_said(start: Start) -> None:
    model = ScriptedModel("as far as", asyncio.Event())
    cipher = await start(model)
    await cipher.agent.create_session(OWNER, "s")
    turn = (await cipher.agent.send(OWNER, "s", "Hi")).turn
    assert turn is not None
    await cipher.ears.until(MessageDelta)
    await cipher.agent.cancel(OWNER, "s", turn.id)
    await cipher.agent.cancel(OWNER, "s", turn.id)
    answer = (await cipher.log("s"))[-1]
    assert (answer.content, answer.status) == ("as far as", "cancelled")
    assert len(cipher.ears.of(TurnEnded)) == 1
    assert model.ended.count == model.begun.count == 1


async def test_a_waiting_turn_can_be_cancelled_and_never_runs(start: Start) -> None:
    gate = asyncio.Event()
    model = ScriptedModel(gate, "one").then("three")
    cipher = await start(model)
    await cipher.agent.create_session(OWNER, "s")
    await cipher.agent.send(OWNER, "s", "Q1")
    waiting = (await cipher.agent.send(OWNER, "s", "Q2")).turn
    await cipher.agent.send(OWNER, "s", "Q3")
    assert waiting is not None
    assert waiting.status == "queued"
    await cipher.agent.cancel(OWNER, "s", waiting.id)
    gate.set()
    await cipher.ended(3)
    assert [(m.content, m.status) for m in cipher.ears.answers()] == [
        ("", "cancelled"),
        ("one", "complete"),
        ("three", "complete"),
    ]
    assert [asked.last for asked in model.asked] == ["Q1", "Q3"]


async def test_cancelling_what_is_not_there_says_so(start: Start) -> None:
    cipher = await start(ScriptedModel("ok"))
    await cipher.agent.create_session(OWNER, "s")
    with pytest.raises(TurnNotFound):
        await cipher.agent.cancel(OWNER, "s", "nothing")
    with pytest.raises(SessionNotFound):
        await cipher.agent.cancel(OWNER, "nothing", "nothing")


@pytest.mark.parametrize("error", [ModelUnavailable(), ModelRejected("The key is not accepted.")])
async def test_a_model_that_fails_in_mid_answer_leaves_a_failed_answer(
    start: Start, error: ModelUnavailable | ModelRejected
) -> None:
    cipher = await start(ScriptedModel("half", error))
    await chat(cipher, "Hi")
    answer = (await cipher.log("s"))[-1]
    assert (answer.content, answer.status) == ("half", "failed")
    assert answer.error is not None
    assert (answer.error.code, answer.error.message) == (error.code, error.message)
    ended = cipher.ears.of(TurnEnded)[0]
    assert (ended.status, ended.reason, ended.message) == ("failed", error.code, error.message)


async def test_retry_answers_again_beside_the_failed_answer(start: Start) -> None:
    model = ScriptedModel("half", ModelUnavailable()).then("whole")
    cipher = await start(model)
    await chat(cipher, "Hi")
    turn_id = cipher.ears.of(TurnEnded)[0].turn_id
    appended = await cipher.agent.retry(OWNER, "s", turn_id)
    assert appended.turn is not None
    assert appended.turn.attempt == 2
    await cipher.ended(2)
    page = await cipher.agent.session_history(OWNER, "s")
    assert [(m.content, m.attempt) for m in page.messages] == [("Hi", None), ("whole", 2)]
    assert [m.content for m in await cipher.log("s")] == ["Hi", "half", "whole"]
    assert [m.content for m in model.asked[1].history] == ["Hi"]


async def test_retrying_twice_at_once_makes_one_attempt(start: Start) -> None:
    model = ScriptedModel(ModelUnavailable()).then("whole")
    cipher = await start(model)
    await chat(cipher, "Hi")
    turn_id = cipher.ears.of(TurnEnded)[0].turn_id
    both = await asyncio.gather(*(cipher.agent.retry(OWNER, "s", turn_id) for _ in range(2)))
    assert sorted(appended.duplicate for appended in both) == [False, True]
    await cipher.ended(2)
    assert len(model.asked) == 2


async def test_a_caller_that_goes_away_has_still_sent(start: Start) -> None:
    cipher = await start(ScriptedModel("answered anyway"))
    await cipher.agent.create_session(OWNER, "s")
    caller = asyncio.create_task(cipher.agent.send(OWNER, "s", "Hi"))
    await asyncio.sleep(0)
    caller.cancel()
    await cipher.ended()
    assert [m.content for m in await cipher.log("s")] == ["Hi", "answered anyway"]


async def test_a_turn_survives_the_eviction_of_other_sessions(start: Start) -> None:
    gate = asyncio.Event()
    cipher = await start(ScriptedModel("first", gate, " last"))
    await cipher.agent.create_session(OWNER, "running")
    await cipher.agent.send(OWNER, "running", "Hi")
    await cipher.ears.until(MessageDelta)
    for name in ("a", "b", "c", "d"):
        await cipher.agent.create_session(OWNER, name)
        await cipher.agent.load_session(OWNER, name)
    live = cipher.agent.live_turn("running")
    assert live is not None
    assert live.text == "first"
    gate.set()
    await cipher.ended()
    assert (await cipher.log("running"))[-1].content == "first last"


async def test_more_sessions_than_memory_may_hold_run_and_can_be_stopped(start: Start) -> None:
    cipher = await start(ScriptedModel("so far", asyncio.Event()))
    opened: dict[str, str] = {}
    for name in ("a", "b", "c", "d"):
        await cipher.agent.create_session(OWNER, name)
        turn = (await cipher.agent.send(OWNER, name, "Hi")).turn
        assert turn is not None
        opened[name] = turn.id
    await cipher.ears.until(MessageDelta, 4)
    for name, turn_id in opened.items():
        live = cipher.agent.live_turn(name)
        assert live is not None
        assert live.text == "so far"
        await cipher.agent.cancel(OWNER, name, turn_id)
    said = [(message.content, message.status) for message in cipher.ears.answers()]
    assert said == [("so far", "cancelled")] * 4


async def test_deleting_a_session_stops_its_turns_and_keeps_their_text_in_the_trash(
    start: Start,
) -> None:
    cipher = await start(ScriptedModel("so far", asyncio.Event()))
    await cipher.agent.create_session(OWNER, "s")
    await cipher.agent.load_session(OWNER, "s")
    await cipher.agent.send(OWNER, "s", "Q1")
    await cipher.agent.send(OWNER, "s", "Q2")
    await cipher.ears.until(MessageDelta)
    await cipher.agent.delete_session(OWNER, "s")
    assert cipher.agent.current_session(OWNER) is None
    assert not cipher.agent.is_running("s")
    (deleted,) = cipher.ears.of(SessionDeleted)
    since = cipher.ears.events[cipher.ears.events.index(deleted) :]
    assert not [event for event in since if isinstance(event, SessionUpdated)]
    with pytest.raises(SessionNotFound):
        await cipher.agent.send(OWNER, "s", "Q3")
    await cipher.agent.restore_session(OWNER, "s")
    said = {(m.content, m.status) for m in await cipher.log("s") if m.role == "assistant"}
    assert said == {("so far", "cancelled"), ("", "cancelled")}


async def test_purging_a_session_in_mid_answer_leaves_nothing(start: Start) -> None:
    cipher = await start(ScriptedModel("so far", asyncio.Event()))
    await cipher.agent.create_session(OWNER, "s")
    await cipher.agent.send(OWNER, "s", "Q1")
    await cipher.ears.until(MessageDelta)
    await cipher.agent.delete_session(OWNER, "s", purge=True)
    assert await cipher.storage.database.unfinished_turns() == ()
    with pytest.raises(SessionNotFound):
        await cipher.agent.restore_session(OWNER, "s")


async def test_the_current_session_is_each_owners_own(start: Start) -> None:
    cipher = await start(ScriptedModel("ok"))
    for owner, name in (("ada", "a"), ("bob", "b")):
        await cipher.agent.create_session(owner, name)
        await cipher.agent.load_session(owner, name)
    assert cipher.agent.current_session("ada") == "a"
    assert cipher.agent.current_session("bob") == "b"
    assert cipher.agent.current_session("eve") is None


async def test_an_answer_goes_under_its_question_when_the_person_went_elsewhere(
    start: Start,
) -> None:
    gate = asyncio.Event()
    cipher = await start(ScriptedModel("one").then(gate, "two"))
    await chat(cipher, "Q1")
    await cipher.agent.send(OWNER, "s", "Q2")
    await cipher.ears.until(TurnStarted, 2)
    await cipher.agent.update_session(OWNER, "s", SessionPatch(leaf_seq=2))
    gate.set()
    await cipher.ended(2)
    answer = (await cipher.log("s"))[-1]
    assert (answer.content, answer.parent_seq) == ("two", 3)
    page = await cipher.agent.session_history(OWNER, "s")
    assert [m.content for m in page.messages] == ["Q1", "one"]


async def test_closing_lets_a_running_answer_finish(start: Start) -> None:
    gate = asyncio.Event()
    cipher = await start(ScriptedModel("to ", gate, "the end"))
    await cipher.agent.create_session(OWNER, "s")
    await cipher.agent.send(OWNER, "s", "Hi")
    await cipher.ears.until(MessageDelta)
    closing = asyncio.create_task(cipher.agent.close(drain=timedelta(seconds=10)))
    await asyncio.sleep(0)
    with pytest.raises(Draining):
        await cipher.agent.send(OWNER, "s", "too late")
    gate.set()
    await closing
    assert [(m.content, m.status) for m in await cipher.log("s")][1:] == [
        ("to the end", "complete")
    ]


async def test_closing_interrupts_what_takes_too_long_and_leaves_the_queue(start: Start) -> None:
    cipher = await start(ScriptedModel("so far", asyncio.Event()))
    await cipher.agent.create_session(OWNER, "s")
    await cipher.agent.send(OWNER, "s", "Q1")
    await cipher.agent.send(OWNER, "s", "Q2")
    await cipher.ears.until(MessageDelta)
    await cipher.agent.close(drain=timedelta(0))
    assert [(m.content, m.status) for m in await cipher.log("s")][2:] == [("so far", "interrupted")]
    left = await cipher.storage.database.unfinished_turns()
    assert [owned.turn.status for owned in left] == ["queued"]


async def test_the_next_start_marks_what_ran_and_runs_what_waited(start: Start) -> None:
    dead = await start(ScriptedModel("x" * 3000, asyncio.Event()))
    await dead.agent.create_session(OWNER, "s")
    await dead.agent.send(OWNER, "s", "Q1")
    await dead.agent.send(OWNER, "s", "Q2")
    await dead.ears.until(MessageDelta)
    await checkpointed(dead)
    model = ScriptedModel("A2")
    alive = await start(model)
    await alive.ended(2)
    said = [(m.content, m.status) for m in await alive.log("s") if m.role == "assistant"]
    assert said == [("x" * 3000, "interrupted"), ("A2", "complete")]
    assert [asked.last for asked in model.asked] == ["Q2"]


async def test_a_turn_that_was_taken_away_leaves_its_answer_to_the_other(start: Start) -> None:
    gate = asyncio.Event()
    loser = await start(ScriptedModel("mine", gate, " too late"))
    await loser.agent.create_session(OWNER, "s")
    await loser.agent.send(OWNER, "s", "Q1")
    await loser.ears.until(MessageDelta)
    winner = await start(ScriptedModel("never asked"))
    gate.set()
    stopped = await loser.ears.until(SessionUpdated, 2)
    assert stopped.running is False
    log = await winner.log("s")
    assert [m.status for m in log if m.role == "assistant"] == ["interrupted"]
    assert loser.ears.of(TurnEnded) == []
