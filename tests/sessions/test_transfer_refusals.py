"""Input that can not be taken over: each kind is named, counted, placed, and costs itself only."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cipher.errors import StorageFull
from cipher.model import LOCAL_OWNER, Session
from cipher.sessions.transfer import Importer, ImportReport, import_stream
from cipher.storage.base import DatabaseBackend
from cipher.storage.manager import StorageManager
from cipher.storage.memory import MemoryDatabase

GOOD = {"id": "good", "messages": [{"role": "user", "content": "Hello"}]}
START = "2026-01-01T00:00:00Z"


@pytest.fixture
def database(storage: StorageManager) -> DatabaseBackend:
    return storage.database


async def taken(database: DatabaseBackend, data: bytes) -> ImportReport:
    return await import_stream(database, LOCAL_OWNER, io.BytesIO(data))


def user(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"hello there", "not valid JSON"),
        (b'{"messages": [{"role": "user"', "the JSON breaks off"),
        (b'{"messages": NaN}', "not valid JSON"),
        ('{"messages": "\xe9"}'.encode("latin-1"), "not UTF-8 text"),
        (b"[" * 100_000, "nested too deep"),
        (b"42", "not a conversation: not a JSON object"),
        (b'["messages"]', "not a conversation: not a JSON object"),
        (b"{}", 'not a conversation: no "messages", "conversations" or "mapping" in it'),
        (
            b'{"role": "user", "content": "x"}',
            'a message outside a conversation; put them into {"messages": [...]}',
        ),
        (b'{"messages": []}', "no messages"),
        (b'{"messages": "x"}', '"messages" is not a list'),
        (b'{"messages": [1]}', "message 1 is not an object"),
        (b'{"messages": [{"content": "x"}]}', "message 1 has the unknown role None"),
        (b'{"messages": [{"role": ["user"], "content": "x"}]}', "message 1 has the unknown role"),
        (json.dumps(user({"a": 1})).encode(), "content is neither text nor a list of blocks"),
        (json.dumps(user([7])).encode(), "a block of content is neither text nor an object"),
        (json.dumps(user("")).encode(), "no messages"),
        (json.dumps(user("x" * 200_001)).encode(), "message 1 has more than 200,000 characters"),
        (b'{"conversations": {}}', '"conversations" is not a list'),
        (
            b'{"conversations": [{"from": "cat", "value": "x"}]}',
            "message 1 has the unknown speaker",
        ),
        (b'{"mapping": []}', '"mapping" is not an object'),
        (b'{"mapping": {}}', "no messages"),
        (
            b'{"mapping": {"a": {"message": {"author": {"role": "cat"}, "content": {}}}}}',
            "a message has the unknown role 'cat'",
        ),
        (b'{"mapping": {"a": {"message": {"author": 1, "content": 2}}}}', "a message has the unk"),
    ],
)
async def test_a_bad_line_is_named_and_its_neighbours_are_kept(
    database: DatabaseBackend, bad: bytes, reason: str
) -> None:
    good = json.dumps(GOOD).encode()
    other = json.dumps({**GOOD, "id": "other"}).encode()
    report = await taken(database, b"\n".join((good, bad, other)))
    assert report.sessions == ("good", "other")
    [remark] = report.skipped
    assert remark.reason.startswith(reason)
    assert (remark.count, remark.examples) == (1, ("line 2",))
    assert not report.in_vain


async def test_content_of_exactly_the_limit_is_kept(database: DatabaseBackend) -> None:
    report = await taken(database, json.dumps(user("x" * 200_000)).encode())
    assert report.added == 1


async def test_lone_surrogates_and_nul_are_replaced_and_noted(database: DatabaseBackend) -> None:
    data = b'{"id": "s", "messages": [{"role": "user", "content": "a\\ud83d b\\u0000"}]}'
    report = await taken(database, data)
    page = await database.log(LOCAL_OWNER, "s")
    assert page.messages[0].content == "a\ufffd b\ufffd"
    assert [(n.count, n.examples) for n in report.notes] == [(1, ("line 1",))]


async def test_numbers_out_of_range_cost_nothing_but_themselves(database: DatabaseBackend) -> None:
    huge = b'{"id": "s", "score": 1%b, "created_at": 1%b, "messages": [{"role":"user",' % (
        (b"0" * 400,) * 2
    )
    report = await taken(database, huge + b'"content":"x"}]}\n' + json.dumps(GOOD).encode())
    assert "good" in report.sessions


async def test_a_file_with_nothing_to_take_was_in_vain(database: DatabaseBackend) -> None:
    report = await taken(database, b"nothing\nto see\n")
    assert report.in_vain
    [remark] = report.skipped
    assert (remark.count, remark.examples) == (2, ("line 1", "line 2"))


async def test_the_report_stays_small_however_much_is_wrong(database: DatabaseBackend) -> None:
    rows = [{"messages": [{"role": f"role {n}"}]} for n in range(1_000)]
    report = await taken(database, "\n".join(map(json.dumps, rows)).encode())
    assert sum(remark.count for remark in report.skipped) == 1_000
    assert len(report.skipped) <= 51
    assert max(len(remark.examples) for remark in report.skipped) <= 5


async def test_what_was_deleted_here_does_not_come_back(database: DatabaseBackend) -> None:
    data = json.dumps(GOOD).encode()
    await taken(database, data)
    await database.delete_session(LOCAL_OWNER, "good", at=datetime(2026, 1, 1, tzinfo=UTC))
    in_trash = await taken(database, data)
    await database.purge_session(LOCAL_OWNER, "good")
    erased = await taken(database, data)
    assert [(r.added, r.deleted, r.in_vain) for r in (in_trash, erased)] == [(0, 1, False)] * 2


def own(**changes: Any) -> dict[str, Any]:
    """A session of our own export."""
    session = {
        "id": "own",
        "createdAt": START,
        "lastActivity": START,
        "leafSeq": 1,
        "messages": [message()],
    }
    return {**session, **changes}


def message(**changes: Any) -> dict[str, Any]:
    told = {
        "id": "m",
        "seq": 1,
        "parentSeq": 0,
        "role": "user",
        "parts": [{"type": "text", "text": "Hello"}],
        "timestamp": START,
    }
    return {**told, **changes}


@pytest.mark.parametrize(
    ("session", "reason"),
    [
        (own(id="../etc"), "Expected `str` matching regex"),
        (own(id=7), "Expected `str`, got `int` - at `$.id`"),
        (own(createdAt="soon"), "Invalid RFC3339 encoded datetime - at `$.createdAt`"),
        (own(createdAt="1950-01-01T00:00:00Z"), "a time before 1970 or after 9999"),
        (own(leafSeq=2), "leafSeq is not one of its messages"),
        (own(title="x" * 201), "a title over the limit of 200 characters"),
        (own(metadata={"x": "y" * 70_000}), "metadata over the limit of 65,536 bytes"),
        (own(messages=[message(seq=2)]), "messages are not numbered 1, 2, 3"),
        (own(messages=[message(parentSeq=1)]), "messages are not numbered 1, 2, 3"),
        (own(messages=[message(role="cat")]), "Invalid enum value 'cat'"),
        (own(messages=[message(parts=[{"type": "cat"}])]), "Invalid value 'cat'"),
        (own(messages=[message(attempt=2**40)]), "message 1 has an attempt out of range"),
        (
            own(messages=[message(parts=[{"type": "text", "text": "x" * 200_001}])]),
            "message 1 has more than 200,000 characters",
        ),
        (
            own(messages=[message(), message(seq=2, parentSeq=1)]),
            "message 2 repeats the id of another",
        ),
    ],
)
async def test_a_bad_session_in_our_own_export_is_named_and_the_others_are_kept(
    database: DatabaseBackend, session: dict[str, Any], reason: str
) -> None:
    export = {"format": "cipher-sessions", "version": 1, "sessions": [session, own(id="fine")]}
    report = await taken(database, json.dumps(export).encode())
    assert report.sessions == ("fine",)
    [remark] = report.skipped
    assert remark.reason.startswith(reason)
    assert remark.examples == ("item 1",)


async def test_an_export_of_a_later_version_is_refused_by_name(database: DatabaseBackend) -> None:
    export = {"format": "cipher-sessions", "version": 2, "sessions": [own()]}
    report = await taken(database, json.dumps(export).encode())
    [remark] = report.skipped
    assert remark.reason == "an export of version 2; this version of Cipher reads version 1"


@pytest.mark.parametrize("sort_keys", [True, False])
@pytest.mark.parametrize("indent", [None, 2])
async def test_our_own_export_is_known_however_it_was_reformatted(
    database: DatabaseBackend, sort_keys: bool, indent: int | None
) -> None:
    export = {"format": "cipher-sessions", "version": 1, "sessions": [own(), own(id="b", title=1)]}
    data = json.dumps(export, sort_keys=sort_keys, indent=indent).encode()
    report = await taken(database, data)
    assert report.formats == {"cipher": 1}
    assert [remark.count for remark in report.skipped] == [1]


async def test_sessions_taken_out_of_our_export_one_a_line_are_known_too(
    database: DatabaseBackend,
) -> None:
    report = await taken(database, f"{json.dumps(own())}\n{json.dumps(own(id='b'))}".encode())
    assert report.formats == {"cipher": 2}


class FillingUp(MemoryDatabase):
    """A database whose disk has room for so many sessions."""

    room = 100

    async def import_session(self, session: Session, log: Any) -> bool:
        if self.room == 0:
            raise StorageFull
        self.room -= 1
        return await super().import_session(session, log)


async def test_a_full_disk_stops_the_import_and_the_report_says_what_is_kept() -> None:
    database = FillingUp()
    await database.open()
    rows = [{"id": f"s{n}", "messages": [{"role": "user", "content": "x"}]} for n in range(200)]
    data = "\n".join(map(json.dumps, rows)).encode()
    importer = Importer(database, LOCAL_OWNER)
    with pytest.raises(StorageFull):
        await importer.take(io.BytesIO(data))
    assert importer.report().added == 100
    database.room = 1_000
    again = await import_stream(database, LOCAL_OWNER, io.BytesIO(data))
    assert (again.added, again.already_there) == (100, 100)
