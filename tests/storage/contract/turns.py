"""Turns: which runs and which waits, checkpoints and leases, where an answer goes, retrying."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cipher.errors import SessionBusy, TurnNotFound
from cipher.model import SessionPatch, TerminalStatus, Turn
from cipher.storage.base import DatabaseBackend, Lease
from tests.storage.samples import (
    OWNER,
    STRANGER,
    answer,
    answered,
    asked,
    at,
    created,
    everything,
    lease,
    said,
    whole_log,
    wish,
)

ENDINGS: list[TerminalStatus] = ["complete", "cancelled", "failed", "interrupted"]


class QueuePromises:
    """What holds for the one turn that runs and for those behind it."""

    async def test_the_first_turn_runs_at_once_under_its_lease(self, database: DatabaseBackend):
        await created(database)
        appended = await asked(database, "one")
        assert appended.message.turn_id == "one"
        assert appended.turn == Turn(
            id="one",
            session_id="s",
            user_seq=1,
            attempt=1,
            status="running",
            partial="",
            lease_owner="worker",
            lease_until=at(60),
        )
        assert await database.get_turn(OWNER, "s", "one") == appended.turn
        assert (await whole_log(database))[0] == appended.message

    async def test_a_turn_behind_an_unfinished_one_is_queued_without_a_lease(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database, "one")
        queued = (await asked(database, "two")).turn
        assert queued == Turn(id="two", session_id="s", user_seq=2, attempt=1, status="queued")
        assert await database.get_turn(OWNER, "s", "two") == queued

    async def test_a_turn_is_queued_behind_a_queued_one_though_none_runs(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database, "one")
        await asked(database, "two")
        await answered(database, "one")
        third = (await asked(database, "three")).turn
        assert third is not None
        assert third.status == "queued"

    async def test_whoever_will_not_wait_is_refused_and_nothing_is_stored(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database, "one")
        await asked(database, "two")
        await answered(database, "one")
        before = await everything(database)
        with pytest.raises(SessionBusy):
            await database.append(OWNER, "s", said(), turn=wish("three", when_busy="reject"))
        assert await everything(database) == before
        with pytest.raises(TurnNotFound):
            await database.get_turn(OWNER, "s", "three")

    async def test_whoever_will_not_wait_is_served_when_nothing_is_unfinished(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database, "one")
        await answered(database, "one")
        opened = await database.append(OWNER, "s", said(), turn=wish("two", when_busy="reject"))
        assert opened.turn is not None
        assert opened.turn.status == "running"

    async def test_a_message_without_a_turn_is_stored_beside_a_running_one(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database, "one")
        assert (await database.append(OWNER, "s", said())).turn is None
        assert [owned.turn.id for owned in await database.unfinished_turns()] == ["one"]

    async def test_queued_turns_start_one_by_one_in_the_order_they_came(
        self, database: DatabaseBackend
    ):
        await created(database)
        for name in ("one", "two", "three"):
            await asked(database, name)
        assert await database.start_turn(OWNER, "s", lease("other")) is None
        await answered(database, "one")
        second = await database.start_turn(OWNER, "s", lease("other", seconds=90))
        assert second is not None
        assert (second.id, second.status, second.attempt) == ("two", "running", 1)
        assert (second.lease_owner, second.lease_until) == ("other", at(90))
        assert await database.get_turn(OWNER, "s", "two") == second
        assert await database.start_turn(OWNER, "s", lease("other")) is None
        await answered(database, "two")
        third = await database.start_turn(OWNER, "s", lease("other"))
        assert third is not None
        assert third.id == "three"
        await answered(database, "three")
        assert await database.start_turn(OWNER, "s", lease("other")) is None

    async def test_a_queued_turn_that_was_cancelled_never_starts(self, database: DatabaseBackend):
        await created(database)
        for name in ("one", "two", "three"):
            await asked(database, name)
        cancelled = await answered(database, "two", status="cancelled", text="")
        assert cancelled.turn.status == "cancelled"
        assert (await database.get_turn(OWNER, "s", "one")).status == "running"
        await answered(database, "one")
        started = await database.start_turn(OWNER, "s", lease())
        assert started is not None
        assert started.id == "three"

    async def test_sessions_run_their_turns_beside_each_other(self, database: DatabaseBackend):
        for session_id in ("a", "b"):
            await created(database, session_id)
            opened = (await asked(database, "same-id", session_id=session_id)).turn
            assert opened is not None
            assert opened.status == "running"
        await answered(database, "same-id", session_id="a")
        assert (await database.get_turn(OWNER, "b", "same-id")).status == "running"

    async def test_a_turn_of_another_session_is_not_found(self, database: DatabaseBackend):
        for session_id in ("s", "other"):
            await created(database, session_id)
        await asked(database, "one", session_id="other")
        with pytest.raises(TurnNotFound):
            await database.get_turn(OWNER, "s", "one")
        with pytest.raises(TurnNotFound):
            await database.retry_turn(OWNER, "s", "one", lease())
        with pytest.raises(TurnNotFound):
            await database.finish_turn(OWNER, "s", "one", 1, answer())
        assert (await database.get_turn(OWNER, "other", "one")).status == "running"


class LeasePromises:
    """What holds for checkpoints, and for finding the turns that a dead worker left."""

    async def test_a_checkpoint_keeps_the_text_and_renews_the_lease(
        self, database: DatabaseBackend
    ):
        await created(database)
        opened = (await asked(database)).turn
        assert opened is not None
        log = await whole_log(database)
        for n in (1, 2):
            kept = await database.checkpoint_turn(
                "s", "turn", 1, partial="Hi " * n, lease=lease(seconds=60 + n)
            )
            assert kept is True
            expected = replace(opened, partial="Hi " * n, lease_until=at(60 + n))
            assert await database.get_turn(OWNER, "s", "turn") == expected
        assert await whole_log(database) == log

    @pytest.mark.parametrize(
        ("turn_id", "attempt", "holder"),
        [
            ("turn", 1, "thief"),
            ("turn", 2, "worker"),
            ("turn", 0, "worker"),
            ("queued", 1, "worker"),
            ("ended", 1, "worker"),
            ("no-such", 1, "worker"),
        ],
    )
    async def test_a_checkpoint_of_what_is_not_ours_changes_nothing(
        self, database: DatabaseBackend, turn_id: str, attempt: int, holder: str
    ):
        await created(database)
        await asked(database, "ended")
        await answered(database, "ended")
        await asked(database)
        await asked(database, "queued")
        before = await everything(database)
        kept = await database.checkpoint_turn(
            "s", turn_id, attempt, partial="stolen", lease=lease(holder, seconds=99)
        )
        assert kept is False
        assert await everything(database) == before

    async def test_a_checkpoint_of_a_missing_session_is_false(self, database: DatabaseBackend):
        assert not await database.checkpoint_turn("no-such", "t", 1, partial="", lease=lease())

    async def test_a_worker_whose_lease_ran_out_may_renew_it_while_nobody_took_over(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database)
        assert await database.unfinished_turns(lease_before=at(61))
        late = lease(seconds=200)
        assert await database.checkpoint_turn("s", "turn", 1, partial="still here", lease=late)
        assert not await database.unfinished_turns(lease_before=at(61))

    async def test_unfinished_turns_are_those_of_all_owners_and_of_the_trash(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database, "one")
        await asked(database, "two")
        await database.create_session(STRANGER, "foreign", at=at(0))
        await database.append(STRANGER, "foreign", said(), turn=wish("three"))
        await created(database, "trash")
        await asked(database, "four", session_id="trash")
        await database.delete_session(OWNER, "trash", at=at(1))
        await created(database, "quiet")
        await asked(database, "five", session_id="quiet")
        await answered(database, "five", session_id="quiet")
        found = await database.unfinished_turns()
        assert {(owned.owner_id, owned.turn.session_id, owned.turn.id) for owned in found} == {
            (OWNER, "s", "one"),
            (OWNER, "s", "two"),
            (STRANGER, "foreign", "three"),
            (OWNER, "trash", "four"),
        }
        here = [owned.turn for owned in found if owned.turn.session_id == "s"]
        assert here == list((await database.branch(OWNER, "s")).turns)

    async def test_turns_with_a_lease_before_a_moment_are_running_ones_only(
        self, database: DatabaseBackend
    ):
        for session_id, seconds in (("a", 10), ("b", 20), ("c", 30)):
            await created(database, session_id)
            await asked(database, session_id=session_id)
            await asked(database, "queued", session_id=session_id)
            held = Lease(owner="worker", until=at(seconds))
            await database.checkpoint_turn(session_id, "turn", 1, partial="", lease=held)
        lost = await database.unfinished_turns(lease_before=at(20))
        assert [(owned.turn.session_id, owned.turn.id) for owned in lost] == [("a", "turn")]
        assert len(await database.unfinished_turns(lease_before=at(31))) == 3
        assert len(await database.unfinished_turns()) == 6


class EndPromises:
    """What holds for the end of an attempt."""

    @pytest.mark.parametrize("status", ENDINGS)
    async def test_an_answer_is_stored_under_its_question_and_closes_the_turn(
        self, database: DatabaseBackend, status: TerminalStatus
    ):
        before = await created(database)
        opened = await asked(database)
        await database.checkpoint_turn("s", "turn", 1, partial="It i", lease=lease())
        ending = answer("It is.", status=status, seconds=9)
        finished = await database.finish_turn(OWNER, "s", "turn", 1, ending)
        message = finished.message
        assert (message.seq, message.parent_seq, message.role) == (2, 1, "assistant")
        assert (message.id, message.content) == (ending.message_id, "It is.")
        assert (message.status, message.turn_id, message.attempt) == (status, "turn", 1)
        assert (message.timestamp, message.client_msg_id) == (at(9), None)
        assert finished.session == replace(
            before, title="Hello", head_seq=2, leaf_seq=2, message_count=2, last_activity=at(9)
        )
        assert opened.turn is not None
        assert finished.turn == replace(
            opened.turn, status=status, partial="", lease_owner=None, lease_until=None
        )
        assert await database.get_turn(OWNER, "s", "turn") == finished.turn
        assert await database.get_session(OWNER, "s") == finished.session
        assert await whole_log(database) == [opened.message, message]
        assert not await database.unfinished_turns()

    async def test_an_answer_does_not_name_an_untitled_session(self, database: DatabaseBackend):
        await created(database)
        await asked(database, text="")
        assert (await answered(database, text="Hi")).session.title == ""

    async def test_ending_an_attempt_again_returns_what_ended_it(self, database: DatabaseBackend):
        await created(database)
        await asked(database)
        first = await answered(database, text="the end")
        before = await everything(database)
        again = await answered(database, text="another end", status="cancelled")
        assert again == first
        assert await everything(database) == before

    async def test_ending_an_earlier_attempt_again_returns_what_ended_that_one(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database)
        first = await answered(database, text="first", status="failed")
        await database.retry_turn(OWNER, "s", "turn", lease())
        before = await everything(database)
        again = await answered(database, text="late")
        assert again.message == first.message
        assert (again.turn.attempt, again.turn.status) == (2, "running")
        assert await everything(database) == before
        second = await answered(database, attempt=2, text="second")
        assert (await answered(database, text="later")).message == first.message
        assert (await answered(database, attempt=2, text="later")).message == second.message

    @pytest.mark.parametrize("attempt", [-1, 0, 2, 2**80])
    async def test_an_attempt_that_never_was_can_not_end(
        self, database: DatabaseBackend, attempt: int
    ):
        await created(database)
        await asked(database)
        before = await everything(database)
        with pytest.raises(TurnNotFound):
            await answered(database, attempt=attempt)
        assert await everything(database) == before

    async def test_an_answer_goes_under_a_leaf_that_descends_from_its_question(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database, "one")
        await asked(database, "two")
        finished = await answered(database, "one")
        assert (finished.message.seq, finished.message.parent_seq) == (3, 2)
        assert finished.session.leaf_seq == 3
        await database.start_turn(OWNER, "s", lease())
        second = await answered(database, "two")
        assert (second.message.parent_seq, second.session.leaf_seq) == (3, 4)
        assert len((await database.branch(OWNER, "s")).messages) == 4

    async def test_an_answer_leaves_a_leaf_on_another_branch_alone(self, database: DatabaseBackend):
        await created(database)
        for _ in range(2):
            await database.append(OWNER, "s", said("before"))
        await asked(database, "one")
        elsewhere = await database.append(OWNER, "s", said("elsewhere", parent=1))
        finished = await answered(database, "one")
        assert (finished.message.seq, finished.message.parent_seq) == (5, 3)
        assert finished.session.leaf_seq == elsewhere.message.seq
        assert (finished.session.head_seq, finished.session.message_count) == (5, 5)

    @pytest.mark.parametrize("leaf_seq", [0, 1])
    async def test_an_answer_leaves_a_leaf_above_its_question_alone(
        self, database: DatabaseBackend, leaf_seq: int
    ):
        await created(database)
        await database.append(OWNER, "s", said("before"))
        await asked(database)
        await database.update_session(OWNER, "s", SessionPatch(leaf_seq=leaf_seq), at=at(1))
        finished = await answered(database)
        assert (finished.message.parent_seq, finished.session.leaf_seq) == (2, leaf_seq)

    async def test_an_answer_never_moves_last_activity_back(self, database: DatabaseBackend):
        await created(database, at=at(50))
        await asked(database)
        assert (await answered(database)).session.last_activity == at(50)


class RetryPromises:
    """What holds for the next attempt of a turn that has ended."""

    @pytest.mark.parametrize("status", ENDINGS)
    async def test_a_retry_runs_the_next_attempt_beside_the_last_answer(
        self, database: DatabaseBackend, status: TerminalStatus
    ):
        await created(database)
        opened = await asked(database)
        first = await answered(database, status=status)
        retried = await database.retry_turn(OWNER, "s", "turn", lease("other", seconds=99))
        assert (retried.message, retried.duplicate) == (opened.message, False)
        assert retried.session == replace(first.session, leaf_seq=1)
        assert retried.turn == replace(
            first.turn, attempt=2, status="running", lease_owner="other", lease_until=at(99)
        )
        assert await database.get_turn(OWNER, "s", "turn") == retried.turn
        assert await database.get_session(OWNER, "s") == retried.session
        second = await answered(database, attempt=2, text="again")
        assert (second.message.attempt, second.message.parent_seq) == (2, 1)
        assert second.session.leaf_seq == 3
        assert [m.seq for m in (await database.branch(OWNER, "s")).messages] == [1, 3]

    async def test_each_retry_counts_one_attempt_more(self, database: DatabaseBackend):
        await created(database)
        await asked(database)
        for attempt in (1, 2, 3):
            finished = await answered(database, attempt=attempt)
            assert finished.message.attempt == attempt
            retried = await database.retry_turn(OWNER, "s", "turn", lease())
            assert retried.turn is not None
            assert retried.turn.attempt == attempt + 1
        siblings = (await whole_log(database))[1:]
        assert [message.parent_seq for message in siblings] == [1, 1, 1]

    async def test_a_retry_puts_the_leaf_where_the_last_answer_hangs(
        self, database: DatabaseBackend
    ):
        # The first question's answer came after the second question, and hangs under it.
        await created(database)
        await asked(database, "one")
        await asked(database, "two")
        await answered(database, "one")
        await database.start_turn(OWNER, "s", lease())
        await answered(database, "two")
        retried = await database.retry_turn(OWNER, "s", "one", lease())
        assert retried.message.seq == 1
        assert retried.session.leaf_seq == 2
        assert (await answered(database, "one", 2)).message.parent_seq == 2

    @pytest.mark.parametrize("queued", [False, True])
    async def test_retrying_what_is_unfinished_changes_nothing_and_says_so(
        self, database: DatabaseBackend, queued: bool
    ):
        await created(database)
        if queued:
            await asked(database, "ahead")
        opened = await asked(database)
        before = await everything(database)
        retried = await database.retry_turn(OWNER, "s", "turn", lease("thief"))
        assert (retried.duplicate, retried.message, retried.turn) == (
            True,
            opened.message,
            opened.turn,
        )
        assert retried.session == await database.get_session(OWNER, "s")
        assert await everything(database) == before

    async def test_a_retry_behind_an_unfinished_turn_waits_last_in_line(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database, "one")
        await answered(database, "one")
        await asked(database, "two")
        await asked(database, "three")
        retried = await database.retry_turn(OWNER, "s", "one", lease())
        assert retried.turn is not None
        assert (retried.turn.status, retried.turn.attempt) == ("queued", 2)
        assert (retried.turn.lease_owner, retried.turn.lease_until) == (None, None)
        assert retried.session.leaf_seq == 1
        turns = (await database.branch(OWNER, "s")).turns
        assert [turn.id for turn in turns] == ["two", "three", "one"]
        for name, attempt in (("two", 1), ("three", 1), ("one", 2)):
            await answered(database, name, attempt)
            await database.start_turn(OWNER, "s", lease())
        assert not await database.unfinished_turns()

    async def test_a_retry_forgets_the_partial_text_of_the_last_attempt(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database)
        await database.checkpoint_turn("s", "turn", 1, partial="half an ans", lease=lease())
        await answered(database, status="interrupted", text="half an ans")
        retried = await database.retry_turn(OWNER, "s", "turn", lease())
        assert retried.turn is not None
        assert retried.turn.partial == ""

    async def test_a_checkpoint_of_the_last_attempt_does_not_reach_the_next(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database)
        await answered(database, status="interrupted")
        await database.retry_turn(OWNER, "s", "turn", lease())
        assert not await database.checkpoint_turn("s", "turn", 1, partial="old", lease=lease())
        assert await database.checkpoint_turn("s", "turn", 2, partial="new", lease=lease())

    async def test_a_duplicate_of_the_question_carries_the_retried_turn(
        self, database: DatabaseBackend
    ):
        await created(database)
        await database.append(OWNER, "s", said("once", key="k"), turn=wish("one"))
        await answered(database, "one", status="failed")
        retried = await database.retry_turn(OWNER, "s", "one", lease())
        again = await database.append(OWNER, "s", said("once", key="k"), turn=wish("two"))
        assert (again.duplicate, again.turn) == (True, retried.turn)


class TurnPromises(QueuePromises, LeasePromises, EndPromises, RetryPromises):
    """What holds for the answering of messages."""
