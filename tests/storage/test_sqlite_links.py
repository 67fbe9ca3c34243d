"""Paths that lead to a database in another way than straight, or nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from cipher.errors import StorageError, StorageUnavailable
from cipher.storage.sqlite import SqliteDatabase
from tests.storage.samples import created

pytestmark = pytest.mark.backend


async def test_a_second_server_that_comes_by_a_link_is_refused(tmp_path: Path):
    (tmp_path / "real").mkdir()
    path = tmp_path / "real" / "sessions.db"
    first = SqliteDatabase(path, exclusive=True)
    await first.open()
    (tmp_path / "link.db").symlink_to(path)
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    for way in (tmp_path / "link.db", tmp_path / "folder" / "sessions.db"):
        with pytest.raises(StorageUnavailable, match="Another server"):
            await SqliteDatabase(way, exclusive=True).open()
    await first.close()


async def test_a_database_stays_where_it_was_opened_when_the_process_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    backend = SqliteDatabase(Path("data/sessions.db"), exclusive=True)
    await backend.open()
    await created(backend)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert (await backend.get_session("ada", "s")).id == "s"
    await backend.close()
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_path_that_no_file_system_takes_raises_a_storage_error(
    tmp_path: Path, read_only: bool
):
    for path in (tmp_path / ("x" * 300), tmp_path / "loop" / "sessions.db"):
        if path.parent.name == "loop":
            path.parent.symlink_to(path.parent)
        with pytest.raises(StorageError) as caught:
            await SqliteDatabase(path, read_only=read_only).open()
        assert str(tmp_path) not in caught.value.message
