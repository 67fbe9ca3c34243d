"""The files of a SQLite database: whose they are, who may open them, and which are left alone."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from structlog.testing import capture_logs

from cipher.errors import ReadOnly, StorageCorrupt, StorageError, StorageUnavailable
from cipher.model import LOCAL_OWNER
from cipher.storage.sqlite import SqliteDatabase
from tests.storage.samples import OWNER, asked, at, created, everything, said, whole_log

pytestmark = pytest.mark.backend

APPENDER = Path(__file__).with_name("appender.py")
HOLD_LOCK = """
import asyncio, sys
from pathlib import Path
from cipher.storage.sqlite import SqliteDatabase

async def main():
    database = SqliteDatabase(Path(sys.argv[1]), exclusive=True)
    await database.open()
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@pytest.fixture
def generous_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.mark.usefixtures("generous_umask")
async def test_only_the_owner_of_the_files_may_read_them(tmp_path: Path):
    folder = tmp_path / "data"
    backend = SqliteDatabase(folder / "sessions.db", exclusive=True)
    await backend.open()
    await created(backend)
    await backend.branch(OWNER, "s")
    modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    await backend.close()
    assert set(modes) >= {"sessions.db", "sessions.db-wal", "sessions.db-shm"}
    assert set(modes.values()) == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("generous_umask")
async def test_every_folder_that_is_made_is_private(tmp_path: Path):
    backend = SqliteDatabase(tmp_path / "outer" / "inner" / "sessions.db")
    await backend.open()
    await backend.close()
    for folder in (tmp_path / "outer", tmp_path / "outer" / "inner"):
        assert folder.stat().st_mode & 0o777 == 0o700


async def test_a_folder_that_exists_keeps_its_mode(path: Path):
    path.parent.chmod(0o750)
    backend = SqliteDatabase(path)
    await backend.open()
    await backend.close()
    assert path.parent.stat().st_mode & 0o777 == 0o750


async def test_closing_leaves_one_file_that_holds_everything(path: Path, tmp_path: Path):
    backend = SqliteDatabase(path)
    await backend.open()
    await created(backend)
    await asked(backend)
    before = await everything(backend)
    await backend.close()
    assert not path.with_name(path.name + "-wal").exists()
    moved = path.rename(tmp_path / "moved.db")
    backend = SqliteDatabase(moved)
    await backend.open()
    assert await everything(backend) == before
    await backend.close()


@pytest.mark.parametrize(
    "content",
    [b"Dear diary, " * 1000, b"\x00" * 8192, b"SQLite format 3\x00" + b"\xff" * 8000, b"x"],
    ids=["text", "zeros", "damaged header", "one byte"],
)
@pytest.mark.parametrize("read_only", [False, True])
async def test_a_file_that_is_no_database_is_refused_and_left_untouched(
    path: Path, content: bytes, read_only: bool
):
    path.write_bytes(content)
    backend = SqliteDatabase(path, read_only=read_only)
    with pytest.raises(StorageCorrupt) as caught:
        await backend.open()
    assert str(path) not in caught.value.message
    assert path.read_bytes() == content
    await backend.close()


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("journal", ["delete", "wal"])
async def test_a_database_of_another_program_is_refused_and_left_untouched(
    path: Path, journal: str, read_only: bool
):
    other = apsw.Connection(str(path))
    other.pragma("journal_mode", journal)
    other.execute("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup')")
    other.close()
    before = _digest(path)
    with pytest.raises(StorageCorrupt):
        await SqliteDatabase(path, read_only=read_only).open()
    assert _digest(path) == before


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_newer_schema_is_refused_with_a_sentence_that_says_what_to_do(
    path: Path, read_only: bool
):
    backend = SqliteDatabase(path)
    await backend.open()
    await backend.close()
    newer = apsw.Connection(str(path))
    newer.pragma("user_version", 9_999)
    newer.close()
    before = _digest(path)
    with pytest.raises(StorageError, match=r"newer version.*Update Cipher"):
        await SqliteDatabase(path, read_only=read_only).open()
    assert _digest(path) == before


async def test_a_file_whose_pages_are_damaged_says_corrupt_and_never_answers_wrong(path: Path):
    backend = SqliteDatabase(path)
    await backend.open()
    await created(backend)
    for n in range(200):
        await backend.append(OWNER, "s", said(f"m{n} " * 50))
    await backend.close()
    pages = path.read_bytes()
    path.write_bytes(pages[: 4096 * 8] + b"\xa5" * (len(pages) - 4096 * 8))
    backend = SqliteDatabase(path)
    with pytest.raises(StorageCorrupt):  # noqa: PT012 - where damage shows is SQLite's choice
        await backend.open()
        await whole_log(backend)
    await backend.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE messages SET message_data = '{'",
        "UPDATE messages SET message_data = '{\"parts\": 7}'",
        "UPDATE sessions SET metadata = 'x'",
    ],
)
async def test_a_row_that_is_damaged_says_corrupt_and_harms_no_other_session(
    path: Path, damage: str
):
    backend = SqliteDatabase(path)
    await backend.open()
    for session_id in ("s", "whole"):
        await created(backend, session_id)
        await backend.append(OWNER, session_id, said(key="k"))
    other = apsw.Connection(str(path))
    column = "session_id" if "messages" in damage else "id"
    other.execute(f"{damage} WHERE {column} = 's'")
    other.close()
    # Enough at once for every reader, and all errors are kept: what an error holds on to must not
    # hold a reader back in the past.
    errors = await asyncio.gather(
        *(backend.branch(OWNER, "s") for _ in range(30)), return_exceptions=True
    )
    assert {type(error) for error in errors} == {StorageCorrupt}
    with pytest.raises(StorageCorrupt):
        await backend.append(OWNER, "s", said(key="k"))
    assert (await backend.append(OWNER, "whole", said())).message.seq == 2
    logs = await asyncio.gather(*(whole_log(backend, "whole") for _ in range(30)))
    assert [len(log) for log in logs] == [2] * 30
    await backend.close()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM messages WHERE seq = 1",
        "DELETE FROM messages WHERE seq = 4",
        "DELETE FROM messages WHERE seq = 6",
        "DELETE FROM messages",
        "UPDATE messages SET parent_seq = 4 WHERE seq = 4",
        "UPDATE messages SET parent_seq = 5 WHERE seq = 4",
        "UPDATE messages SET parent_seq = -1 WHERE seq = 1",
        "UPDATE sessions SET leaf_seq = 7, head_seq = 7, message_count = 7",
        "UPDATE sessions SET leaf_seq = 2, head_seq = 2",
    ],
)
async def test_a_branch_with_a_missing_message_says_corrupt_and_ends(path: Path, damage: str):
    backend = SqliteDatabase(path)
    await backend.open()
    await created(backend)
    for n in range(6):
        await backend.append(OWNER, "s", said(f"m{n}"))
    other = apsw.Connection(str(path))
    other.execute(damage)
    other.close()
    async with asyncio.timeout(10):
        with pytest.raises(StorageCorrupt):
            await backend.branch(OWNER, "s")
    await backend.close()


@pytest.mark.parametrize("gone", [1, 4, 6])
async def test_a_log_with_a_gap_says_corrupt_on_the_page_that_has_it(path: Path, gone: int):
    backend = SqliteDatabase(path)
    await backend.open()
    await created(backend)
    for n in range(6):
        await backend.append(OWNER, "s", said(f"m{n}"))
    other = apsw.Connection(str(path))
    other.execute("DELETE FROM messages WHERE seq = ?", (gone,))
    other.close()
    with pytest.raises(StorageCorrupt):
        await backend.log(OWNER, "s", after=gone - 1, limit=1)
    with pytest.raises(StorageCorrupt):
        await backend.log(OWNER, "s")
    with pytest.raises(StorageCorrupt):
        await backend.branch(OWNER, "s", before=gone)
    assert len((await backend.log(OWNER, "s", after=gone)).messages) == 6 - gone
    await backend.close()


@pytest.mark.parametrize("damage", ["x", "[1]", '{"a": '])
async def test_a_session_with_damaged_metadata_is_listed_and_can_be_deleted(
    path: Path, damage: str
):
    backend = SqliteDatabase(path)
    await backend.open()
    for session_id in ("s", "whole"):
        await backend.create_session(
            OWNER, session_id, title=f"Title of {session_id}", metadata={"a": 1}, at=at(1)
        )
        await backend.append(OWNER, session_id, said(key="k"))
    other = apsw.Connection(str(path))
    other.execute("UPDATE sessions SET metadata = ? WHERE id = 's'", (damage,))
    with capture_logs() as lines:
        for _ in range(5):
            page = await backend.list_sessions(OWNER)
    told = {row.id: (row.title, row.message_count, row.metadata) for row in page.sessions}
    assert told == {"s": ("Title of s", 1, {}), "whole": ("Title of whole", 1, {"a": 1})}
    assert [(line["log_level"], line["session_id"]) for line in lines] == [("error", "s")]
    with pytest.raises(StorageCorrupt):
        await backend.get_session(OWNER, "s")
    await backend.delete_session(OWNER, "s", at=at(2))
    await backend.restore_session(OWNER, "s")
    # It is what it was: nothing mends it in passing.
    assert other.execute("SELECT metadata FROM sessions WHERE id = 's'").get == damage
    await backend.expire_sessions("delete", idle_since=at(9), at=at(10))
    assert await backend.purge_deleted(deleted_before=at(11)) == 2
    other.close()
    await backend.close()


async def test_a_path_that_can_not_be_made_raises_a_storage_error(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.db").mkdir()
    for path in (tmp_path / "file" / "sessions.db", tmp_path / "folder.db"):
        backend = SqliteDatabase(path, exclusive=True)
        with pytest.raises(StorageError) as caught:
            await backend.open()
        assert str(tmp_path) not in caught.value.message
        await backend.close()


async def test_a_lock_file_that_can_not_be_made_raises_a_storage_error(path: Path):
    path.with_name(path.name + ".lock").mkdir()
    backend = SqliteDatabase(path, exclusive=True)
    with pytest.raises(StorageError):
        await backend.open()


async def test_a_second_server_on_one_file_is_refused_until_the_first_is_gone(path: Path):
    first = SqliteDatabase(path, exclusive=True)
    await first.open()
    second = SqliteDatabase(path, exclusive=True)
    with pytest.raises(StorageUnavailable, match="Another server"):
        await second.open()
    await first.close()
    await second.open()
    await created(second)
    await second.close()


async def test_a_process_without_the_lock_reads_and_appends_beside_the_server(path: Path):
    server = SqliteDatabase(path, exclusive=True)
    await server.open()
    await created(server)
    beside = SqliteDatabase(path)
    await beside.open()
    await beside.append(OWNER, "s", said("from the side"))
    assert [message.content for message in await whole_log(server)] == ["from the side"]
    await beside.close()
    assert (await server.append(OWNER, "s", said())).message.seq == 2
    await server.close()


async def test_the_lock_of_a_killed_server_is_free_at_once(path: Path):
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD_LOCK, str(path), stdin=PIPE, stdout=PIPE
    )
    assert child.stdout is not None
    assert await asyncio.wait_for(child.stdout.readline(), timeout=30) == b"open\n"
    server = SqliteDatabase(path, exclusive=True)
    with pytest.raises(StorageUnavailable, match="Another server"):
        await server.open()
    child.kill()
    await child.wait()
    await server.open()
    await server.close()


async def test_processes_that_make_the_file_at_the_same_time_agree(path: Path):
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, str(APPENDER), str(path), f"p{n}", "0", stdout=PIPE
        )
        for n in range(4)
    ]
    await asyncio.gather(*(child.communicate() for child in children))
    assert [child.returncode for child in children] == [0] * 4
    backend = SqliteDatabase(path)
    await backend.open()
    assert (await backend.stats(LOCAL_OWNER)).total_sessions == 0
    await backend.close()


async def test_a_reader_sees_everything_and_writes_nothing(path: Path):
    server = SqliteDatabase(path)
    await server.open()
    await created(server)
    await asked(server)
    reader = SqliteDatabase(path, read_only=True)
    await reader.open()
    assert await everything(reader) == await everything(server)
    with pytest.raises(ReadOnly):
        await reader.append(OWNER, "s", said())
    with pytest.raises(ReadOnly):
        await reader.check()
    await server.append(OWNER, "s", said("later"))
    assert len(await whole_log(reader)) == 2
    await reader.close()
    await server.close()


async def test_a_reader_makes_no_file(path: Path):
    with pytest.raises(StorageError):
        await SqliteDatabase(path, read_only=True).open()
    assert not list(path.parent.iterdir())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
