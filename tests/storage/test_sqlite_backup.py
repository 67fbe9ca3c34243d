"""Copies of a SQLite database in use, what a restore does, and what a check finds."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import apsw
import pytest

from cipher.errors import StorageCorrupt, StorageError, StorageFull, StorageUnavailable
from cipher.storage.sqlite import SqliteDatabase
from cipher.storage.sqlite import backup as backup_module
from cipher.storage.sqlite.backup import back_up, copy
from cipher.storage.sqlite.check import check
from cipher.storage.sqlite.connection import connect
from cipher.storage.sqlite.restore import restore
from tests.storage.damages import make, view
from tests.storage.disk import Disk
from tests.storage.samples import (
    OWNER,
    answered,
    asked,
    created,
    everything,
    lease,
    said,
    whole_log,
)

pytestmark = pytest.mark.backend


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sessions.db"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "copies" / "backup.db"


@pytest.fixture(autouse=True)
def folders(path: Path, backup: Path) -> None:
    path.parent.mkdir()
    backup.parent.mkdir()


# Backup


async def test_a_backup_is_one_private_file_that_holds_everything(path: Path, backup: Path):
    before = await make(path)
    seen: list[tuple[int, int]] = []
    back_up(path, backup, on_progress=lambda done, total: seen.append((done, total)))
    assert [file.name for file in backup.parent.iterdir()] == [backup.name]
    assert backup.stat().st_mode & 0o777 == 0o600
    assert seen[-1][0] == seen[-1][1] > 0
    assert check(backup).whole
    assert await view(backup) == before


async def test_a_backup_of_a_database_in_use_is_one_moment_of_it(
    path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backup_module, "_PAGES", 4)
    server = SqliteDatabase(path, exclusive=True)
    await server.open()
    await created(server)
    for n in range(100):
        await server.append(OWNER, "s", said(f"m{n} " * 200))
    loop = asyncio.get_running_loop()
    appended: list[int] = []

    def write(done: int, total: int) -> None:
        """One more message between every two steps of the copying."""
        saying = server.append(OWNER, "s", said("during"))
        appended.append(asyncio.run_coroutine_threadsafe(saying, loop).result(20).message.seq)

    await asyncio.to_thread(back_up, path, backup, on_progress=write)
    assert len(appended) > 10
    copied = SqliteDatabase(backup)
    await copied.open()
    assert len(await whole_log(copied)) == 100
    await copied.close()
    assert len(await whole_log(server)) == 100 + len(appended)
    await server.close()


async def test_a_backup_has_what_is_in_the_wal_only(path: Path, backup: Path):
    server = SqliteDatabase(path, exclusive=True)
    await server.open()
    await created(server)
    await asked(server)
    assert path.with_name(path.name + "-wal").stat().st_size > 0
    await asyncio.to_thread(back_up, path, backup)
    assert check(backup).messages == 1
    await server.close()


async def test_a_backup_writes_over_nothing(path: Path, backup: Path):
    await make(path)
    backup.write_text("mine")
    with pytest.raises(FileExistsError):
        back_up(path, backup)
    assert backup.read_text() == "mine"


async def test_a_backup_that_comes_second_writes_over_nothing(
    path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
):
    await make(path)
    with pytest.raises(FileExistsError):
        back_up(path, backup, on_progress=lambda done, total: _write(backup, "mine"))
    assert backup.read_text() == "mine"
    assert [file.name for file in backup.parent.iterdir()] == [backup.name]


async def test_a_damaged_database_gives_no_backup(path: Path, backup: Path):
    await make(path)
    content = bytearray(path.read_bytes())
    content[4096 * 40 : 4096 * 42] = os.urandom(8192)
    path.write_bytes(content)
    with pytest.raises(StorageCorrupt, match="check --recover"):
        back_up(path, backup)
    assert list(backup.parent.iterdir()) == []


async def test_a_backup_that_finds_no_room_leaves_nothing(path: Path, backup: Path, disk: Disk):
    await make(path)
    backup.touch()
    disk.full = True
    with connect(path, read_only=True) as connection, pytest.raises(StorageFull):
        copy(connection, backup, vfs=disk.name)
    connection.close()


# Restore


async def test_a_restore_brings_everything_back_with_new_epochs(path: Path, backup: Path):
    before = await make(path)
    back_up(path, backup)
    server = SqliteDatabase(path)
    await server.open()
    await server.append(OWNER, "session-0", said("after the backup"))
    await server.close()
    done = restore(path, backup)
    after = await view(path)
    assert done.sessions == 60
    for name in (name for name in before if name.startswith("session-")):
        session, branch, log = after[name]
        assert (branch, log) == before[name][1:]
        assert session.epoch != before[name][0].epoch
    epochs = [session.epoch for session in (*after["active"], *after["trash"])]
    assert len(set(epochs)) == 60
    assert check(path).whole


async def test_what_was_there_is_set_aside_whole(path: Path, backup: Path):
    before = await make(path)
    back_up(path, backup)
    for _ in range(2):
        done = restore(path, backup)
        assert done.set_aside is not None
    aside = sorted(file for file in path.parent.iterdir() if ".replaced-" in file.name)
    assert len(aside) == 2
    found = [await view(file) for file in aside if file.name.endswith("Z")]
    assert before in found


async def test_turns_that_were_under_way_end_as_interrupted(path: Path, backup: Path):
    server = SqliteDatabase(path)
    await server.open()
    await created(server)
    await asked(server, "running")
    await asked(server, "queued")
    await server.checkpoint_turn("s", "running", 1, partial="So far", lease=lease())
    await asyncio.to_thread(back_up, path, backup)
    await server.close()
    assert restore(path, backup).interrupted == 2
    server = SqliteDatabase(path, exclusive=True)
    await server.open()
    assert await server.unfinished_turns() == ()
    log = await whole_log(server)
    assert [(m.role, m.content, m.status) for m in log] == [
        ("user", "Hello", None),
        ("user", "Hello", None),
        ("assistant", "So far", "interrupted"),
        ("assistant", "", "interrupted"),
    ]
    retried = await server.retry_turn(OWNER, "s", "running", lease())
    assert retried.turn is not None
    assert retried.turn.attempt == 2
    await server.close()
    assert check(path).whole


async def test_a_restore_under_a_running_server_is_refused(path: Path, backup: Path):
    await make(path)
    back_up(path, backup)
    server = SqliteDatabase(path, exclusive=True)
    await server.open()
    before = await everything(server, "session-0")
    with pytest.raises(StorageUnavailable, match="A server uses"):
        await asyncio.to_thread(restore, path, backup)
    assert await everything(server, "session-0") == before
    await server.close()
    restore(path, backup)


async def test_a_restore_beside_another_process_is_refused(path: Path, backup: Path):
    await make(path)
    back_up(path, backup)
    beside = SqliteDatabase(path)
    await beside.open()
    with pytest.raises(StorageUnavailable, match="Another process"):
        await asyncio.to_thread(restore, path, backup)
    await beside.append(OWNER, "session-0", said("kept"))
    await beside.close()
    assert [f.name for f in path.parent.iterdir() if "replaced" in f.name] == []


@pytest.mark.parametrize(
    "content",
    [b"", b"x" * 100, b"Dear diary, " * 1000, b"\x00" * 8192],
    ids=["empty", "scrap", "text", "zeros"],
)
async def test_a_backup_that_is_none_changes_nothing(path: Path, backup: Path, content: bytes):
    await make(path)
    before = path.read_bytes()
    backup.write_bytes(content)
    with pytest.raises(StorageCorrupt):
        restore(path, backup)
    assert path.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} == {path.name, path.name + ".lock"}


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        ("DELETE FROM messages WHERE seq = 2", "damaged"),
        ("UPDATE messages SET message_data = '{'", "damaged"),
        ("PRAGMA user_version = 9999", "newer version"),
        ("PRAGMA application_id = 1", "another program"),
    ],
)
async def test_a_backup_that_is_damaged_or_foreign_changes_nothing(
    path: Path, backup: Path, damage: str, error: str
):
    await make(path)
    back_up(path, backup)
    before = path.read_bytes()
    other = apsw.Connection(str(backup))
    other.execute(damage)
    other.close()
    with pytest.raises(StorageError, match=error):
        restore(path, backup)
    assert path.read_bytes() == before


async def test_a_database_that_is_damaged_or_gone_can_be_restored(path: Path, backup: Path):
    await make(path)
    back_up(path, backup)
    content = bytearray(path.read_bytes())
    for harmed in (bytes(4096) + content[4096:], b"", None):
        path.unlink()
        wal = path.with_name(path.name + "-wal")
        wal.write_bytes(b"not of this database")
        if harmed is not None:
            path.write_bytes(harmed)
        done = restore(path, backup)
        assert done.set_aside is not None
        assert Path(done.set_aside + "-wal").read_bytes() == b"not of this database"
        assert not wal.exists()
        if harmed is not None:
            assert Path(done.set_aside).read_bytes() == harmed
        assert check(path).sessions == 60


async def test_a_restore_into_an_empty_folder_makes_the_database(
    path: Path, backup: Path, tmp_path: Path
):
    await make(path)
    back_up(path, backup)
    new = tmp_path / "new" / "sessions.db"
    assert restore(new, backup).set_aside is None
    assert new.parent.stat().st_mode & 0o777 == 0o700
    assert new.stat().st_mode & 0o777 == 0o600
    assert check(new).sessions == 60


async def test_a_plain_copy_with_its_wal_is_a_backup_too(path: Path, backup: Path):
    server = SqliteDatabase(path)
    await server.open()
    await created(server)
    await asked(server)
    for end in ("", "-wal"):
        backup.with_name(backup.name + end).write_bytes(
            path.with_name(path.name + end).read_bytes()
        )
    await answered(server)
    await server.close()
    assert restore(path, backup).messages == 1


async def test_the_present_database_is_no_backup_of_itself(path: Path):
    await make(path)
    with pytest.raises(StorageUnavailable, match="itself"):
        restore(path, path)


# Check


async def test_a_check_finds_nothing_in_a_database_with_everything_in_it(path: Path):
    server = SqliteDatabase(path, exclusive=True)
    await server.open()
    await created(server)
    await asked(server, "one")
    await answered(server, "one", status="failed")
    await server.retry_turn(OWNER, "s", "one", lease())
    await answered(server, "one", 2)
    await asked(server, "two")
    await asked(server, "three")
    await answered(server, "three", status="cancelled")
    await server.append(OWNER, "s", said("edited", parent=0))
    await created(server, "gone")
    await server.purge_session(OWNER, "gone")
    report = await asyncio.to_thread(check, path)
    assert report.findings == ()
    assert (report.schema_version, report.sessions, report.messages) == (1, 1, 7)
    await server.close()


async def test_a_check_leaves_the_file_and_its_wal_as_they_are(path: Path, backup: Path):
    server = SqliteDatabase(path)
    await server.open()
    await created(server)
    await asked(server)
    for end in ("", "-wal"):
        content = path.with_name(path.name + end).read_bytes()
        backup.with_name(backup.name + end).write_bytes(content)
    await server.close()
    before = {file: file.read_bytes() for file in backup.parent.iterdir()}
    assert check(backup).messages == 1
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        ("DELETE FROM messages WHERE seq = 2", "session"),
        ("DELETE FROM messages WHERE seq = 4", "session"),
        ("UPDATE sessions SET head_seq = 5, message_count = 5", "session"),
        ("UPDATE sessions SET message_count = 3", "session"),
        ("UPDATE sessions SET leaf_seq = 9", "session"),
        ("UPDATE sessions SET metadata = 'x'", "session"),
        ("INSERT INTO purged_sessions VALUES ('s')", "session"),
        ("UPDATE messages SET parent_seq = 3 WHERE seq = 3", "message"),
        ("UPDATE messages SET owner_id = 'eve' WHERE seq = 3", "message"),
        ("UPDATE messages SET message_data = '{' WHERE seq = 3", "message"),
        ("UPDATE messages SET role = 'nobody' WHERE seq = 3", "message"),
        ("UPDATE turns SET answer_seq = NULL", "turn"),
        ("UPDATE turns SET attempt = 2", "turn"),
        ("UPDATE turns SET user_seq = 2", "turn"),
        ("UPDATE turns SET status = 'lost' WHERE id = 'two'", "turn"),
        ("UPDATE turns SET session_id = 'x' WHERE id = 'two'", "reference"),
        ("DROP INDEX sessions_active", "schema"),
        ("PRAGMA application_id = 1", "file"),
    ],
)
async def test_a_check_names_what_is_wrong(path: Path, damage: str, kind: str):
    server = SqliteDatabase(path)
    await server.open()
    await created(server)
    for turn in ("one", "two"):
        await asked(server, turn, text="a-private-question")
        await answered(server, turn)
    await server.close()
    assert check(path).whole
    other = apsw.Connection(str(path))
    other.execute(damage)
    other.close()
    report = check(path)
    assert kind in {finding.kind for finding in report.findings}
    assert "private" not in repr(report)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
