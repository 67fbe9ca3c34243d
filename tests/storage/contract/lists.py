"""Lists of sessions: order, pages, the three states, and the search in titles."""

from __future__ import annotations

from typing import Any

import pytest

from cipher.errors import BadRequest
from cipher.model import Session, SessionPatch, SessionState
from cipher.storage.base import DatabaseBackend, encode_cursor
from tests.storage.samples import OWNER, STRANGER, at, created, said


class ListPromises:
    """What holds for `list_sessions`."""

    async def test_the_list_has_the_newest_activity_first(self, database: DatabaseBackend):
        for session_id, seconds in (("b", 2), ("a", 3), ("c", 1)):
            await created(database, session_id, at=at(seconds))
        await database.append(OWNER, "c", said(seconds=4))
        assert await _ids(database) == ["c", "a", "b"]

    async def test_sessions_of_one_millisecond_have_a_fixed_order(self, database: DatabaseBackend):
        for session_id in ("b", "A", "a", "_", "-", "B", "0"):
            await created(database, session_id)
        assert await _ids(database) == ["b", "a", "_", "B", "A", "0", "-"]

    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 6, 7])
    async def test_pages_hold_each_session_once_and_the_last_says_so(
        self, database: DatabaseBackend, limit: int
    ):
        for n in range(6):
            await created(database, f"s{n}", at=at(n // 3))
        pages = await _pages(database, limit=limit)
        assert [s.id for page in pages for s in page] == ["s5", "s4", "s3", "s2", "s1", "s0"]
        assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
        assert len(pages) == -(-6 // limit)

    async def test_an_empty_list_is_one_page(self, database: DatabaseBackend):
        page = await database.list_sessions(OWNER)
        assert (page.sessions, page.next_cursor) == ((), None)

    async def test_activity_while_paging_hides_no_untouched_session_and_repeats_none(
        self, database: DatabaseBackend
    ):
        for n in range(9):
            await created(database, f"s{n}", at=at(n))
        seen: list[str] = []
        cursor: str | None = None
        for step in range(3):
            page = await database.list_sessions(OWNER, limit=3, cursor=cursor)
            seen += [session.id for session in page.sessions]
            cursor = page.next_cursor
            await created(database, f"new{step}", at=at(100 + step))
            await database.append(OWNER, "s1", said(seconds=200 + step))
            await database.append(OWNER, seen[0], said(seconds=300 + step))
        assert len(seen) == len(set(seen))
        assert set(seen) == {f"s{n}" for n in range(9)} - {"s1"}

    async def test_a_page_goes_on_where_its_cursor_stands_though_that_session_is_gone(
        self, database: DatabaseBackend
    ):
        for n in range(4):
            await created(database, f"s{n}", at=at(n))
        page = await database.list_sessions(OWNER, limit=2)
        await database.purge_session(OWNER, "s2")
        rest = await database.list_sessions(OWNER, limit=2, cursor=page.next_cursor)
        assert [session.id for session in rest.sessions] == ["s1", "s0"]

    async def test_each_session_is_in_the_list_of_its_state_alone(self, database: DatabaseBackend):
        for session_id in ("active", "archived", "trash", "archived-trash"):
            await created(database, session_id)
        for session_id in ("archived", "archived-trash"):
            await database.update_session(OWNER, session_id, SessionPatch(archived=True), at=at(1))
        for session_id in ("trash", "archived-trash"):
            await database.delete_session(OWNER, session_id, at=at(2))
        assert await _ids(database) == ["active"]
        assert await _ids(database, state="archived") == ["archived"]
        assert await _ids(database, state="trash") == ["trash", "archived-trash"]

    async def test_the_list_row_equals_the_session(self, database: DatabaseBackend):
        await created(database, title="T", metadata={"a": [1]})
        await database.append(OWNER, "s", said(seconds=3))
        page = await database.list_sessions(OWNER)
        assert page.sessions == (await database.get_session(OWNER, "s"),)

    async def test_nobody_sees_a_strangers_sessions(self, database: DatabaseBackend):
        await created(database, title="mine")
        await database.create_session(STRANGER, "t", title="mine too", at=at(0))
        cursor = encode_cursor(10**14, "z")
        assert await _ids(database) == ["s"]
        assert await _ids(database, query="mine", cursor=cursor) == ["s"]
        assert not (await database.list_sessions("nobody")).sessions

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", {"percent", "plain", "path", "upper", "german", "russian", "greek", "emoji"}),
            ("%", {"percent"}),
            ("_", {"percent"}),
            ("0% o", {"percent"}),
            ("\\", {"path"}),
            ("'", {"path"}),
            ("100X", set()),
            ("plain", {"plain"}),
            ("LAIN T", {"plain"}),
            ("shout", {"upper"}),
            ("äpfel", {"german"}),
            ("ÄPFEL", {"german"}),
            ("STRASSE", {"german"}),
            ("привет", {"russian"}),
            ("όσοσ", {"greek"}),
            ("👩‍👩‍👧", {"emoji"}),
            ("nothing like it", set()),
        ],
    )
    async def test_a_query_keeps_the_titles_that_contain_it_whatever_the_case(
        self, database: DatabaseBackend, query: str, found: set[str]
    ):
        titles = {
            "percent": "100% of_it",
            "plain": "Plain Title",
            "path": r"C:\temp 'x'",
            "upper": "SHOUTING",
            "german": "Äpfel in der Straße",
            "russian": "ПРИВЕТ, мир",
            "greek": "ΌΣΟΣ",
            "emoji": "family 👩‍👩‍👧",
        }
        for session_id, title in titles.items():
            await created(database, session_id, title=title)
        assert set(await _ids(database, query=query)) == found

    async def test_pages_of_a_query_hold_each_hit_once(self, database: DatabaseBackend):
        for n in range(10):
            await created(database, f"s{n}", title="hit" if n % 2 else "miss", at=at(n))
        pages = await _pages(database, limit=2, query="HIT")
        assert [[session.id for session in page] for page in pages] == [
            ["s9", "s7"],
            ["s5", "s3"],
            ["s1"],
        ]

    @pytest.mark.parametrize("state", ["archived", "trash"])
    async def test_a_query_searches_the_asked_state(
        self, database: DatabaseBackend, state: SessionState
    ):
        for session_id in ("active", "archived", "trash"):
            await created(database, session_id, title="same")
        await database.update_session(OWNER, "archived", SessionPatch(archived=True), at=at(1))
        await database.delete_session(OWNER, "trash", at=at(1))
        assert await _ids(database, state=state, query="SAME") == [state]

    @pytest.mark.parametrize(
        "cursor",
        [
            "",
            "x",
            "!!!",
            "not a cursor",
            "ünïcode",
            "MTIz",
            encode_cursor(1, "s")[:-1],
            encode_cursor(1, "s") + "=",
            encode_cursor(1, "s") + "AA",
            encode_cursor(10**30, "s"),
            encode_cursor(-(10**30), "s"),
            encode_cursor(1, "s'; DROP TABLE sessions; --"),
            encode_cursor(1, "x" * 65),
            encode_cursor(1, ""),
            "A" * 10_000,
        ],
        ids=lambda cursor: cursor[:24] or "empty",
    )
    async def test_a_cursor_that_no_page_gave_out_raises_bad_request(
        self, database: DatabaseBackend, cursor: str
    ):
        await created(database)
        with pytest.raises(BadRequest):
            await database.list_sessions(OWNER, cursor=cursor)


async def _ids(database: DatabaseBackend, **options: Any) -> list[str]:
    page = await database.list_sessions(OWNER, **options)
    return [session.id for session in page.sessions]


async def _pages(
    database: DatabaseBackend, *, limit: int, query: str = ""
) -> list[tuple[Session, ...]]:
    pages: list[tuple[Session, ...]] = []
    cursor: str | None = None
    while True:
        page = await database.list_sessions(OWNER, limit=limit, cursor=cursor, query=query)
        pages.append(page.sessions)
        cursor = page.next_cursor
        if cursor is None:
            return pages
