"""A disk for SQLite whose syncs can be held up, whose calls can fail, and whose power can be cut.

Everything is written to the real files too. Beside them the disk keeps a `tape` of all that
happened, in order, from which `tests.storage.platter` builds the files that a machine would find
which lost its power at any moment of it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import apsw

from cipher.model import new_id

Call: TypeAlias = Literal["write", "sync", "truncate", "open"]
Errno: TypeAlias = Literal["EIO", "ENOSPC"]

CODES = {
    ("write", "EIO"): apsw.SQLITE_IOERR_WRITE,
    ("write", "ENOSPC"): apsw.SQLITE_FULL,
    ("sync", "EIO"): apsw.SQLITE_IOERR_FSYNC,
    ("sync", "ENOSPC"): apsw.SQLITE_IOERR_FSYNC,
    ("truncate", "EIO"): apsw.SQLITE_IOERR_TRUNCATE,
    ("truncate", "ENOSPC"): apsw.SQLITE_IOERR_TRUNCATE,
    ("open", "EIO"): apsw.SQLITE_CANTOPEN,
    ("open", "ENOSPC"): apsw.SQLITE_CANTOPEN,
}
"""What SQLite's own VFS for Unix makes of a system call that fails."""


class Wrote(NamedTuple):
    """Bytes that a file was given; what becomes of them is open until its next sync."""

    file: str
    offset: int
    data: bytes


class Cut(NamedTuple):
    """A file that was made shorter, or longer."""

    file: str
    size: int


class Synced(NamedTuple):
    """A sync that ended; one that failed has lost what it was to make safe."""

    file: str
    failed: bool = False


class Opened(NamedTuple):
    """A file that there is from now on, if it was not there before, and what was in it then.

    A file that the disk has not seen got its name when its content was on disk.
    """

    file: str
    content: bytes


class Deleted(NamedTuple):
    """A file that is gone; for certain if its folder was synced."""

    file: str
    synced: bool


class Heard(NamedTuple):
    """What somebody was told at this moment."""

    what: Any


Event: TypeAlias = Wrote | Cut | Synced | Opened | Deleted | Heard


class Disk(apsw.VFS):
    """A VFS to name in `SqliteDatabase(path, vfs=disk.name)`; `close` takes it out of SQLite.

    `syncs` counts those of the WAL. `full` fails writes for want of space, `broken` fails syncs,
    and `fail` fails one call. `life` is how many further changes happen before none does any more,
    as if the process had died.
    """

    def __init__(self) -> None:
        self.name = f"disk-{new_id()}"
        self.syncs = 0
        self.full = False
        self.broken = False
        self.life: int | None = None
        self.tape: list[Event] = []
        self.calls: Counter[Call] = Counter()
        self._doomed: tuple[Call, int, int] | None = None
        self._gate = threading.Event()
        self._gate.set()
        self._waiting = threading.Event()
        self._lock = threading.Lock()
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> DiskFile:  # noqa: N802
        self.meet("open")
        return DiskFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.spend_life()
        super().xDelete(filename, syncdir)
        self.put(Deleted(filename, syncdir))

    def put(self, event: Event) -> None:
        """Write an event on the tape."""
        with self._lock:
            self.tape.append(event)

    def hear(self, what: Any) -> None:
        """Note on the tape what somebody was told now."""
        self.put(Heard(what))

    def fail(self, call: Call, number: int, errno: Errno) -> None:
        """Fail the call of that kind and number, counted from 1 since the disk was made."""
        self._doomed = call, number, CODES[call, errno]

    def meet(self, call: Call) -> None:
        """Count a call. Raises: apsw.Error if it is the one to fail."""
        with self._lock:
            self.calls[call] += 1
            doomed = self._doomed is not None and self._doomed[:2] == (call, self.calls[call])
        if doomed:
            assert self._doomed is not None
            raise apsw.exception_for(self._doomed[2])

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


class DiskFile(apsw.VFSFile):
    """One open file of a disk."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        disk.put(Opened(self._name, Path(self._name).read_bytes()))

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802
        self._disk.spend_life()
        if self._disk.full:
            raise apsw.FullError("no space left on the disk")
        try:
            self._disk.meet("write")
        except apsw.Error:
            # As much as there was room for, before the call failed.
            self._write(bytes(data)[: len(data) // 2], offset)
            raise
        self._write(bytes(data), offset)

    def _write(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._disk.put(Wrote(self._name, offset, data))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._disk.spend_life()
        self._disk.meet("truncate")
        super().xTruncate(size)
        self._disk.put(Cut(self._name, size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.pass_gate()
        self._disk.spend_life()
        if self._disk.broken:
            raise apsw.IOError("the disk does not answer")
        try:
            self._disk.meet("sync")
        except apsw.Error:
            self._disk.put(Synced(self._name, failed=True))
            raise
        super().xSync(flags)
        self._disk.syncs += self._name.endswith("-wal")
        self._disk.put(Synced(self._name))
