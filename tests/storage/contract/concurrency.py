"""Many callers at once, and callers that go away: every verb happens whole or not at all."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from cipher.errors import IdempotencyConflict, SessionBusy, SessionExists, SessionNotFound
from cipher.model import Appended, Finished, SessionPatch
from cipher.storage.base import DatabaseBackend
from tests.storage.samples import (
    OWNER,
    answer,
    answered,
    asked,
    at,
    created,
    lease,
    said,
    whole_log,
    wish,
)

SESSIONS = 12
EACH = 25


class ConcurrencyPromises:
    """What holds when verbs run beside each other."""

    async def test_concurrent_appends_to_one_session_are_numbered_without_gap(
        self, database: DatabaseBackend
    ):
        await created(database)
        done = await asyncio.gather(
            *(database.append(OWNER, "s", said(f"m{n}", key=f"k{n}")) for n in range(300))
        )
        assert sorted(appended.message.seq for appended in done) == list(range(1, 301))
        for appended in done:
            assert appended.session.head_seq == appended.message.seq
            assert appended.message.parent_seq == appended.message.seq - 1
        log = await whole_log(database)
        assert log == sorted((one.message for one in done), key=lambda message: message.seq)
        assert (await database.get_session(OWNER, "s")).message_count == 300

    async def test_appends_that_one_caller_starts_in_order_are_stored_in_order(
        self, database: DatabaseBackend
    ):
        await created(database)
        done = await asyncio.gather(
            *(database.append(OWNER, "s", said(f"m{n}")) for n in range(100))
        )
        assert [appended.message.seq for appended in done] == list(range(1, 101))

    async def test_concurrent_appends_to_many_sessions_do_not_mix(self, database: DatabaseBackend):
        names = [f"s{n}" for n in range(SESSIONS)]
        await asyncio.gather(*(created(database, name) for name in names))
        await asyncio.gather(
            *(
                database.append(OWNER, name, said(f"{name}/{n}"))
                for n in range(EACH)
                for name in names
            )
        )
        for name in names:
            log = await whole_log(database, name)
            assert [message.seq for message in log] == list(range(1, EACH + 1))
            assert {message.content for message in log} == {f"{name}/{n}" for n in range(EACH)}

    async def test_the_same_message_sent_many_times_at_once_is_stored_once(
        self, database: DatabaseBackend
    ):
        await created(database)
        done = await asyncio.gather(
            *(
                database.append(OWNER, "s", said("once", key="k"), turn=wish(f"t{n}"))
                for n in range(40)
            )
        )
        assert Counter(appended.duplicate for appended in done) == {True: 39, False: 1}
        assert len({appended.message for appended in done}) == 1
        assert len({appended.turn for appended in done}) == 1
        assert len(await whole_log(database)) == 1
        assert len(await database.unfinished_turns()) == 1

    @pytest.mark.parametrize("key", ["a.b", "Ärger 🦊", "two words", "x" * 300])
    async def test_a_message_is_found_again_by_a_key_of_any_text(
        self, database: DatabaseBackend, key: str
    ):
        await created(database)
        await created(database, "other")
        first = await database.append(OWNER, "s", said("once", key=key))
        again, beside = await asyncio.gather(
            database.append(OWNER, "s", said("once", key=key)),
            database.append(OWNER, "other", said("beside")),
        )
        assert again.duplicate
        assert again.message == first.message
        assert beside.message.seq == 1

    async def test_one_of_many_who_create_the_same_session_wins(self, database: DatabaseBackend):
        done = await asyncio.gather(
            *(created(database, title=f"t{n}") for n in range(20)), return_exceptions=True
        )
        winners = [one for one in done if not isinstance(one, BaseException)]
        assert winners == [await database.get_session(OWNER, "s")]
        assert sum(isinstance(one, SessionExists) for one in done) == 19

    async def test_one_of_many_turns_runs_at_a_time(self, database: DatabaseBackend):
        await created(database)
        opened = await asyncio.gather(*(asked(database, f"t{n}") for n in range(10)))
        statuses = Counter(one.turn.status for one in opened if one.turn is not None)
        assert statuses == {"running": 1, "queued": 9}
        ended = 0
        while running := [t for t in await database.unfinished_turns() if t.turn.lease_owner]:
            assert len(running) == 1
            await answered(database, running[0].turn.id)
            ended += 1
            started = await asyncio.gather(
                *(database.start_turn(OWNER, "s", lease(f"w{n}")) for n in range(5))
            )
            assert sum(turn is not None for turn in started) == (ended < 10)
        assert ended == 10

    async def test_one_of_many_who_will_not_wait_gets_the_session(self, database: DatabaseBackend):
        await created(database)
        done = await asyncio.gather(
            *(
                database.append(OWNER, "s", said(), turn=wish(f"t{n}", when_busy="reject"))
                for n in range(20)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(one, SessionBusy) for one in done) == 19
        assert len(await whole_log(database)) == 1

    async def test_one_of_many_ends_of_an_attempt_counts_for_all(self, database: DatabaseBackend):
        await created(database)
        await asked(database)
        done: list[Finished] = await asyncio.gather(
            *(database.finish_turn(OWNER, "s", "turn", 1, answer(f"end {n}")) for n in range(20))
        )
        assert len({finished.message for finished in done}) == 1
        assert len(await whole_log(database)) == 2

    async def test_one_of_many_retries_opens_the_attempt(self, database: DatabaseBackend):
        await created(database)
        await asked(database)
        await answered(database)
        done = await asyncio.gather(
            *(database.retry_turn(OWNER, "s", "turn", lease()) for _ in range(10))
        )
        assert Counter(one.duplicate for one in done) == {True: 9, False: 1}
        assert (await database.get_turn(OWNER, "s", "turn")).attempt == 2

    async def test_a_bad_append_among_good_ones_fails_alone(self, database: DatabaseBackend):
        await created(database)
        await database.append(OWNER, "s", said("taken", key="k"))
        done = await asyncio.gather(
            *(
                database.append(OWNER, "s", said("else", key="k"))
                if n % 10 == 5
                else database.append(OWNER, "no-such" if n % 10 == 7 else "s", said(f"m{n}"))
                for n in range(100)
            ),
            return_exceptions=True,
        )
        for n, one in enumerate(done):
            if n % 10 == 5:
                assert isinstance(one, IdempotencyConflict)
            elif n % 10 == 7:
                assert isinstance(one, SessionNotFound)
            else:
                assert isinstance(one, Appended)
        log = await whole_log(database)
        assert [message.seq for message in log] == list(range(1, 82))

    async def test_a_page_shows_session_messages_and_turns_of_one_moment(
        self, database: DatabaseBackend
    ):
        await created(database)

        async def write() -> None:
            for n in range(150):
                await database.append(OWNER, "s", said(f"m{n}"), turn=wish(f"t{n}"))

        async def read() -> None:
            while not writing.done():
                for page in (
                    await database.log(OWNER, "s"),
                    await database.branch(OWNER, "s", limit=500),
                ):
                    seqs = [message.seq for message in page.messages]
                    assert seqs == list(range(1, page.session.head_seq + 1))
                    assert page.session.message_count == page.session.leaf_seq == len(seqs)
                    assert len(page.turns) == len(seqs)

        writing = asyncio.ensure_future(write())
        await asyncio.gather(writing, read(), read(), read())

    async def test_purging_during_appends_leaves_all_or_nothing(self, database: DatabaseBackend):
        await created(database)

        async def write_until_refused() -> None:
            while True:
                try:
                    await database.append(OWNER, "s", said())
                except SessionNotFound:
                    return
                await asyncio.sleep(0)

        writers = [write_until_refused() for _ in range(20)]
        await asyncio.gather(*writers, database.purge_session(OWNER, "s"))
        with pytest.raises(SessionNotFound):
            await database.log(OWNER, "s")
        assert (await database.stats(OWNER)).total_messages == 0

    async def test_changes_to_different_fields_at_once_are_all_kept(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asyncio.gather(
            database.update_session(OWNER, "s", SessionPatch(title="T"), at=at(1)),
            database.update_session(OWNER, "s", SessionPatch(pinned=True), at=at(1)),
            database.update_session(OWNER, "s", SessionPatch(metadata={"a": 1}), at=at(1)),
            database.append(OWNER, "s", said()),
        )
        session = await database.get_session(OWNER, "s")
        assert (session.title, session.pinned, session.metadata) == ("T", True, {"a": 1})
        assert session.head_seq == 1

    @pytest.mark.parametrize("yields", [0, 1, 2, 3, 5, 8])
    async def test_an_append_whose_caller_was_cancelled_happened_whole_or_not_at_all(
        self, database: DatabaseBackend, yields: int
    ):
        await created(database)
        tasks = [
            asyncio.ensure_future(
                database.append(OWNER, "s", said(f"m{n}", key=f"k{n}"), turn=wish(f"t{n}"))
            )
            for n in range(40)
        ]
        for _ in range(yields):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        last = await database.append(OWNER, "s", said("last"))
        log = await whole_log(database)
        assert [message.seq for message in log] == list(range(1, last.message.seq + 1))
        keys = [message.client_msg_id for message in log]
        assert len(keys) == len(set(keys))
        for n, one in enumerate(done):
            if isinstance(one, Appended):
                assert log[one.message.seq - 1] == one.message
            else:
                assert isinstance(one, asyncio.CancelledError)
                assert n % 2 == 0
        stored = {message.turn_id for message in log} - {None}
        assert {turn.id for turn in (await database.branch(OWNER, "s")).turns} == stored
        assert last.session.message_count == len(log)

    async def test_a_cancelled_append_can_be_sent_again(self, database: DatabaseBackend):
        await created(database)
        task = asyncio.ensure_future(database.append(OWNER, "s", said("once", key="k")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await database.append(OWNER, "s", said("once", key="k"))
        assert [message.content for message in await whole_log(database)] == ["once"]

    async def test_a_cancelled_reader_disturbs_nobody(self, database: DatabaseBackend):
        await created(database)
        await database.append(OWNER, "s", said())
        readers = [asyncio.ensure_future(database.branch(OWNER, "s")) for _ in range(20)]
        await asyncio.sleep(0)
        for reader in readers[::2]:
            reader.cancel()
        done = await asyncio.gather(*readers, return_exceptions=True)
        assert all(not isinstance(one, BaseException) for one in done[1::2])
        assert len(await whole_log(database)) == 1

    async def test_closing_waits_for_what_was_accepted(self, database: DatabaseBackend):
        await created(database)
        tasks = [
            asyncio.ensure_future(database.append(OWNER, "s", said(f"m{n}"))) for n in range(50)
        ]
        await asyncio.sleep(0)
        await database.close()
        done = await asyncio.gather(*tasks)
        assert [appended.message.seq for appended in done] == list(range(1, 51))
