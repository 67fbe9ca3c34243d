"""A conversation on its own: written down whole, and brought back."""

from __future__ import annotations

from pathlib import Path

import pytest

from cipher.errors import BadRequest, SessionExists
from cipher.model import NewMessage, SessionPatch, new_id, text_parts, utc_now
from cipher.sessions.manager import SessionManager
from cipher.sessions.session import ConversationSession
from cipher.storage.sqlite import SqliteDatabase
from tests.sessions.conftest import OWNER


@pytest.fixture
async def session(manager: SessionManager) -> ConversationSession:
    """A conversation with two branches."""
    await manager.create(OWNER, "s", title="Café", metadata={"tags": ["a"]})
    session = await manager.load(OWNER, "s")
    for text, parent in (("One", None), ("Two 🙂", None), ("Instead of two", 1)):
        message = NewMessage(
            id=new_id(),
            role="user",
            parts=text_parts(text),
            timestamp=utc_now(),
            parent_seq=parent,
            client_msg_id=f"key-{text[:3]}",
        )
        await session.append(message)
    await manager.update(OWNER, "s", SessionPatch(pinned=True, leaf_seq=2))
    return session


async def test_a_session_that_was_written_down_is_the_same_in_another_database(
    session: ConversationSession, tmp_path: Path
) -> None:
    data = await session.serialize()
    other = SqliteDatabase(tmp_path / "other.db")
    await other.open()
    again = await ConversationSession.deserialize(other, "bob", data)
    assert (again.id, again.owner_id) == ("s", "bob")
    assert (await again.log()).messages == (await session.log()).messages
    here, there = await session.info(), await again.info()
    assert (there.title, there.metadata) == (here.title, here.metadata)
    assert (there.pinned, there.leaf_seq, there.created_at) == (True, 2, here.created_at)
    assert there.epoch != here.epoch
    assert await again.serialize() == data
    await other.close()


async def test_a_session_is_not_brought_back_over_one_that_is_or_was_there(
    manager: SessionManager, session: ConversationSession
) -> None:
    data = await session.serialize()
    database = manager.storage.database
    with pytest.raises(SessionExists):
        await ConversationSession.deserialize(database, OWNER, data)
    await manager.remove(OWNER, "s", purge=True)
    with pytest.raises(SessionExists):
        await ConversationSession.deserialize(database, OWNER, data)
    assert (await manager.list(OWNER)).sessions == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"messages": [{"role": "user", "content": "Hi"}]}',
        b'{"format": "cipher-sessions", "version": 1, "sessions": []}',
        b'{"format": "cipher-sessions", "version": 2, "sessions": [{}]}',
        b'{"format": "cipher-sessions", "version": 1, "sessions": [{"id": "../x"}]}',
    ],
)
async def test_what_is_no_session_of_ours_is_refused(manager: SessionManager, data: bytes) -> None:
    with pytest.raises(BadRequest, match="The session can not be read"):
        await ConversationSession.deserialize(manager.storage.database, OWNER, data)
    assert (await manager.list(OWNER)).sessions == ()
