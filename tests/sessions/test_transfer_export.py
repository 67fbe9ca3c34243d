"""Exports: lossless and repeatable as JSON, readable as markdown, JSON Lines for other programs."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cipher.errors import SessionNotFound
from cipher.model import (
    LOCAL_OWNER,
    Answer,
    Failure,
    Message,
    MessagePage,
    NewMessage,
    Part,
    ReasoningPart,
    SessionPatch,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
    text_parts,
)
from cipher.sessions.transfer import (
    export_jsonl,
    export_markdown,
    export_session,
    export_sessions,
    import_stream,
    read_branch,
    session_ids,
)
from cipher.storage.base import DatabaseBackend, Lease, OpenTurn
from cipher.storage.manager import StorageManager
from cipher.storage.memory import MemoryDatabase
from cipher.storage.sqlite import SqliteDatabase

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING: tuple[Part, ...] = (
    ReasoningPart(text="Let me see"),
    TextPart(text="Looking. "),
    ToolCallPart(call_id="c", name="look", args='{"at": "```"}'),
    ToolResultPart(call_id="c", name="look", result="blue\n```\n", ok=False),
    TextPart(text="It is *blue* 🟦."),
)


@pytest.fixture
def database(storage: StorageManager) -> DatabaseBackend:
    return storage.database


@pytest.fixture
async def fresh(tmp_path: Path) -> AsyncIterator[DatabaseBackend]:
    """Another, empty database."""
    database = SqliteDatabase(tmp_path / "fresh.db")
    await database.open()
    yield database
    await database.close()


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds, milliseconds=7)


async def say(
    database: DatabaseBackend,
    session_id: str,
    number: int,
    text: str,
    *,
    parent: int | None = None,
    turn: bool = False,
) -> None:
    lease = Lease(owner="w", until=at(10_000))
    message = NewMessage(
        id=f"{session_id}-m{number}",
        role="user",
        parts=text_parts(text),
        timestamp=at(number),
        parent_seq=parent,
        client_msg_id=f"key-{number}",
    )
    wish = OpenTurn(turn_id=f"turn-{number}", lease=lease) if turn else None
    await database.append(LOCAL_OWNER, session_id, message, turn=wish)


async def tell(
    database: DatabaseBackend, session_id: str, number: int, answer: Answer, *, attempt: int = 1
) -> None:
    await database.finish_turn(LOCAL_OWNER, session_id, f"turn-{number}", attempt, answer)


async def storied(database: DatabaseBackend, session_id: str = "storied") -> str:
    """A session with branches, a retried answer, tools, a failure, a pin and metadata."""
    await database.create_session(
        LOCAL_OWNER, session_id, title="Sky & <sea>", metadata={"a": [1, {"b": None}]}, at=START
    )
    await say(database, session_id, 1, "Why blue?", turn=True)
    failed = Answer(
        message_id=f"{session_id}-a1",
        parts=text_parts("It is"),
        status="failed",
        timestamp=at(2),
        error=Failure(code="model_unavailable", message="The model went away."),
    )
    await tell(database, session_id, 1, failed)
    lease = Lease(owner="w", until=at(10_000))
    await database.retry_turn(LOCAL_OWNER, session_id, "turn-1", lease)
    whole = Answer(
        message_id=f"{session_id}-a2",
        parts=EVERYTHING,
        status="complete",
        timestamp=at(3),
        usage=Usage(input_tokens=5, output_tokens=7),
    )
    await tell(database, session_id, 1, whole, attempt=2)
    await say(database, session_id, 4, "Edited: why?", parent=0)
    patch = SessionPatch(pinned=True, leaf_seq=3)
    await database.update_session(LOCAL_OWNER, session_id, patch, at=at(5))
    return session_id


async def exported(database: DatabaseBackend) -> bytes:
    ids = session_ids(database, LOCAL_OWNER, ("active", "archived"))
    return b"".join([piece async for piece in export_sessions(database, LOCAL_OWNER, ids)])


async def log_of(database: DatabaseBackend, session_id: str) -> MessagePage:
    return await database.log(LOCAL_OWNER, session_id, limit=100_000)


async def test_an_export_taken_in_elsewhere_is_the_same_session_and_exports_the_same(
    database: DatabaseBackend, fresh: DatabaseBackend
) -> None:
    await storied(database)
    await database.create_session(LOCAL_OWNER, "empty", at=at(9))
    await database.create_session(LOCAL_OWNER, "archived", at=START)
    patch = SessionPatch(archived=True)
    await database.update_session(LOCAL_OWNER, "archived", patch, at=at(8))
    export = await exported(database)

    report = await import_stream(fresh, LOCAL_OWNER, io.BytesIO(export))

    assert (report.added, report.skipped, report.notes) == (3, (), ())
    for session_id in ("storied", "empty", "archived"):
        before, after = await log_of(database, session_id), await log_of(fresh, session_id)
        assert after.messages == before.messages
        assert after.session == msgspec.structs.replace(before.session, epoch=after.session.epoch)
    assert await exported(fresh) == export


async def test_a_session_that_comes_back_from_a_copy_has_a_new_epoch(
    database: DatabaseBackend, fresh: DatabaseBackend
) -> None:
    await storied(database)
    await import_stream(fresh, LOCAL_OWNER, io.BytesIO(await exported(database)))
    first = await database.get_session(LOCAL_OWNER, "storied")
    second = await fresh.get_session(LOCAL_OWNER, "storied")
    assert first.epoch != second.epoch


async def test_the_older_copy_of_a_session_adds_nothing_and_the_longer_one_a_second_session(
    database: DatabaseBackend, fresh: DatabaseBackend
) -> None:
    await storied(database)
    early = await exported(database)
    await say(database, "storied", 6, "One more")
    late = await exported(database)

    await import_stream(fresh, LOCAL_OWNER, io.BytesIO(early))
    older = await import_stream(database, LOCAL_OWNER, io.BytesIO(early))
    longer = [await import_stream(fresh, LOCAL_OWNER, io.BytesIO(late)) for _ in range(2)]

    assert (older.added, older.already_there) == (0, 1)
    assert [(report.added, report.already_there) for report in longer] == [(1, 0), (0, 1)]
    [copy] = longer[0].sessions
    assert copy.startswith("storied-")
    told = (await log_of(fresh, copy)).messages
    assert [m.parts for m in told] == [
        m.parts for m in (await log_of(database, "storied")).messages
    ]
    assert {m.id for m in told}.isdisjoint(m.id for m in (await log_of(fresh, "storied")).messages)


async def test_an_export_is_json_with_one_message_a_line(database: DatabaseBackend) -> None:
    await storied(database)
    lines = (await exported(database)).decode().splitlines()
    assert lines[0] == '{"format":"cipher-sessions","version":1,"sessions":['
    assert [json.loads(line.rstrip(","))["seq"] for line in lines[2:-2]] == [1, 2, 3, 4]
    document = json.loads("".join(lines))
    assert document["sessions"][0]["messages"][0] == {
        "id": "storied-m1",
        "seq": 1,
        "parentSeq": 0,
        "role": "user",
        "parts": [{"type": "text", "text": "Why blue?"}],
        "timestamp": "2026-01-01T00:00:01.007000Z",
        "turnId": "turn-1",
        "clientMsgId": "key-1",
    }
    assert "epoch" not in document["sessions"][0]
    assert "ownerId" not in document["sessions"][0]


async def test_a_session_longer_than_a_page_is_exported_whole(
    database: DatabaseBackend, fresh: DatabaseBackend
) -> None:
    rows = [{"role": "user", "content": str(number)} for number in range(1_234)]
    data = json.dumps({"id": "long", "messages": rows}).encode()
    await import_stream(database, LOCAL_OWNER, io.BytesIO(data))
    pieces = [piece async for piece in export_session(database, LOCAL_OWNER, "long")]
    report = await import_stream(fresh, LOCAL_OWNER, io.BytesIO(b"".join(pieces)))
    assert report.messages == 1_234
    page = await read_branch(fresh, LOCAL_OWNER, "long")
    assert [message.content for message in page.messages] == [str(n) for n in range(1_234)]
    last = await read_branch(fresh, LOCAL_OWNER, "long", limit=700)
    assert [m.content for m in last.messages] == [str(n) for n in range(534, 1_234)]
    assert last.has_more


class Growing(MemoryDatabase):
    """A database in which a message arrives between any two pages of an export."""

    async def log(self, owner_id: str, session_id: str, **options: Any) -> MessagePage:
        page = await super().log(owner_id, session_id, **options)
        number = page.session.head_seq + 1
        await say(self, session_id, number, "late")
        return page


async def test_an_export_is_the_session_as_it_was_when_it_began() -> None:
    database = Growing()
    await database.open()
    rows = [{"role": "user", "content": str(number)} for number in range(1_400)]
    data = json.dumps({"id": "long", "messages": rows}).encode()
    await import_stream(database, LOCAL_OWNER, io.BytesIO(data))
    export = b"".join([p async for p in export_session(database, LOCAL_OWNER, "long")])
    [session] = json.loads(export)["sessions"]
    assert len(session["messages"]) == session["leafSeq"] == 1_400


async def test_a_missing_session_is_told_before_the_first_byte(database: DatabaseBackend) -> None:
    pieces = export_session(database, LOCAL_OWNER, "nope")
    with pytest.raises(SessionNotFound):
        await anext(pieces)
    with pytest.raises(SessionNotFound):
        await export_markdown(database, LOCAL_OWNER, "nope")


async def test_sessions_that_went_away_are_left_out_of_an_export_of_many(
    database: DatabaseBackend,
) -> None:
    await storied(database)

    async def ids() -> AsyncIterator[str]:
        for session_id in ("gone", "storied", "gone too"):
            yield session_id

    export = b"".join([p async for p in export_sessions(database, LOCAL_OWNER, ids())])
    assert [session["id"] for session in json.loads(export)["sessions"]] == ["storied"]


async def test_an_export_of_nothing_is_an_export_still(database: DatabaseBackend) -> None:
    assert json.loads(await exported(database))["sessions"] == []


async def test_markdown_shows_the_branch_on_screen_and_how_answers_ended(
    database: DatabaseBackend,
) -> None:
    await storied(database)
    text = await export_markdown(database, LOCAL_OWNER, "storied")
    assert text.startswith("# Sky & <sea>\n\nSession `storied`, created 2026-01-01 00:00 UTC\n")
    assert "## User, 2026-01-01 00:00 UTC\n\nWhy blue?\n" in text
    assert "<summary>Reasoning</summary>\n\nLet me see\n" in text
    assert '````\n{"at": "```"}\n````' in text
    assert "Tool failure: look" in text
    assert text.endswith("It is *blue* 🟦.\n")
    assert "Edited" not in text
    patch = SessionPatch(leaf_seq=2)
    await database.update_session(LOCAL_OWNER, "storied", patch, at=at(6))
    other = await export_markdown(database, LOCAL_OWNER, "storied")
    assert other.endswith("(failed)\n\nIt is\n\n> The model went away.\n")


async def test_json_lines_are_what_other_programs_speak_and_come_back_the_same(
    database: DatabaseBackend, fresh: DatabaseBackend
) -> None:
    await storied(database)
    line = await export_jsonl(database, LOCAL_OWNER, "storied")
    assert [message["role"] for message in json.loads(line)["messages"]] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    await import_stream(fresh, LOCAL_OWNER, io.BytesIO(line))
    messages: tuple[Message, ...] = (await log_of(fresh, "storied")).messages
    assert [message.role for message in messages] == ["user", "assistant"]
    assert messages[1].content == "Looking. It is *blue* 🟦."
    assert [type(part) for part in messages[1].parts] == [
        TextPart,
        ToolCallPart,
        ToolResultPart,
        TextPart,
    ]
