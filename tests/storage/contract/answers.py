"""The end of an attempt, where its answer goes, and the next attempt."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cipher.errors import TurnNotFound
from cipher.model import SessionPatch, TerminalStatus
from cipher.storage.base import DatabaseBackend
from tests.storage.samples import (
    OWNER,
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


class AnswerPromises(EndPromises, RetryPromises):
    """What holds for attempts that end."""
