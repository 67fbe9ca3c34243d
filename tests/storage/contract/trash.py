"""The way of a session out of sight and out of the world: trash, restore, purge."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cipher.errors import SessionExists, SessionNotFound
from cipher.model import SessionPatch
from cipher.storage.base import DatabaseBackend
from tests.storage.contract.verbs import VERBS_ON_A_SESSION, VERBS_REFUSED_IN_TRASH, Verb
from tests.storage.samples import (
    OWNER,
    STRANGER,
    answered,
    asked,
    at,
    created,
    everything,
    lease,
    said,
    whole_log,
)


class TrashPromises:
    """What holds for sessions that a person threw away."""

    async def test_a_trashed_session_is_listed_in_the_trash_alone(self, database: DatabaseBackend):
        before = await created(database)
        trashed = await database.delete_session(OWNER, "s", at=at(7))
        assert trashed == replace(before, deleted_at=at(7))
        assert (await database.list_sessions(OWNER, state="trash")).sessions == (trashed,)
        assert not (await database.list_sessions(OWNER)).sessions
        assert not (await database.list_sessions(OWNER, state="archived")).sessions

    @pytest.mark.parametrize("verb", VERBS_REFUSED_IN_TRASH)
    async def test_a_trashed_session_looks_missing_to_the_verbs_of_the_living(
        self, database: DatabaseBackend, verb: Verb
    ):
        await created(database)
        await asked(database)
        before = await everything(database)
        await database.delete_session(OWNER, "s", at=at(1))
        with pytest.raises(SessionNotFound):
            await verb(database, OWNER, "s")
        await database.restore_session(OWNER, "s")
        assert await everything(database) == before

    async def test_restoring_brings_back_all_that_was_there(self, database: DatabaseBackend):
        await created(database, title="Kept", metadata={"a": 1})
        await asked(database)
        await database.update_session(OWNER, "s", SessionPatch(archived=True), at=at(1))
        before = await everything(database)
        await database.delete_session(OWNER, "s", at=at(2))
        restored = await database.restore_session(OWNER, "s")
        assert restored.archived_at == at(1)
        assert restored.deleted_at is None
        assert await everything(database) == before

    async def test_restoring_what_is_not_in_the_trash_raises_session_not_found(
        self, database: DatabaseBackend
    ):
        session = await created(database)
        with pytest.raises(SessionNotFound):
            await database.restore_session(OWNER, "s")
        assert await database.get_session(OWNER, "s") == session

    @pytest.mark.parametrize("trashed", [False, True])
    @pytest.mark.parametrize("verb", VERBS_ON_A_SESSION)
    async def test_nothing_of_a_purged_session_is_left(
        self, database: DatabaseBackend, trashed: bool, verb: Verb
    ):
        await created(database)
        await asked(database)
        if trashed:
            await database.delete_session(OWNER, "s", at=at(1))
        await database.purge_session(OWNER, "s")
        with pytest.raises(SessionNotFound):
            await verb(database, OWNER, "s")
        assert not await database.unfinished_turns()
        assert not await database.checkpoint_turn("s", "turn", 1, partial="x", lease=lease())
        assert not (await database.list_sessions(OWNER)).sessions
        assert not (await database.list_sessions(OWNER, state="trash")).sessions
        assert (await database.stats(OWNER)).total_messages == 0

    @pytest.mark.parametrize("owner", [OWNER, STRANGER])
    async def test_the_id_of_a_purged_session_stays_taken(
        self, database: DatabaseBackend, owner: str
    ):
        session = await created(database)
        await database.append(OWNER, "s", said(key="k"))
        log = await whole_log(database)
        await database.purge_session(OWNER, "s")
        with pytest.raises(SessionExists):
            await database.create_session(owner, "s", at=at(9))
        assert await database.import_session(replace(session, leaf_seq=1), log) is False
        with pytest.raises(SessionNotFound):
            await database.get_session(OWNER, "s")

    async def test_the_id_of_a_trashed_session_stays_taken(self, database: DatabaseBackend):
        session = await created(database)
        await database.delete_session(OWNER, "s", at=at(1))
        with pytest.raises(SessionExists):
            await database.create_session(OWNER, "s", at=at(9))
        assert await database.import_session(session, []) is False

    async def test_purging_one_session_leaves_the_others_alone(self, database: DatabaseBackend):
        for session_id in ("s", "other"):
            await created(database, session_id)
            await asked(database, session_id=session_id)
        before = await database.log(OWNER, "other"), await database.get_turn(OWNER, "other", "turn")
        await database.purge_session(OWNER, "s")
        after = await database.log(OWNER, "other"), await database.get_turn(OWNER, "other", "turn")
        assert after == before

    async def test_emptying_the_trash_takes_the_oldest_first_and_says_how_many(
        self, database: DatabaseBackend
    ):
        for seconds in (3, 1, 2, 10):
            owner = STRANGER if seconds == 2 else OWNER
            await database.create_session(owner, f"s{seconds}", at=at(0))
            await database.append(owner, f"s{seconds}", said())
            await database.delete_session(owner, f"s{seconds}", at=at(seconds))
        await created(database, "living")
        assert await database.purge_deleted(deleted_before=at(10), limit=2) == 2
        assert await _trashed(database) == {"s3", "s10"}
        assert await database.purge_deleted(deleted_before=at(10)) == 1
        assert await database.purge_deleted(deleted_before=at(10)) == 0
        assert await _trashed(database) == {"s10"}
        with pytest.raises(SessionExists):
            await created(database, "s2")
        assert (await database.get_session(OWNER, "living")).id == "living"

    async def test_an_answer_that_arrives_after_the_session_was_trashed_is_kept(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database)
        await database.delete_session(OWNER, "s", at=at(1))
        assert await database.checkpoint_turn("s", "turn", 1, partial="Hi", lease=lease())
        assert [owned.turn.partial for owned in await database.unfinished_turns()] == ["Hi"]
        finished = await answered(database)
        assert finished.session.deleted_at == at(1)
        assert not await database.unfinished_turns()
        await database.restore_session(OWNER, "s")
        assert (await whole_log(database))[-1] == finished.message
        assert (await database.get_turn(OWNER, "s", "turn")).status == "complete"


async def _trashed(database: DatabaseBackend) -> set[str]:
    pages = [await database.list_sessions(owner, state="trash") for owner in (OWNER, STRANGER)]
    return {session.id for page in pages for session in page.sessions}
