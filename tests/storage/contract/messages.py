"""The log and the tree over it: appending, repeating an append, reading branch and log."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cipher.errors import IdempotencyConflict, MessageNotFound, SessionBusy
from cipher.model import Role, SessionPatch
from cipher.storage.base import DatabaseBackend
from tests.storage.samples import (
    OWNER,
    answered,
    asked,
    at,
    created,
    everything,
    said,
    whole_log,
    wish,
)


class AppendPromises:
    """What holds for one append, and for the same one sent again."""

    async def test_messages_are_numbered_from_one_each_under_the_one_before(
        self, database: DatabaseBackend
    ):
        before = await created(database)
        for n in range(1, 4):
            new = said(f"m{n}", key=f"k{n}", seconds=n)
            appended = await database.append(OWNER, "s", new)
            message, session = appended.message, appended.session
            assert (message.seq, message.parent_seq) == (n, n - 1)
            assert (message.id, message.role, message.content) == (new.id, "user", f"m{n}")
            assert (message.timestamp, message.client_msg_id) == (at(n), f"k{n}")
            assert (message.status, message.turn_id, message.attempt) == (None, None, None)
            assert (appended.turn, appended.duplicate) == (None, False)
            assert session == replace(
                before, title="m1", head_seq=n, leaf_seq=n, message_count=n, last_activity=at(n)
            )
            assert await database.get_session(OWNER, "s") == session
            assert (await whole_log(database))[-1] == message

    async def test_each_session_counts_for_itself(self, database: DatabaseBackend):
        for session_id in ("a", "b"):
            await created(database, session_id)
        seqs = [
            (await database.append(OWNER, session_id, said())).message.seq for session_id in "abab"
        ]
        assert seqs == [1, 1, 2, 2]

    async def test_a_message_under_an_earlier_parent_becomes_the_leaf_of_a_new_branch(
        self, database: DatabaseBackend
    ):
        await created(database)
        for n in range(3):
            await database.append(OWNER, "s", said(f"m{n}"))
        forked = await database.append(OWNER, "s", said("fork", parent=1))
        assert (forked.message.seq, forked.message.parent_seq) == (4, 1)
        assert forked.session.leaf_seq == 4
        follower = await database.append(OWNER, "s", said("after"))
        assert follower.message.parent_seq == 4

    async def test_parent_zero_makes_another_root(self, database: DatabaseBackend):
        await created(database)
        await database.append(OWNER, "s", said("one"))
        root = await database.append(OWNER, "s", said("another", parent=0))
        assert (root.message.seq, root.message.parent_seq) == (2, 0)
        branch = await database.branch(OWNER, "s")
        assert branch.messages == (root.message,)

    @pytest.mark.parametrize("parent", [-1, 3, 4, 2**40, 2**80])
    async def test_an_unknown_parent_raises_message_not_found_and_changes_nothing(
        self, database: DatabaseBackend, parent: int
    ):
        await created(database)
        await asked(database, "one")
        await answered(database, "one")
        before = await everything(database)
        with pytest.raises(MessageNotFound):
            await database.append(OWNER, "s", said("lost", parent=parent), turn=wish("two"))
        assert await everything(database) == before
        assert not await database.unfinished_turns()

    async def test_after_the_leaf_moved_the_next_message_goes_under_it(
        self, database: DatabaseBackend
    ):
        await created(database)
        for n in range(3):
            await database.append(OWNER, "s", said(f"m{n}"))
        await database.update_session(OWNER, "s", SessionPatch(leaf_seq=2), at=at(1))
        assert (await database.append(OWNER, "s", said("here"))).message.parent_seq == 2
        await database.update_session(OWNER, "s", SessionPatch(leaf_seq=0), at=at(1))
        assert (await database.append(OWNER, "s", said("root"))).message.parent_seq == 0

    async def test_last_activity_never_goes_back(self, database: DatabaseBackend):
        await created(database, at=at(10))
        earlier = await database.append(OWNER, "s", said(seconds=5))
        assert earlier.message.timestamp == at(5)
        assert earlier.session.last_activity == at(10)
        assert (await database.get_session(OWNER, "s")).last_activity == at(10)

    async def test_the_first_user_message_names_an_untitled_session(
        self, database: DatabaseBackend
    ):
        await created(database)
        for role in ("system", "assistant", "tool"):
            quiet: Role = role
            await database.append(OWNER, "s", said("not a title", role=quiet))
        assert (await database.get_session(OWNER, "s")).title == ""
        named = await database.append(OWNER, "s", said("  How do\n tides   work? "))
        assert named.session.title == "How do tides work?"
        kept = await database.append(OWNER, "s", said("Another question"))
        assert kept.session.title == "How do tides work?"

    async def test_a_title_that_a_person_gave_stays(self, database: DatabaseBackend):
        await created(database, title="Mine")
        assert (await database.append(OWNER, "s", said("Hello"))).session.title == "Mine"

    async def test_the_same_message_again_adds_nothing_and_says_duplicate(
        self, database: DatabaseBackend
    ):
        await created(database)
        first = await database.append(OWNER, "s", said("once", key="k"))
        await database.append(OWNER, "s", said("between"))
        before = await everything(database)
        again = await database.append(OWNER, "s", said("once", key="k", seconds=99))
        assert again.duplicate
        assert again.message == first.message
        assert again.session == await database.get_session(OWNER, "s")
        assert await everything(database) == before

    async def test_a_duplicate_carries_its_turn_as_it_is_now(self, database: DatabaseBackend):
        await created(database)
        first = await database.append(OWNER, "s", said("once", key="k"), turn=wish("one"))
        assert first.turn is not None
        running = await database.append(OWNER, "s", said("once", key="k"), turn=wish("two"))
        assert (running.duplicate, running.turn) == (True, first.turn)
        ended = (await answered(database, "one")).turn
        done = await database.append(OWNER, "s", said("once", key="k"), turn=wish("three"))
        assert (done.duplicate, done.turn) == (True, ended)
        assert len(await whole_log(database)) == 2

    async def test_a_duplicate_is_found_before_parent_and_busy_are_looked_at(
        self, database: DatabaseBackend
    ):
        await created(database)
        first = await database.append(OWNER, "s", said("once", key="k"), turn=wish("one"))
        again = await database.append(
            OWNER, "s", said("once", key="k", parent=77), turn=wish("two", when_busy="reject")
        )
        assert (again.duplicate, again.message) == (True, first.message)

    @pytest.mark.parametrize(
        "other", [said("else", key="k"), said("once", key="k", role="system"), said("", key="k")]
    )
    async def test_the_same_key_with_other_content_raises_and_changes_nothing(
        self, database: DatabaseBackend, other
    ):
        await created(database)
        await database.append(OWNER, "s", said("once", key="k"))
        before = await everything(database)
        with pytest.raises(IdempotencyConflict):
            await database.append(OWNER, "s", other, turn=wish())
        assert await everything(database) == before

    async def test_a_key_means_something_in_its_own_session_only(self, database: DatabaseBackend):
        for session_id in ("a", "b"):
            await created(database, session_id)
            stored = await database.append(OWNER, session_id, said(session_id, key="k"))
            assert not stored.duplicate

    async def test_messages_without_a_key_are_never_duplicates(self, database: DatabaseBackend):
        await created(database)
        seqs = [(await database.append(OWNER, "s", said("same"))).message.seq for _ in range(3)]
        assert seqs == [1, 2, 3]

    async def test_a_refused_append_leaves_its_key_free(self, database: DatabaseBackend):
        await created(database)
        await asked(database)
        with pytest.raises(SessionBusy):
            await database.append(
                OWNER, "s", said("now", key="k"), turn=wish("two", when_busy="reject")
            )
        with pytest.raises(MessageNotFound):
            await database.append(OWNER, "s", said("now", key="k", parent=9))
        assert not (await database.append(OWNER, "s", said("other", key="k"))).duplicate


class ReadPromises:
    """What holds for pages of a branch and of the log."""

    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 7, 100])
    async def test_a_branch_is_read_upwards_in_pages_that_fit_together(
        self, database: DatabaseBackend, limit: int
    ):
        await created(database)
        for n in range(6):
            await database.append(OWNER, "s", said(f"m{n}"))
        seqs: list[int] = []
        before: int | None = None
        while True:
            page = await database.branch(OWNER, "s", before=before, limit=limit)
            seqs = [message.seq for message in page.messages] + seqs
            assert len(page.messages) <= limit
            if not page.has_more:
                break
            assert len(page.messages) == limit
            before = page.messages[0].seq
        assert seqs == [1, 2, 3, 4, 5, 6]

    async def test_a_branch_leaves_out_its_siblings_at_every_limit(self, database: DatabaseBackend):
        # 1 ─ 2 ─ 3          the first try
        # │   └─ 4 ─ 5 ─ 8   an edit, whose tip is the leaf
        # └─ 6 ─ 7           another edit in between
        await created(database)
        for parent in (0, 1, 2, 2, 4, 1, 6, 5):
            await database.append(OWNER, "s", said(f"under {parent}", parent=parent))
        path = [1, 2, 4, 5, 8]
        for limit in range(1, 7):
            page = await database.branch(OWNER, "s", limit=limit)
            assert [message.seq for message in page.messages] == path[-limit:]
            assert page.has_more is (limit < len(path))
            for at_path in range(1, 5):
                page = await database.branch(OWNER, "s", before=path[at_path], limit=limit)
                assert [m.seq for m in page.messages] == path[max(0, at_path - limit) : at_path]
                assert page.has_more is (limit < at_path)

    async def test_before_may_stand_on_another_branch(self, database: DatabaseBackend):
        await created(database)
        for parent in (0, 1, 2, 1, 4):
            await database.append(OWNER, "s", said(f"under {parent}", parent=parent))
        page = await database.branch(OWNER, "s", before=3)
        assert [message.seq for message in page.messages] == [1, 2]
        assert page.session.leaf_seq == 5

    async def test_above_a_root_there_is_nothing(self, database: DatabaseBackend):
        await created(database)
        await database.append(OWNER, "s", said())
        page = await database.branch(OWNER, "s", before=1)
        assert (page.messages, page.has_more) == ((), False)

    async def test_the_branch_of_an_empty_session_is_empty(self, database: DatabaseBackend):
        session = await created(database)
        page = await database.branch(OWNER, "s")
        assert (page.session, page.messages, page.has_more, page.turns) == (session, (), False, ())

    async def test_with_the_leaf_at_zero_the_branch_is_empty(self, database: DatabaseBackend):
        await created(database)
        await database.append(OWNER, "s", said())
        await database.update_session(OWNER, "s", SessionPatch(leaf_seq=0), at=at(1))
        page = await database.branch(OWNER, "s")
        assert (page.messages, page.has_more) == ((), False)

    @pytest.mark.parametrize("before", [-1, 0, 3, 2**40, 2**80])
    async def test_reading_above_an_unknown_message_raises_message_not_found(
        self, database: DatabaseBackend, before: int
    ):
        await created(database)
        for _ in range(2):
            await database.append(OWNER, "s", said())
        with pytest.raises(MessageNotFound):
            await database.branch(OWNER, "s", before=before)

    @pytest.mark.parametrize("limit", [1, 2, 4, 5, 6, 100])
    async def test_the_log_is_read_downwards_with_all_branches(
        self, database: DatabaseBackend, limit: int
    ):
        await created(database)
        for parent in (0, 1, 1, 3, 0):
            await database.append(OWNER, "s", said(f"under {parent}", parent=parent))
        seqs: list[int] = []
        while True:
            page = await database.log(OWNER, "s", after=len(seqs), limit=limit)
            seqs += [message.seq for message in page.messages]
            assert page.session.head_seq == 5
            assert page.has_more is (len(seqs) < 5)
            if not page.has_more:
                break
            assert len(page.messages) == limit
        assert seqs == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize("after", [2, 3, 2**40, 2**80])
    async def test_after_the_head_the_log_is_empty(self, database: DatabaseBackend, after: int):
        await created(database)
        for _ in range(2):
            await database.append(OWNER, "s", said())
        page = await database.log(OWNER, "s", after=after)
        assert (page.messages, page.has_more) == ((), False)

    async def test_branch_and_log_name_the_unfinished_turns_in_the_order_they_run(
        self, database: DatabaseBackend
    ):
        await created(database)
        opened = [(await asked(database, f"t{n}")).turn for n in range(3)]
        for page in (
            await database.branch(OWNER, "s", limit=1),
            await database.log(OWNER, "s", limit=1),
        ):
            assert list(page.turns) == opened
        await answered(database, "t1", status="cancelled")
        assert [turn.id for turn in (await database.branch(OWNER, "s")).turns] == ["t0", "t2"]

    async def test_a_long_session_reads_its_newest_page_and_every_older_one(
        self, database: DatabaseBackend
    ):
        await created(database)
        for n in range(230):
            await database.append(OWNER, "s", said(f"m{n}"))
        newest = await database.branch(OWNER, "s")
        assert [message.seq for message in newest.messages] == list(range(181, 231))
        assert newest.has_more
        assert [message.seq for message in await whole_log(database)] == list(range(1, 231))


class MessagePromises(AppendPromises, ReadPromises):
    """What holds for the messages of a session."""
