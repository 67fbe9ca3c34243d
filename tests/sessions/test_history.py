"""`DatabaseHistoryProvider`, and the offsets of a live turn."""

from __future__ import annotations

import asyncio

from cipher.model import NewMessage, Turn, new_id, text_parts, utc_now
from cipher.sessions.history import PAGE, DatabaseHistoryProvider
from cipher.sessions.manager import SessionManager
from cipher.sessions.session import LiveTurn
from cipher.storage.manager import StorageManager

OWNER = "ada"


def message(text: str) -> NewMessage:
    return NewMessage(id=new_id(), role="user", parts=text_parts(text), timestamp=utc_now())


async def test_history_comes_back_whole_and_in_order_over_many_pages(
    manager: SessionManager, storage: StorageManager
) -> None:
    await manager.create(OWNER, "long")
    history = DatabaseHistoryProvider(storage.database, OWNER, "long")
    texts = [f"message {number}" for number in range(PAGE * 2 + 1)]
    await asyncio.gather(*(history.add_message(message(text)) for text in texts))
    assert [found.content for found in await history.get_messages()] == texts


async def test_clearing_starts_an_empty_branch_and_erases_nothing(
    manager: SessionManager, storage: StorageManager
) -> None:
    await manager.create(OWNER, "cleared")
    history = DatabaseHistoryProvider(storage.database, OWNER, "cleared")
    await history.add_message(message("before"))
    await history.clear_messages()
    assert await history.get_messages() == []
    await history.add_message(message("after"))
    assert [found.content for found in await history.get_messages()] == ["after"]
    log = await storage.database.log(OWNER, "cleared")
    assert [found.content for found in log.messages] == ["before", "after"]


def test_a_live_turn_counts_offsets_in_utf16_code_units_of_each_kind() -> None:
    live = LiveTurn(Turn(id="t", session_id="s", user_seq=1, attempt=1, status="running"))
    assert live.add("text", "a😀") == 0
    assert live.add("reasoning", "hm") == 0
    assert live.add("text", "👩‍👩‍👧b") == 3
    assert live.add("text", "c") == 12
    assert (live.text, live.reasoning, live.off) == ("a😀👩‍👩‍👧bc", "hm", 13)
