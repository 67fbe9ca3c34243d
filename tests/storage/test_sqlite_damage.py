"""Files that something has damaged: what is served of them, and what can be saved out of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import apsw
import pytest

from cipher.errors import SessionExists, StorageCorrupt, StorageError, StorageUnavailable
from cipher.storage.sqlite import SqliteDatabase
from cipher.storage.sqlite.check import check
from cipher.storage.sqlite.recover import recover
from tests.storage.damages import View, damage, make, outcome_of, view
from tests.storage.samples import OWNER, answered, asked, created, said, whole_log

pytestmark = pytest.mark.backend

DAMAGES = 200
PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.mark.timeout(180)
async def test_no_random_damage_makes_a_conversation_shorter_or_ends_the_process(path: Path):
    before = await make(path)
    content = path.read_bytes()
    outcomes: Counter[str] = Counter()
    for seed in range(DAMAGES):
        for file in path.parent.iterdir():
            file.unlink()
        path.write_bytes(damage(content, Random(seed)))
        outcome = await outcome_of(path, before)
        outcomes[outcome] += 1
        assert outcome != "lost", f"seed {seed}"
    # Without all of these the damages are not what the test is about.
    assert set(outcomes) == {"intact", "refused", "changed"}, outcomes


async def test_a_file_that_was_cut_to_nothing_is_not_served_as_a_new_one(path: Path):
    await make(path)
    path.write_bytes(b"")
    for exclusive, read_only in ((False, False), (True, False), (False, True)):
        backend = SqliteDatabase(path, exclusive=exclusive, read_only=read_only)
        with pytest.raises(StorageCorrupt, match="cipher db restore"):
            await backend.open()
        assert path.read_bytes() == b""


async def test_a_wal_without_its_database_is_left_alone_and_told_of(path: Path):
    wal = path.with_name(path.name + "-wal")
    wal.write_bytes(b"commits")
    with pytest.raises(StorageCorrupt, match="-wal"):
        await SqliteDatabase(path).open()
    assert [file.name for file in path.parent.iterdir()] == [wal.name]
    assert wal.read_bytes() == b"commits"


@pytest.mark.parametrize("text", [b"\xff\xfe", b"\x80"])
async def test_text_that_is_no_text_says_corrupt(path: Path, text: bytes):
    await make(path)
    other = apsw.Connection(str(path))
    other.execute(
        "UPDATE messages SET message_data = CAST(? AS TEXT) WHERE session_id = 'session-0'", (text,)
    )
    other.close()
    found = await view(path)
    assert isinstance(found["session-0"], StorageCorrupt)
    assert not isinstance(found["session-1"], StorageError)


@pytest.mark.parametrize("column", ["created_at", "last_activity", "deleted_at"])
async def test_a_time_that_is_none_says_corrupt(path: Path, column: str):
    backend = SqliteDatabase(path)
    await backend.open()
    await created(backend)
    other = apsw.Connection(str(path))
    other.execute(f"UPDATE sessions SET {column} = {2**62}")
    other.close()
    with pytest.raises(StorageCorrupt):
        await backend.list_sessions(OWNER, state="trash" if column == "deleted_at" else "active")
    await backend.close()


# Recovery


async def test_recovering_a_whole_file_loses_nothing_but_the_epochs(path: Path, tmp_path: Path):
    before = await make(path)
    digest = path.read_bytes()
    saved = tmp_path / "saved.db"
    report = recover(path, saved)
    assert {table.table: table.lost for table in report.tables} == {
        "sessions": 0,
        "messages": 0,
        "turns": 0,
        "purged_sessions": 0,
    }
    assert (report.sessions, report.interrupted) == ((), 0)
    assert path.read_bytes() == digest
    assert saved.stat().st_mode & 0o777 == 0o600
    after = await view(saved)
    assert _messages(after) == _messages(before)
    olds, news = ({s.id: s.epoch for s in seen["active"]} for seen in (before, after))
    assert olds.keys() == news.keys()
    assert not set(olds.values()) & set(news.values())


@pytest.mark.parametrize("seed", range(12))
async def test_what_is_recovered_is_whole_and_was_there_before(
    path: Path, tmp_path: Path, seed: int
):
    before = await make(path)
    luck = Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(8):
        page = luck.randrange(20, len(content) // PAGE)
        content[page * PAGE : (page + 1) * PAGE] = luck.randbytes(PAGE)
    path.write_bytes(content)
    assert not check(path).whole
    saved = tmp_path / "saved.db"
    report = recover(path, saved)
    assert path.read_bytes() == content
    assert check(saved).whole
    after = _messages(await view(saved))
    stored = {text for texts in _messages(before).values() for text in texts}
    found = [text for texts in after.values() for text in texts]
    assert set(found) <= stored
    assert len(found) > 0.5 * sum(map(len, _messages(before).values()))
    told = {loss.session_id: loss.lost_messages for loss in report.sessions}
    for name, texts in _messages(before).items():
        assert len(texts) - len(after.get(name, [])) in (told.get(name, 0), len(texts))


@pytest.mark.parametrize("harmed", [(0, 100), (0, 4096), (100, 4096), (16, 18), (60, 72)])
async def test_a_damaged_header_or_schema_loses_nothing(
    path: Path, tmp_path: Path, harmed: tuple[int, int]
):
    before = await make(path)
    content = bytearray(path.read_bytes())
    content[slice(*harmed)] = b"\xa5" * (harmed[1] - harmed[0])
    path.write_bytes(content)
    with pytest.raises(StorageError):
        await SqliteDatabase(path).open()
    recover(path, tmp_path / "saved.db")
    assert _messages(await view(tmp_path / "saved.db")) == _messages(before)


async def test_lost_messages_leave_no_gap_and_are_counted(path: Path, tmp_path: Path):
    backend = SqliteDatabase(path)
    await backend.open()
    await created(backend)
    for n in range(8):
        await backend.append(OWNER, "s", said(f"m{n}"))
    await backend.append(OWNER, "s", said("branch", parent=3))
    await created(backend, "orphan", title="Mine")
    await asked(backend, session_id="orphan", text="What is lost?")
    await answered(backend, session_id="orphan")
    await backend.close()
    other = apsw.Connection(str(path))
    other.execute("DELETE FROM messages WHERE session_id = 's' AND seq IN (3, 4, 8)")
    other.execute("DELETE FROM sessions WHERE id = 'orphan'")
    other.close()
    report = recover(path, tmp_path / "saved.db")
    told = {loss.session_id: (loss.lost_messages, loss.rebuilt) for loss in report.sessions}
    assert told == {"s": (3, False), "orphan": (0, True)}
    saved = SqliteDatabase(tmp_path / "saved.db")
    await saved.open()
    log = await whole_log(saved)
    assert [(m.seq, m.parent_seq, m.content) for m in log] == [
        (1, 0, "m0"),
        (2, 1, "m1"),
        (3, 2, "m4"),
        (4, 3, "m5"),
        (5, 4, "m6"),
        (6, 2, "branch"),
    ]
    page = await saved.branch(OWNER, "s")
    assert [m.content for m in page.messages] == ["m0", "m1", "branch"]
    assert page.session.metadata == {"recovered": {"lostMessages": 3}}
    found = await saved.get_session(OWNER, "orphan")
    assert (found.title, found.message_count) == ("What is lost?", 2)
    await saved.append(OWNER, "s", said("on"))
    await saved.close()


async def test_what_was_purged_stays_gone(path: Path, tmp_path: Path):
    backend = SqliteDatabase(path)
    await backend.open()
    for name in ("s", "gone"):
        await created(backend, name)
        await backend.append(OWNER, name, said("a-canary"))
    await backend.purge_session(OWNER, "gone")
    await backend.close()
    recover(path, tmp_path / "saved.db")
    saved = SqliteDatabase(tmp_path / "saved.db")
    await saved.open()
    assert (await saved.stats(OWNER)).total_messages == 1
    with pytest.raises(SessionExists):
        await created(saved, "gone")
    await saved.close()


async def test_a_file_that_holds_nothing_of_ours_is_refused(path: Path, tmp_path: Path):
    path.write_bytes(b"Dear diary, " * 4000)
    with pytest.raises(StorageCorrupt, match="Nothing can be read"):
        recover(path, tmp_path / "saved.db")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


async def test_nothing_is_recovered_under_a_running_server(path: Path, tmp_path: Path):
    server = SqliteDatabase(path, exclusive=True)
    await server.open()
    with pytest.raises(StorageUnavailable, match="stop it first"):
        recover(path, tmp_path / "saved.db")
    await server.close()
    (tmp_path / "there.db").write_text("mine")
    with pytest.raises(FileExistsError):
        recover(path, tmp_path / "there.db")
    assert (tmp_path / "there.db").read_text() == "mine"


def _messages(seen: View) -> dict[str, list[str]]:
    return {
        name: [message.content for message in read[-1]]
        for name, read in seen.items()
        if name.startswith("session-") and isinstance(read, tuple)
    }
