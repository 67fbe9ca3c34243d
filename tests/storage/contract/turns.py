"""Turns: which runs and which waits, checkpoints and leases, and those that nobody looks after."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cipher.errors import SessionBusy, TurnNotFound
from cipher.model import Turn
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


class TurnPromises(QueuePromises, LeasePromises):
    """What holds for turns that have not ended."""
