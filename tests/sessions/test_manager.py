"""What `SessionManager` promises: memory is bounded, nothing stored is hidden, news come after."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from cipher.errors import SessionExists, SessionNotFound
from cipher.events import Event, SessionCreated, SessionDeleted, SessionUpdated
from cipher.model import NewMessage, SessionPatch, new_id, text_parts, utc_now
from cipher.sessions.bus import LocalBus
from cipher.sessions.manager import SessionManager, SessionManagerConfig
from cipher.storage.manager import StorageManager

OWNER = "ada"


def message(text: str) -> NewMessage:
    return NewMessage(id=new_id(), role="user", parts=text_parts(text), timestamp=utc_now())


async def test_memory_holds_the_most_recently_used_sessions_and_storage_all(
    manager: SessionManager,
) -> None:
    for number in range(5):
        await manager.create(OWNER, f"s{number}")
        await manager.load(OWNER, f"s{number}")
    assert [session.id for session in manager.all_held()] == ["s2", "s3", "s4"]
    page = await manager.list(OWNER)
    assert {session.id for session in page.sessions} == {f"s{number}" for number in range(5)}


async def test_loading_a_session_again_makes_it_the_most_recent(manager: SessionManager) -> None:
    for name in ("a", "b", "c"):
        await manager.create(OWNER, name)
        await manager.load(OWNER, name)
    await manager.load(OWNER, "a")
    await manager.create(OWNER, "d")
    await manager.load(OWNER, "d")
    assert [session.id for session in manager.all_held()] == ["c", "a", "d"]


async def test_an_evicted_session_keeps_every_message(manager: SessionManager) -> None:
    await manager.create(OWNER, "kept")
    session = await manager.load(OWNER, "kept")
    await session.append(message("still here?"))
    manager.forget("kept")
    assert manager.held("kept") is None
    again = await manager.load(OWNER, "kept")
    page = await again.history()
    assert [found.content for found in page.messages] == ["still here?"]


async def test_loading_what_is_missing_or_belongs_to_another_looks_the_same(
    manager: SessionManager,
) -> None:
    await manager.create(OWNER, "mine")
    await manager.load(OWNER, "mine")
    with pytest.raises(SessionNotFound) as foreign:
        await manager.load("bob", "mine")
    with pytest.raises(SessionNotFound) as missing:
        await manager.load("bob", "nothing")
    assert foreign.value.message == missing.value.message


async def test_an_id_is_used_once(manager: SessionManager) -> None:
    await manager.create(OWNER, "once")
    with pytest.raises(SessionExists):
        await manager.create(OWNER, "once")
    await manager.remove(OWNER, "once", purge=True)
    with pytest.raises(SessionExists):
        await manager.create(OWNER, "once")


async def test_everyone_hears_of_every_change_once(
    manager: SessionManager, heard: list[Event]
) -> None:
    await manager.create(OWNER, "news")
    await manager.update(OWNER, "news", SessionPatch(title="Headlines", pinned=True))
    await manager.remove(OWNER, "news")
    await manager.restore(OWNER, "news")
    kinds = [type(event) for event in heard]
    assert kinds == [SessionCreated, SessionUpdated, SessionDeleted, SessionCreated]
    updated = heard[1]
    assert isinstance(updated, SessionUpdated)
    assert (updated.session.title, updated.session.pinned) == ("Headlines", True)
    assert updated.running is False


async def test_a_failed_change_is_no_news(manager: SessionManager, heard: list[Event]) -> None:
    with pytest.raises(SessionNotFound):
        await manager.update(OWNER, "nothing", SessionPatch(title="x"))
    with pytest.raises(SessionNotFound):
        await manager.remove(OWNER, "nothing")
    assert heard == []


@pytest.fixture
def without_patience(storage: StorageManager, bus: LocalBus) -> dict[str, SessionManager]:
    """Managers for which every session is idle too long, one for each action."""
    base = SessionManagerConfig(idle=timedelta(0))
    return {
        action: SessionManager(storage, bus, msgspec.structs.replace(base, ttl_action=action))
        for action in ("evict", "archive", "delete")
    }


async def test_the_age_limit_evicts_and_leaves_what_is_stored_alone(
    without_patience: dict[str, SessionManager],
) -> None:
    manager = without_patience["evict"]
    await manager.create(OWNER, "old")
    await manager.load(OWNER, "old")
    await manager.sweep()
    assert manager.all_held() == ()
    assert [session.id for session in (await manager.list(OWNER)).sessions] == ["old"]


@pytest.mark.parametrize(("action", "state"), [("archive", "archived"), ("delete", "trash")])
async def test_the_age_limit_expires_stored_sessions_only_if_asked(
    without_patience: dict[str, SessionManager], action: str, state: str
) -> None:
    manager = without_patience[action]
    long_ago = utc_now() - timedelta(hours=2)
    await manager.storage.database.create_session(OWNER, "old", at=long_ago)
    await manager.storage.database.create_session(OWNER, "pinned", at=long_ago)
    await manager.update(OWNER, "pinned", SessionPatch(pinned=True))
    await manager.sweep()
    moved = await manager.list(OWNER, state="archived" if state == "archived" else "trash")
    assert [session.id for session in moved.sessions] == ["old"]
    assert [session.id for session in (await manager.list(OWNER)).sessions] == ["pinned"]


async def test_load_all_holds_the_newest_sessions_newest_first(manager: SessionManager) -> None:
    start = utc_now()
    for number in range(5):
        at = start + timedelta(seconds=number)
        await manager.storage.database.create_session(OWNER, f"s{number}", at=at)
    held = await manager.load_all(OWNER)
    assert [session.id for session in held] == ["s4", "s3", "s2"]


async def test_stats_count_what_is_stored_and_what_is_held(manager: SessionManager) -> None:
    for name in ("a", "b"):
        await manager.create(OWNER, name)
    session = await manager.load(OWNER, "a")
    for text in ("one", "two", "three"):
        await session.append(message(text))
    stats = await manager.stats(OWNER)
    assert (stats.active_sessions, stats.total_sessions, stats.total_messages) == (1, 2, 3)
    assert stats.storage_connected is True
    assert stats.average_message_count == 1.5


async def test_the_sweep_empties_the_trash_of_what_was_deleted_long_ago(
    manager: SessionManager,
) -> None:
    database = manager.storage.database
    for name, days in (("recent", 29), ("old", 31), ("older", 300)):
        await manager.create(OWNER, name)
        await database.delete_session(OWNER, name, at=utc_now() - timedelta(days=days))
    await manager.sweep()
    trash = await manager.list(OWNER, state="trash")
    assert [session.id for session in trash.sessions] == ["recent"]
