"""Creating, reading and changing sessions; whose they are; counting and expiring them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from cipher.errors import BadRequest, MessageNotFound, SessionExists, SessionNotFound
from cipher.model import SessionPatch, SessionState, StorageStats
from cipher.storage.base import DatabaseBackend
from tests.storage.contract.verbs import VERBS_ON_A_SESSION, Verb
from tests.storage.samples import (
    OWNER,
    STRANGER,
    answered,
    asked,
    at,
    created,
    everything,
    said,
    wish,
)

NESTED: dict[str, Any] = {"tags": ["a", "ß", "🦊"], "model": None, "deep": {"n": [1, -2.5, True]}}


class SessionPromises:
    """What holds for one session's row."""

    async def test_a_new_session_is_empty_and_reads_back_equal(self, database: DatabaseBackend):
        session = await database.create_session(
            OWNER, "s", title="Plans", metadata=NESTED, at=at(5)
        )
        assert (session.id, session.owner_id, session.title) == ("s", OWNER, "Plans")
        assert (session.created_at, session.last_activity) == (at(5), at(5))
        assert (session.head_seq, session.leaf_seq, session.message_count) == (0, 0, 0)
        assert (session.pinned, session.archived_at, session.deleted_at) == (False, None, None)
        assert session.metadata == NESTED
        assert await database.get_session(OWNER, "s") == session

    async def test_each_session_has_an_epoch_of_its_own(self, database: DatabaseBackend):
        epochs = {(await created(database, f"s{n}")).epoch for n in range(20)}
        assert len(epochs) == 20
        assert all(epochs)

    @pytest.mark.parametrize("owner", [OWNER, STRANGER])
    async def test_an_id_that_is_taken_raises_session_exists_for_everyone(
        self, database: DatabaseBackend, owner: str
    ):
        await created(database, title="first")
        before = await everything(database)
        with pytest.raises(SessionExists):
            await database.create_session(owner, "s", title="second", at=at(9))
        assert await everything(database) == before

    async def test_metadata_is_not_shared_with_the_caller(self, database: DatabaseBackend):
        given: dict[str, Any] = {"tags": ["a"]}
        session = await created(database, metadata=given)
        given["tags"].append("b")
        session.metadata["tags"].append("c")
        (await database.get_session(OWNER, "s")).metadata["tags"].append("d")
        (await database.list_sessions(OWNER)).sessions[0].metadata["tags"].append("e")
        assert (await database.get_session(OWNER, "s")).metadata == {"tags": ["a"]}

    async def test_metadata_that_is_not_json_raises_bad_request_and_stores_nothing(
        self, database: DatabaseBackend
    ):
        with pytest.raises(BadRequest):
            await created(database, metadata={"what": object()})
        with pytest.raises(SessionNotFound):
            await database.get_session(OWNER, "s")

    @pytest.mark.parametrize("verb", VERBS_ON_A_SESSION)
    async def test_a_strangers_session_looks_exactly_like_a_missing_one(
        self, database: DatabaseBackend, verb: Verb
    ):
        await created(database)
        await asked(database)
        before = await everything(database)
        with pytest.raises(SessionNotFound) as foreign:
            await verb(database, STRANGER, "s")
        with pytest.raises(SessionNotFound) as missing:
            await verb(database, STRANGER, "no-such")
        assert type(foreign.value) is type(missing.value)
        assert foreign.value.message == missing.value.message
        assert await everything(database) == before

    @pytest.mark.parametrize(
        ("patch", "expected"),
        [
            (SessionPatch(), {}),
            (SessionPatch(title="New"), {"title": "New"}),
            (SessionPatch(title=""), {"title": ""}),
            (SessionPatch(pinned=True), {"pinned": True}),
            (SessionPatch(archived=True), {"archived_at": at(50)}),
            (SessionPatch(archived=False), {}),
            (SessionPatch(metadata=NESTED), {"metadata": NESTED}),
            (SessionPatch(metadata={}), {"metadata": {}}),
            (SessionPatch(leaf_seq=1), {"leaf_seq": 1}),
            (SessionPatch(leaf_seq=0), {"leaf_seq": 0}),
            (
                SessionPatch(title="All", pinned=True, archived=True, metadata={}, leaf_seq=1),
                {
                    "title": "All",
                    "pinned": True,
                    "archived_at": at(50),
                    "metadata": {},
                    "leaf_seq": 1,
                },
            ),
        ],
        ids=lambda value: (
            " ".join(f for f in value.__struct_fields__ if getattr(value, f) is not UNSET)
            if isinstance(value, SessionPatch)
            else ""
        ),
    )
    async def test_a_patch_changes_what_it_sets_and_nothing_else(
        self, database: DatabaseBackend, patch: SessionPatch, expected: dict[str, Any]
    ):
        await created(database, title="Old", metadata={"kept": 1})
        await asked(database)
        await answered(database)
        before = await database.get_session(OWNER, "s")
        after = await database.update_session(OWNER, "s", patch, at=at(50))
        assert after == replace(before, **expected)
        assert await database.get_session(OWNER, "s") == after

    async def test_archiving_again_keeps_the_moment_and_unarchiving_clears_it(
        self, database: DatabaseBackend
    ):
        await created(database)
        await database.update_session(OWNER, "s", SessionPatch(archived=True), at=at(1))
        again = await database.update_session(OWNER, "s", SessionPatch(archived=True), at=at(2))
        assert again.archived_at == at(1)
        freed = await database.update_session(OWNER, "s", SessionPatch(archived=False), at=at(3))
        assert freed.archived_at is None
        later = await database.update_session(OWNER, "s", SessionPatch(archived=True), at=at(4))
        assert later.archived_at == at(4)

    async def test_a_pin_can_be_taken_off(self, database: DatabaseBackend):
        await created(database)
        await database.update_session(OWNER, "s", SessionPatch(pinned=True), at=at(1))
        off = await database.update_session(OWNER, "s", SessionPatch(pinned=False), at=at(2))
        assert off.pinned is False

    @pytest.mark.parametrize("leaf_seq", [-1, 2, 3, 2**40, 2**80])
    async def test_a_patch_with_a_leaf_that_is_no_message_changes_nothing(
        self, database: DatabaseBackend, leaf_seq: int
    ):
        await created(database, title="Old")
        await asked(database)
        before = await everything(database)
        with pytest.raises(MessageNotFound):
            await database.update_session(
                OWNER, "s", SessionPatch(title="New", leaf_seq=leaf_seq), at=at(1)
            )
        assert await everything(database) == before

    async def test_a_patch_with_metadata_that_is_not_json_changes_nothing(
        self, database: DatabaseBackend
    ):
        await created(database, title="Old")
        before = await everything(database)
        patch = SessionPatch(title="New", metadata={"what": object()})
        with pytest.raises(BadRequest):
            await database.update_session(OWNER, "s", patch, at=at(1))
        assert await everything(database) == before

    async def test_stats_count_archived_but_not_trashed_nor_strangers_sessions(
        self, database: DatabaseBackend
    ):
        assert await database.stats(OWNER) == StorageStats(total_sessions=0, total_messages=0)
        for session_id in ("active", "archived", "trash"):
            await created(database, session_id)
            await database.append(OWNER, session_id, said())
        await database.append(OWNER, "active", said())
        await database.update_session(OWNER, "archived", SessionPatch(archived=True), at=at(1))
        await database.delete_session(OWNER, "trash", at=at(1))
        await database.create_session(STRANGER, "foreign", at=at(0))
        await database.append(STRANGER, "foreign", said())
        assert await database.stats(OWNER) == StorageStats(total_sessions=2, total_messages=3)
        assert await database.stats(STRANGER) == StorageStats(total_sessions=1, total_messages=1)

    @pytest.mark.parametrize("action", ["archive", "delete"])
    async def test_expiring_takes_idle_sessions_of_all_owners_longest_idle_first(
        self, database: DatabaseBackend, action: Any
    ):
        for seconds in (3, 1, 2, 10):
            owner = STRANGER if seconds == 2 else OWNER
            await database.create_session(owner, f"idle{seconds}", at=at(seconds))
        expired = await database.expire_sessions(action, idle_since=at(10), at=at(99), limit=2)
        assert [session.id for session in expired] == ["idle1", "idle2"]
        moments = [(session.archived_at, session.deleted_at) for session in expired]
        assert moments == [(at(99), None) if action == "archive" else (None, at(99))] * 2
        rest = await database.expire_sessions(action, idle_since=at(10), at=at(99))
        assert [session.id for session in rest] == ["idle3"]
        assert not await database.expire_sessions(action, idle_since=at(10), at=at(99))
        assert (await database.get_session(OWNER, "idle10")).archived_at is None
        state: SessionState = "archived" if action == "archive" else "trash"
        listed = await database.list_sessions(OWNER, state=state)
        assert list(listed.sessions) == [rest[0], expired[0]]

    @pytest.mark.parametrize("action", ["archive", "delete"])
    async def test_expiring_leaves_pinned_archived_trashed_and_unfinished_sessions_alone(
        self, database: DatabaseBackend, action: Any
    ):
        for session_id in ("pinned", "archived", "running", "queued", "trash"):
            await created(database, session_id)
        await database.update_session(OWNER, "pinned", SessionPatch(pinned=True), at=at(1))
        await database.update_session(OWNER, "archived", SessionPatch(archived=True), at=at(1))
        await asked(database, "r", session_id="running")
        await asked(database, "q1", session_id="queued")
        await database.append(OWNER, "queued", said(), turn=wish("q2"))
        await answered(database, "q1", session_id="queued")
        await database.delete_session(OWNER, "trash", at=at(1))
        assert not await database.expire_sessions(action, idle_since=at(50), at=at(99))

    async def test_a_session_whose_turn_has_ended_expires(self, database: DatabaseBackend):
        await created(database)
        await asked(database)
        await answered(database)
        expired = await database.expire_sessions("archive", idle_since=at(50), at=at(99))
        assert [session.id for session in expired] == ["s"]
        assert await database.get_session(OWNER, "s") == expired[0]
