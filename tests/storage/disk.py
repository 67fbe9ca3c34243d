"""A disk for SQLite whose syncs can be counted, held up and failed, and whose power can be cut.

Everything is written to the real files too. Beside them the disk remembers, per file, what the
syncs so far have made durable and which writes came since, so that `after_power_cut` can build the
files that a machine would find which lost its power right now.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import apsw

from cipher.model import new_id


class Disk(apsw.VFS):
    """A VFS to name in `SqliteDatabase(path, vfs=disk.name)`; `close` takes it out of SQLite.

    `syncs` counts those of the WAL. `full` fails writes for want of space, `broken` fails syncs,
    `life` is how many further changes happen before none does any more, as if the process had died.
    """

    def __init__(self) -> None:
        self.name = f"disk-{new_id()}"
        self.syncs = 0
        self.full = False
        self.broken = False
        self.life: int | None = None
        self._gate = threading.Event()
        self._gate.set()
        self._waiting = threading.Event()
        self.lock = threading.Lock()
        self.stored: dict[str, StoredFile] = {}
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> DiskFile:  # noqa: N802
        return DiskFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.spend_life()
        super().xDelete(filename, syncdir)
        with self.lock:
            self.stored.pop(filename, None)

    def after_power_cut(self, folder: Path, luck: Random) -> None:
        """Write the files as they would be found: what was synced, and by luck some of the rest."""
        with self.lock:
            for name, stored in self.stored.items():
                (folder / Path(name).name).write_bytes(stored.survivors(luck))

    def hold_syncs(self) -> None:
        """From now on a sync waits before it happens, until `let_go`."""
        self._gate.clear()

    @asynccontextmanager
    async def held_sync(self) -> AsyncIterator[None]:
        """Inside the block a sync is under way that has not happened yet."""
        assert await asyncio.to_thread(self._waiting.wait, 20)
        try:
            yield
        finally:
            self.let_go()

    def let_go(self) -> None:
        self._gate.set()

    def pass_gate(self) -> None:
        if not self._gate.is_set():
            self._waiting.set()
            assert self._gate.wait(timeout=30)

    def spend_life(self) -> None:
        if self.life is not None:
            self.life -= 1
            if self.life < 0:
                raise apsw.IOError("the process is dead")

    def close(self) -> None:
        self.unregister()


class StoredFile:
    """What one file holds for certain, and the writes that no sync has made certain.

    A file that the disk has not seen before got its name when its content was on disk.
    """

    def __init__(self, file: Path) -> None:
        self.certain = bytearray(file.read_bytes() if file.exists() else b"")
        self.pending: list[tuple[int, bytes] | int] = []

    def sync(self) -> None:
        for change in self.pending:
            _apply(self.certain, change)
        self.pending.clear()

    def survivors(self, luck: Random) -> bytes:
        found = bytearray(self.certain)
        for change in self.pending:
            if luck.random() < 0.5:
                _apply(found, change)
        return bytes(found)


class DiskFile(apsw.VFSFile):
    """One open file of a disk. Only the database and its WAL are remembered."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        with disk.lock:
            self._stored = disk.stored.setdefault(self._name, StoredFile(Path(self._name)))

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802
        self._disk.spend_life()
        if self._disk.full:
            raise apsw.FullError("no space left on the disk")
        super().xWrite(data, offset)
        with self._disk.lock:
            self._stored.pending.append((offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._disk.spend_life()
        super().xTruncate(size)
        with self._disk.lock:
            self._stored.pending.append(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.pass_gate()
        self._disk.spend_life()
        if self._disk.broken:
            raise apsw.IOError("the disk does not answer")
        super().xSync(flags)
        with self._disk.lock:
            self._disk.syncs += self._name.endswith("-wal")
            self._stored.sync()


def _apply(content: bytearray, change: tuple[int, bytes] | int) -> None:
    if isinstance(change, int):
        del content[change:]
        return
    offset, data = change
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data
