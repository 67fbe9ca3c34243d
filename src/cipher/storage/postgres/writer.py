"""Group commit for PostgreSQL: appends that wait while a commit runs share the next one.

Owns the order: verbs on one session run in the order in which they came, one batch at a time.
Batches on different sessions run beside each other, each on a connection of its own. A caller hears
of success only after the commit; one that is cancelled while it waits leaves its verb in the queue,
and it happens whole. A verb that fails on its own data, a damaged session among them, fails alone.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from cipher.errors import BadRequest, CipherError, StorageCorrupt, StorageUnavailable
from cipher.storage.postgres.batch import Outcome, Verb, perform
from cipher.storage.postgres.connections import Connection, Connections

LANES: Final = 2
"""Batches that run at a time."""
MAX_BATCH: Final = 512
MAX_WAITING: Final = 20_000
"""Verbs that may wait; beyond it a new one is refused, so that memory stays bounded."""
_ONE_VERBS_FAULTS: Final = (BadRequest, StorageCorrupt)
"""What the data of one verb can do to a transaction; nothing of it was kept then."""


class _Job:
    __slots__ = ("future", "verb")

    def __init__(self, verb: Verb) -> None:
        self.verb = verb
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def settle(self, outcome: Outcome | BaseException) -> None:
        if self.future.done():
            return
        if isinstance(outcome, BaseException):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class Writer:
    """Runs verbs in groups."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._waiting: list[_Job] = []
        self._taken: set[str] = set()
        self._lanes: set[asyncio.Task[None]] = set()
        self._starting = False
        self._closed = False

    async def run(self, verb: Verb) -> Any:
        """What a verb came to, once that is on disk. Raises: CipherError; nothing is kept then."""
        if self._closed:
            raise StorageUnavailable("The storage is not open.")
        if len(self._waiting) >= MAX_WAITING:
            raise StorageUnavailable("The storage can not keep up; try again in a moment.")
        job = _Job(verb)
        self._waiting.append(job)
        if not self._starting and len(self._lanes) < LANES:
            # After the others that are ready now have asked too: they go into the same batch.
            self._starting = True
            asyncio.get_running_loop().call_soon(self._start)
        return await job.future

    async def close(self) -> None:
        """Finish what was accepted."""
        self._closed = True
        while self._waiting or self._lanes:
            if self._lanes:
                await asyncio.wait(self._lanes)
            else:
                await asyncio.sleep(0)

    def _start(self) -> None:
        """Give a free lane all that may run now."""
        self._starting = False
        if len(self._lanes) >= LANES:
            return
        batch: list[_Job] = []
        later: list[_Job] = []
        for job in self._waiting:
            ready = len(batch) < MAX_BATCH and job.verb.session_id not in self._taken
            (batch if ready else later).append(job)
        self._waiting = later
        if not batch:
            return
        sessions = {job.verb.session_id for job in batch}
        self._taken |= sessions
        lane = asyncio.create_task(self._commit(batch, sessions))
        self._lanes.add(lane)
        lane.add_done_callback(self._end)

    async def _commit(self, batch: list[_Job], sessions: set[str]) -> None:
        try:
            await self._perform(batch)
        finally:
            self._taken -= sessions

    async def _perform(self, batch: list[_Job]) -> None:
        """Run a batch in one transaction, or, where what one verb met ended it, each in its own."""
        verbs = [job.verb for job in batch]

        async def work(connection: Connection) -> list[Outcome]:
            return await perform(connection, verbs)

        try:
            outcomes = await self._connections.write(work)
        except BaseException as error:  # noqa: BLE001 - every caller must hear
            if isinstance(error, _ONE_VERBS_FAULTS) and len(batch) > 1:
                for job in batch:
                    await self._perform([job])
                return
            known = error if isinstance(error, CipherError) else StorageUnavailable()
            if known is not error:
                known.__cause__ = error
            for job in batch:
                job.settle(known)
        else:
            for job, outcome in zip(batch, outcomes, strict=True):
                job.settle(outcome)

    def _end(self, lane: asyncio.Task[None]) -> None:
        self._lanes.discard(lane)
        if self._waiting:
            self._start()
