"""Bringing SQLite files of older schemas up to date: whole or not at all, with a copy kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest

from cipher.errors import SessionExists, StorageError, StorageFull, StorageUnavailable
from cipher.storage.migrations import Migration, migrations_for
from cipher.storage.sqlite import SqliteDatabase
from cipher.storage.sqlite.check import check
from tests.storage.disk import Disk
from tests.storage.images import put_down
from tests.storage.platter import Platter
from tests.storage.samples import OWNER, STRANGER, at, created, said, whole_log

pytestmark = pytest.mark.backend

SCHEMAS = Path(__file__).with_name("schemas")
STEPS = (
    *migrations_for("sqlite"),
    Migration(
        number=len(migrations_for("sqlite")) + 1,
        name="labels",
        sql="""
        CREATE TABLE labels (session_id TEXT NOT NULL, label TEXT NOT NULL) STRICT;
        CREATE INDEX labels_label ON labels (label);
        ALTER TABLE sessions ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey';
        UPDATE sessions SET colour = 'blue' WHERE message_count > 0;
        INSERT INTO labels SELECT id, title FROM sessions;
        """,
    ),
    Migration(
        number=len(migrations_for("sqlite")) + 2,
        name="label_names",
        sql="ALTER TABLE labels RENAME COLUMN label TO name; DELETE FROM labels WHERE name = '';",
    ),
)
"""The steps of a version to come, for tests of the machinery."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


def load(path: Path, schema: str) -> None:
    """Make a database as a released version left it."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute((SCHEMAS / f"{schema}.sql").read_text(encoding="utf-8"))
        connection.pragma("journal_mode", "wal")


def content(path: Path) -> dict[str, Any]:
    """The schema and all rows of a file, but for the counter of the write checks."""
    with closing(apsw.Connection(str(path))) as connection:
        tables = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE name <> 'durability_check' ORDER BY name"
        ).fetchall()
        found: dict[str, Any] = {"version": connection.pragma("user_version"), "schema": tables}
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"):
            if name != "durability_check":
                found[name] = connection.execute(f"SELECT * FROM {name}").fetchall()
        assert connection.pragma("integrity_check") == "ok"
        return found


async def upgraded(path: Path, **options: Any) -> None:
    backend = SqliteDatabase(path, steps=STEPS, **options)
    await backend.open()
    await backend.close()


def test_every_released_schema_is_kept_as_a_fixture():
    numbers = [int(file.stem) for file in sorted(SCHEMAS.glob("*.sql"))]
    assert numbers == [step.number for step in migrations_for("sqlite")]


@pytest.mark.parametrize("schema", [file.stem for file in sorted(SCHEMAS.glob("*.sql"))])
async def test_a_database_of_every_released_schema_opens_with_all_that_is_in_it(
    path: Path, schema: str
):
    load(path, schema)
    backend = SqliteDatabase(path, exclusive=True)
    await backend.open()
    talk = await backend.get_session(OWNER, "talk")
    assert (talk.title, talk.metadata) == ("A talk", {"colour": "blue", "n": [1, None, "ü"]})
    log = await whole_log(backend, "talk")
    assert [(m.seq, m.parent_seq, m.role, m.content, m.status, m.attempt) for m in log] == [
        (1, 0, "user", "Why is the sky blue?", None, None),
        (2, 1, "assistant", "It is not.", "failed", 1),
        (3, 1, "assistant", "Rayleigh scattering. 🌌", "complete", 2),
        (4, 3, "user", "And now?", None, None),
        (5, 4, "user", "Waiting", None, None),
    ]
    assert [m.timestamp for m in log] == [at(n) for n in (1, 2, 3, 4, 5)]
    branch = await backend.branch(OWNER, "talk")
    assert [m.seq for m in branch.messages] == [1, 3, 4, 5]
    waiting = [(t.id, t.status, t.partial) for t in branch.turns]
    assert waiting == [("turn-2", "running", "Now it"), ("turn-3", "queued", "")]
    again = await backend.append(OWNER, "talk", said("Why is the sky blue?", key="key-1"))
    assert (again.duplicate, again.message.seq) == (True, 1)
    states = {
        state: [
            session.id for session in (await backend.list_sessions(OWNER, state=state)).sessions
        ]
        for state in ("active", "archived", "trash")
    }
    assert states == {"active": ["talk"], "archived": ["kept"], "trash": ["trashed"]}
    assert [m.content for m in (await backend.branch(STRANGER, "theirs")).messages] == ["Mine"]
    with pytest.raises(SessionExists):
        await created(backend, "gone")
    await backend.close()
    assert check(path).whole


async def test_a_copy_is_kept_before_a_database_is_changed(path: Path):
    load(path, "0001")
    before = content(path)
    await upgraded(path)
    copy = path.with_name(path.name + ".schema-1")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert content(copy) == before
    assert content(path)["version"] == len(STEPS)
    old = SqliteDatabase(copy)
    await old.open()
    assert len(await whole_log(old, "talk")) == 5
    await old.close()


async def test_a_database_that_is_new_or_up_to_date_is_not_copied(path: Path):
    for _ in range(2):
        await upgraded(path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_a_start_that_is_tried_again_keeps_one_copy(path: Path):
    load(path, "0001")
    broken = Migration(number=2, name="broken", sql="CREATE TABLE x (a); SELECT nothing FROM none")
    before = content(path)
    for _ in range(3):
        with pytest.raises(StorageError):
            await SqliteDatabase(path, steps=(*migrations_for("sqlite"), broken)).open()
        assert content(path) == before
    copies = [file.name for file in path.parent.iterdir() if ".schema-" in file.name]
    assert copies == [path.name + ".schema-1"]
    backend = SqliteDatabase(path)
    await backend.open()
    await backend.append(OWNER, "talk", said("later"))
    await backend.close()
    await upgraded(path)
    copies = sorted(file.name for file in path.parent.iterdir() if ".schema-" in file.name)
    assert copies == [path.name + ".schema-1", path.name + ".schema-1.2"]


async def test_without_room_for_the_copy_nothing_is_changed(path: Path, disk: Disk):
    load(path, "0001")
    before = content(path)
    disk.full = True
    with pytest.raises(StorageFull, match="copy of the database"):
        await SqliteDatabase(path, steps=STEPS, vfs=disk.name).open()
    disk.full = False
    assert content(path) == before
    assert [file.name for file in path.parent.glob("*.schema-*")] == []


async def test_a_database_is_not_changed_under_a_running_server(path: Path):
    load(path, "0001")
    server = SqliteDatabase(path, exclusive=True)
    await server.open()
    with pytest.raises(StorageUnavailable, match="Another server"):
        await SqliteDatabase(path, steps=STEPS).open()
    await server.append(OWNER, "talk", said("on"))
    await server.close()
    await upgraded(path)


@pytest.fixture
def mortal(path: Path) -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.close()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("schema", ["0001", None], ids=["an old file", "no file"])
async def test_a_process_that_dies_at_any_write_leaves_a_file_that_the_next_start_finishes(
    tmp_path: Path, mortal: Disk, schema: str | None
):
    def prepared(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        if schema is not None:
            load(folder / "sessions.db", schema)
        return folder / "sessions.db"

    wanted = prepared("wanted")
    before = content(wanted) if schema else None
    await upgraded(wanted)
    after = content(wanted)
    deaths, alive = 0, False
    while not alive:
        path = prepared(f"death-{deaths}")
        mortal.tape.clear()
        mortal.life = deaths
        with suppress(StorageError):
            await upgraded(path, vfs=mortal.name)
        alive, mortal.life = mortal.life >= 0, None
        cut = tmp_path / f"cut-{deaths}"
        platter = Platter()
        for event in mortal.tape:
            platter.follow(event)
        put_down(platter.image("kept", Random(deaths)), cut)
        found = [path] if path.exists() else []
        if (cut / "sessions.db").exists():
            found.append(cut / "sessions.db")
        for file in found:
            assert content(file)["version"] in {1, 2, 3} if schema else content(file) == after
            await upgraded(file)
            assert content(file) == after, f"death at change {deaths}"
        if schema and (copy := path.with_name(path.name + ".schema-1")).exists():
            assert content(copy) == before
        if not found:
            await upgraded(path)
            assert content(path) == after
        deaths += 1
    assert deaths > 20
