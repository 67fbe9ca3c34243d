"""An import that is stopped in the middle: what was under way is stored, and reported."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cipher.model import LOCAL_OWNER
from cipher.sessions.transfer import Importer
from cipher.storage.sqlite import SqliteDatabase
from tests.storage.disk import Disk

pytestmark = pytest.mark.backend


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.let_go()
    disk.close()


async def test_an_import_that_is_stopped_reports_the_batch_that_it_was_storing(
    tmp_path: Path, disk: Disk
) -> None:
    rows = [{"id": f"s{n}", "messages": [{"role": "user", "content": "Hi"}]} for n in range(100)]
    database = SqliteDatabase(tmp_path / "sessions.db", vfs=disk.name)
    await database.open()
    importer = Importer(database, LOCAL_OWNER)
    disk.hold_syncs()
    stream = io.BytesIO("\n".join(map(json.dumps, rows)).encode())
    taking = asyncio.create_task(importer.take(stream))
    async with disk.held_sync():
        taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert importer.report().added == 64
    stored = await database.list_sessions(LOCAL_OWNER, limit=100)
    assert len(stored.sessions) == 64
    await database.close()
