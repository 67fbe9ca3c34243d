"""`SqliteDatabase`: the verbs of `DatabaseBackend` over one file.

Owns the writer thread, the reader threads and the server lock. Every writing verb is one closure
for the writer; every reading verb is one short read transaction on a reader thread, so that neither
ever blocks the event loop, and readers never wait for the writer.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

import apsw
import structlog

from cipher.errors import ReadOnly, StorageCorrupt, StorageError, StorageUnavailable
from cipher.model import (
    Answer,
    Appended,
    Durability,
    Finished,
    Message,
    MessagePage,
    NewMessage,
    Session,
    SessionPage,
    SessionPatch,
    SessionState,
    StorageStats,
    Turn,
)
from cipher.storage.base import Lease, OpenTurn, OwnedTurn
from cipher.storage.migrations import Migration
from cipher.storage.sqlite import answers, messages, sessions, turns
from cipher.storage.sqlite.backup import keep_copy
from cipher.storage.sqlite.check import require_whole_lists
from cipher.storage.sqlite.connection import DRIVER_ERRORS, connect, translate, translated_errors
from cipher.storage.sqlite.files import (
    beside,
    make_folders,
    publish,
    take_lock,
    temporary_beside,
    translated_os_errors,
)
from cipher.storage.sqlite.schema import is_older, migrate, require_current
from cipher.storage.sqlite.writer import Writer

READERS = 3
_DAMAGED = (
    "The database file is damaged; it was left untouched. `cipher db check` says what is wrong, "
    "`cipher db restore` puts a backup in its place, and `cipher db check --recover` saves what "
    "can be read into a new file."
)
_WITHOUT_DATABASE = (
    "The database file is gone, but its -wal file is there, which holds data and is nothing "
    "without it. Put the database file back, or restore a backup with `cipher db restore`."
)

T = TypeVar("T")

logger = structlog.get_logger(__name__)


class SqliteDatabase:
    """Conversations in one SQLite file. Promises: those of `DatabaseBackend`, `committed`.

    `exclusive` takes the server lock: only one process may run turns on a file. Processes without
    it may read and append beside the server. `read_only` opens a file that exists and is current,
    makes and migrates none, and needs no space on the disk. `vfs` names an apsw VFS and `steps` are
    migrations other than ours, both for tests.
    """

    durability: Durability = "committed"

    def __init__(
        self,
        path: Path,
        *,
        exclusive: bool = False,
        read_only: bool = False,
        vfs: str | None = None,
        steps: Sequence[Migration] | None = None,
    ) -> None:
        # Links lead to one file and one lock, wherever the process goes later.
        self.path = Path(os.path.realpath(path))
        self.sole_runner = exclusive
        self._read_only = read_only
        self._vfs = vfs
        self._steps = steps
        self._lock: IO[bytes] | None = None
        self._writer: Writer | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._reader_connections: list[apsw.Connection] = []
        self._damaged: set[str] = set()

    async def open(self) -> None:
        """See `DatabaseBackend.open`; StorageUnavailable too when another server has the file.

        A server does not open a file whose list of sessions is damaged.
        """
        try:
            await asyncio.to_thread(self._open_to_read if self._read_only else self._open)
        except StorageCorrupt as error:
            if error.message != StorageCorrupt().message:
                raise
            raise StorageCorrupt(_DAMAGED) from error
        if self._read_only:
            return
        try:
            await self.check()
        except BaseException:
            await self.close()
            raise

    def _open_to_read(self) -> None:
        connection = connect(self.path, read_only=True, vfs=self._vfs)
        with translated_errors(), closing(connection):
            require_current(connection, self._steps)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")

    def _open(self) -> None:
        make_folders(self.path)
        with translated_os_errors():
            missing = not self.path.exists()
        if missing:
            self._create()
        if self.sole_runner:
            self._lock = take_lock(self.path)
        try:
            connection = connect(self.path, vfs=self._vfs)
            try:
                with translated_errors():
                    self._migrate(connection)
                    if self.sole_runner:
                        require_whole_lists(connection)
            except StorageError:
                with suppress(apsw.Error):  # what is wrong is known already
                    connection.close()
                raise
        except StorageError:
            self._release_lock()
            raise
        self._writer = Writer(connection)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")

    def _create(self) -> None:
        """Make the file, which gets its name once its tables are in it.

        Where a process dies before, nothing is left that looks like a database. The `-wal` and
        `-shm` files will take its mode.
        """
        if beside(self.path, "-wal").exists():
            raise StorageCorrupt(_WITHOUT_DATABASE)
        with temporary_beside(self.path) as temporary:
            connection = connect(temporary, new=True, vfs=self._vfs)
            with translated_errors(), closing(connection):
                migrate(connection, steps=self._steps)
            with suppress(FileExistsError):  # another process was faster
                publish(temporary, self.path)

    def _migrate(self, connection: apsw.Connection) -> None:
        """Bring the file up to date; one with data in it only while no server is on it."""
        if not is_older(connection, self._steps):
            migrate(connection, steps=self._steps)
            return
        with take_lock(self.path) if self._lock is None else nullcontext():
            migrate(connection, steps=self._steps, before=partial(self._keep, connection))

    def _keep(self, connection: apsw.Connection, version: int) -> None:
        """Keep a copy of the database as it is before a migration."""
        kept = keep_copy(connection, beside(self.path, f".schema-{version}"), vfs=self._vfs)
        logger.info("database copied before its migration", schema=version, copy=kept.name)

    async def close(self) -> None:
        """See `DatabaseBackend.close`."""
        readers, self._readers = self._readers, None
        if readers is not None:
            await asyncio.to_thread(readers.shutdown)
        while self._reader_connections:
            self._reader_connections.pop().close()
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.close()
        self._release_lock()

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def _write(self, verb: Callable[..., T], *args: Any) -> T:
        if self._read_only:
            raise ReadOnly("The storage was opened for reading.")
        if self._writer is None:
            raise StorageUnavailable("The storage is not open.")
        return await self._writer.run(lambda connection: verb(connection, *args))

    async def _read(self, verb: Callable[..., T], *args: Any) -> T:
        if self._readers is None:
            raise StorageUnavailable("The storage is not open.")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read_now, verb, args)

    def _read_now(self, verb: Callable[..., T], args: tuple[Any, ...]) -> T:
        try:
            connection: apsw.Connection | None = getattr(self._local, "connection", None)
            if connection is None:
                connection = connect(self.path, read_only=True, vfs=self._vfs)
                self._local.connection = connection
                self._reader_connections.append(connection)
            connection.execute("BEGIN")
            try:
                return verb(connection, *args)
            finally:
                connection.execute("COMMIT")
                if connection.txn_state() != apsw.SQLITE_TXN_NONE:
                    # An error holds on to a statement that it broke off, and with it this reader
                    # to its snapshot: whatever it read later would be of the past.
                    self._give_up(connection)
        except DRIVER_ERRORS as error:
            raise translate(error) from error

    def _give_up(self, connection: apsw.Connection) -> None:
        """Close this thread's connection; the next read opens another."""
        self._local.connection = None
        self._reader_connections.remove(connection)
        connection.close(True)

    def _tell_damage(self, session_id: str) -> None:
        """Log a damaged session once, however often it is listed."""
        if session_id not in self._damaged:
            self._damaged.add(session_id)
            logger.error("session is damaged", session_id=session_id)

    # The verbs, in the order of `DatabaseBackend`, which documents them.

    async def check(self) -> None:
        await self._write(
            lambda connection: connection.execute("UPDATE durability_check SET count = count + 1")
        )

    async def create_session(
        self,
        owner_id: str,
        session_id: str,
        *,
        title: str = "",
        metadata: dict[str, Any] | None = None,
        at: datetime,
    ) -> Session:
        return await self._write(sessions.create, owner_id, session_id, title, metadata or {}, at)

    async def get_session(self, owner_id: str, session_id: str) -> Session:
        return await self._read(sessions.get, owner_id, session_id)

    async def list_sessions(
        self,
        owner_id: str,
        *,
        state: SessionState = "active",
        limit: int = 50,
        cursor: str | None = None,
        query: str = "",
    ) -> SessionPage:
        return await self._read(
            sessions.page, owner_id, state, limit, cursor, query, self._tell_damage
        )

    async def update_session(
        self, owner_id: str, session_id: str, patch: SessionPatch, *, at: datetime
    ) -> Session:
        return await self._write(sessions.update, owner_id, session_id, patch, at)

    async def delete_session(self, owner_id: str, session_id: str, *, at: datetime) -> Session:
        return await self._write(sessions.mark_deleted, owner_id, session_id, at)

    async def restore_session(self, owner_id: str, session_id: str) -> Session:
        return await self._write(sessions.mark_deleted, owner_id, session_id, None)

    async def purge_session(self, owner_id: str, session_id: str) -> None:
        await self._write(sessions.purge, owner_id, session_id)

    async def purge_deleted(self, *, deleted_before: datetime, limit: int = 100) -> int:
        return await self._write(sessions.purge_deleted, deleted_before, limit)

    async def expire_sessions(
        self,
        action: Literal["archive", "delete"],
        *,
        idle_since: datetime,
        at: datetime,
        limit: int = 100,
    ) -> Sequence[Session]:
        return await self._write(sessions.expire, action, idle_since, at, limit)

    async def import_session(self, session: Session, log: Sequence[Message]) -> bool:
        return await self._write(messages.import_session, session, log)

    async def append(
        self,
        owner_id: str,
        session_id: str,
        message: NewMessage,
        *,
        turn: OpenTurn | None = None,
    ) -> Appended:
        return await self._write(messages.append, owner_id, session_id, message, turn)

    async def branch(
        self, owner_id: str, session_id: str, *, before: int | None = None, limit: int = 50
    ) -> MessagePage:
        return await self._read(messages.branch, owner_id, session_id, before, limit)

    async def log(
        self, owner_id: str, session_id: str, *, after: int = 0, limit: int = 500
    ) -> MessagePage:
        return await self._read(messages.log, owner_id, session_id, after, limit)

    async def get_turn(self, owner_id: str, session_id: str, turn_id: str) -> Turn:
        def verb(connection: apsw.Connection) -> Turn:
            sessions.get(connection, owner_id, session_id)
            return turns.get(connection, session_id, turn_id)

        return await self._read(verb)

    async def start_turn(self, owner_id: str, session_id: str, lease: Lease) -> Turn | None:
        def verb(connection: apsw.Connection) -> Turn | None:
            sessions.get(connection, owner_id, session_id)
            return turns.start_next(connection, session_id, lease)

        return await self._write(verb)

    async def retry_turn(
        self, owner_id: str, session_id: str, turn_id: str, lease: Lease
    ) -> Appended:
        return await self._write(answers.retry, owner_id, session_id, turn_id, lease)

    async def checkpoint_turn(
        self, session_id: str, turn_id: str, attempt: int, *, partial: str, lease: Lease
    ) -> bool:
        return await self._write(turns.checkpoint, session_id, turn_id, attempt, partial, lease)

    async def finish_turn(
        self, owner_id: str, session_id: str, turn_id: str, attempt: int, answer: Answer
    ) -> Finished:
        return await self._write(answers.finish, owner_id, session_id, turn_id, attempt, answer)

    async def unfinished_turns(
        self, *, lease_before: datetime | None = None
    ) -> Sequence[OwnedTurn]:
        return await self._read(turns.all_unfinished, lease_before)

    async def stats(self, owner_id: str) -> StorageStats:
        return await self._read(sessions.stats, owner_id)
