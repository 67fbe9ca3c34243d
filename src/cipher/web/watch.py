"""The watch over the storage: notices that it failed, and that it works again.

Owns the task that asks a storage that is suspected whether it works, and the news about it. A
storage that works is not asked: an idle server writes nothing. Owns no state of the storage: its
manager keeps that, and hears from everyone who saw it fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from cipher.errors import StorageError
from cipher.events import ServerStatus, StorageState
from cipher.storage.manager import StorageManager

_AGAIN_SECONDS: Final = 2.0

log = structlog.get_logger()


class StorageWatch:
    """`announce` is called with every change of state."""

    def __init__(self, storage: StorageManager, announce: Callable[[ServerStatus], None]) -> None:
        self._storage = storage
        self._announce = announce
        self._announced: StorageState = storage.state
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch a storage that is open."""
        self._announced = self._storage.state
        self._task = asyncio.create_task(self._run(), name="storage-watch")

    async def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def check(self) -> None:
        """Make a durable write now, and tell what changed. Raises: StorageError."""
        try:
            await self._storage.check()
        finally:
            self._tell()

    async def _run(self) -> None:
        suspected = self._storage.suspected
        while True:
            await suspected.wait()
            # Before the check: what fails while it is made is looked at again.
            suspected.clear()
            try:
                await self.check()
            except StorageError:
                suspected.set()
                await asyncio.sleep(_AGAIN_SECONDS)

    def _tell(self) -> None:
        storage = self._storage
        if storage.state == self._announced:
            return
        self._announced = storage.state
        write = log.info if storage.connected else log.error
        write("storage changed", state=storage.state)
        if not storage.connected:
            storage.suspect()
        self._announce(ServerStatus(storage=storage.state, since=storage.since))
