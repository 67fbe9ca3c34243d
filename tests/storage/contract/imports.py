"""Whole sessions in: what `log` gave out goes in again as it was, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from cipher.errors import BadRequest, SessionNotFound, TurnNotFound
from cipher.model import Message, Session, SessionPatch, new_id, text_parts
from cipher.storage.base import DatabaseBackend
from tests.storage.samples import (
    OWNER,
    STRANGER,
    answered,
    asked,
    at,
    created,
    lease,
    said,
    whole_log,
    wish,
)

Change = Callable[[list[Message]], list[Message]]


def _log(*parents: int) -> list[Message]:
    return [
        Message(
            id=new_id(),
            seq=seq,
            parent_seq=parent,
            role="user" if seq % 2 else "assistant",
            parts=text_parts(f"m{seq}"),
            timestamp=at(seq),
            status=None if seq % 2 else "complete",
            client_msg_id=f"k{seq}" if seq % 2 else None,
            turn_id=f"t{(seq + 1) // 2}",
            attempt=None if seq % 2 else 1,
        )
        for seq, parent in enumerate(parents, start=1)
    ]


def _session(**fields: Any) -> Session:
    given: dict[str, Any] = {
        "id": "s",
        "owner_id": OWNER,
        "title": "Imported",
        "created_at": at(0),
        "last_activity": at(4),
        "message_count": 4,
        "epoch": "epoch",
        "head_seq": 4,
        "leaf_seq": 4,
    }
    return Session(**given | fields)


class ImportPromises:
    """What holds for `import_session`."""

    async def test_an_imported_session_reads_back_as_it_was_given(self, database: DatabaseBackend):
        session = _session(
            pinned=True, archived_at=at(7), metadata={"source": "x"}, leaf_seq=3, epoch="e" * 22
        )
        log = _log(0, 1, 1, 3)
        assert await database.import_session(session, log) is True
        assert await database.get_session(OWNER, "s") == session
        assert await whole_log(database) == log
        assert [m.seq for m in (await database.branch(OWNER, "s")).messages] == [1, 3]
        assert (await database.list_sessions(OWNER, state="archived")).sessions == (session,)
        assert (await database.stats(OWNER)).total_messages == 4
        with pytest.raises(SessionNotFound):
            await database.get_session(STRANGER, "s")

    async def test_what_log_gives_out_can_be_imported_elsewhere_and_is_the_same(
        self, database: DatabaseBackend
    ):
        await created(database, title="Tree", metadata={"a": 1})
        await database.append(OWNER, "s", said("first", key="k"), turn=wish("one"))
        await answered(database, "one", status="failed")
        await database.retry_turn(OWNER, "s", "one", lease())
        await answered(database, "one", 2)
        await database.append(OWNER, "s", said("edited", parent=0))
        await database.update_session(OWNER, "s", SessionPatch(leaf_seq=3), at=at(1))
        page = await database.log(OWNER, "s")
        copy = replace(page.session, id="copy")
        assert await database.import_session(copy, page.messages) is True
        assert await database.log(OWNER, "copy") == replace(page, session=copy)
        branch = await database.branch(OWNER, "s")
        assert (await database.branch(OWNER, "copy")).messages == branch.messages

    async def test_importing_again_adds_nothing(self, database: DatabaseBackend):
        session, log = _session(), _log(0, 1, 2, 3)
        assert await database.import_session(session, log) is True
        grown = await database.append(OWNER, "s", said("after"))
        assert await database.import_session(session, log) is False
        assert await database.get_session(OWNER, "s") == grown.session
        assert len(await whole_log(database)) == 5

    async def test_an_id_of_a_stranger_is_not_imported_over(self, database: DatabaseBackend):
        await database.import_session(_session(owner_id=STRANGER), _log(0, 1, 2, 3))
        assert await database.import_session(_session(), _log(0, 1, 2, 3)) is False
        with pytest.raises(SessionNotFound):
            await database.get_session(OWNER, "s")

    async def test_a_session_without_messages_can_be_imported(self, database: DatabaseBackend):
        empty = _session(head_seq=0, leaf_seq=0, message_count=0)
        assert await database.import_session(empty, []) is True
        assert await database.get_session(OWNER, "s") == empty
        assert (await database.append(OWNER, "s", said())).message.seq == 1

    async def test_head_and_count_follow_from_the_messages(self, database: DatabaseBackend):
        wrong = _session(head_seq=9, message_count=70)
        assert await database.import_session(wrong, _log(0, 1, 2, 3)) is True
        assert await database.get_session(OWNER, "s") == _session()

    async def test_a_session_can_be_imported_into_the_trash(self, database: DatabaseBackend):
        await database.import_session(_session(deleted_at=at(9)), _log(0, 1, 2, 3))
        with pytest.raises(SessionNotFound):
            await database.get_session(OWNER, "s")
        assert await database.restore_session(OWNER, "s") == _session()

    async def test_an_imported_session_goes_on(self, database: DatabaseBackend):
        await database.import_session(_session(), _log(0, 1, 2, 3))
        appended = await database.append(OWNER, "s", said("more"), turn=wish("new"))
        assert (appended.message.seq, appended.message.parent_seq) == (5, 4)
        assert (await answered(database, "new")).message.seq == 6

    async def test_keys_of_imported_messages_count_as_sent(self, database: DatabaseBackend):
        log = _log(0, 1, 2, 3)
        await database.import_session(_session(), log)
        again = await database.append(OWNER, "s", said("m1", key="k1"), turn=wish("new"))
        assert (again.duplicate, again.message, again.turn) == (True, log[0], None)

    async def test_there_is_nothing_to_retry_in_what_was_imported(self, database: DatabaseBackend):
        await database.import_session(_session(), _log(0, 1, 2, 3))
        with pytest.raises(TurnNotFound):
            await database.get_turn(OWNER, "s", "t1")
        with pytest.raises(TurnNotFound):
            await database.retry_turn(OWNER, "s", "t1", lease())
        assert (await database.branch(OWNER, "s")).turns == ()

    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param(lambda log: log[1:], id="begins with 2"),
            pytest.param(lambda log: [log[0], *log[2:]], id="has a gap"),
            pytest.param(lambda log: [*log, log[3]], id="has a number twice"),
            pytest.param(lambda log: log[::-1], id="is in another order"),
            pytest.param(lambda log: [replace(log[0], seq=0), *log[1:]], id="begins with 0"),
            pytest.param(lambda log: [*log[:3], replace(log[3], parent_seq=4)], id="own parent"),
            pytest.param(lambda log: [*log[:3], replace(log[3], parent_seq=5)], id="later parent"),
            pytest.param(lambda log: [*log[:3], replace(log[3], parent_seq=-1)], id="no parent"),
            pytest.param(
                lambda log: [*log[:2], replace(log[2], client_msg_id="k1"), log[3]],
                id="has a key twice",
            ),
            pytest.param(lambda log: log[:3], id="lacks the leaf"),
            pytest.param(
                lambda log: [*log[:3], replace(log[3], parts=text_parts("\ud83d"))],
                id="has a lone surrogate",
            ),
        ],
    )
    async def test_a_log_that_is_no_log_raises_bad_request_and_stores_nothing(
        self, database: DatabaseBackend, spoil: Change
    ):
        with pytest.raises(BadRequest):
            await database.import_session(_session(), spoil(_log(0, 1, 2, 3)))
        with pytest.raises(SessionNotFound):
            await database.get_session(OWNER, "s")
        assert await database.import_session(_session(), _log(0, 1, 2, 3)) is True

    async def test_a_large_session_comes_in_whole(self, database: DatabaseBackend):
        log = _log(*range(2_000))
        session = _session(head_seq=2_000, message_count=2_000, leaf_seq=2_000)
        assert await database.import_session(session, log) is True
        assert await whole_log(database) == log

    async def test_what_was_asked_before_is_not_lost_by_a_late_import(
        self, database: DatabaseBackend
    ):
        await created(database)
        opened = await asked(database)
        assert await database.import_session(_session(), _log(0, 1, 2, 3)) is False
        assert await whole_log(database) == [opened.message]
