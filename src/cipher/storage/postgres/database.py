"""`PostgresDatabase`: the verbs of `DatabaseBackend` over a PostgreSQL database.

Appends and answers go through the writer, many in one transaction; every other verb is a
transaction of its own. Any number of servers may work on one database at a time: what a verb reads
and changes is decided under the lock of its session's row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

import structlog

from cipher.errors import ReadOnly, StorageUnavailable
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
from cipher.storage.postgres import answers, messages, sessions, turns
from cipher.storage.postgres.batch import Append, Finish
from cipher.storage.postgres.connections import (
    DEADLINE,
    LONG_DEADLINE,
    Connection,
    Connections,
)
from cipher.storage.postgres.schema import migrate, require_current
from cipher.storage.postgres.writer import Writer

T = TypeVar("T")
logger = structlog.get_logger(__name__)


class PostgresDatabase:
    """Conversations in PostgreSQL 14 or newer. Promises: those of `DatabaseBackend`, `committed`.

    `url` is any libpq URL; `pool_size` bounds the connections of this process. `read_only` opens a
    database that is current, and makes and migrates nothing.
    """

    durability: Durability = "committed"
    sole_runner = False

    def __init__(self, url: str, *, pool_size: int = 10, read_only: bool = False) -> None:
        self._connections = Connections(url, size=pool_size)
        self._read_only = read_only
        self._writer: Writer | None = None
        self._damaged: set[str] = set()

    async def open(self) -> None:
        """See `DatabaseBackend.open`."""
        await self._connections.open()
        try:
            if self._read_only:
                await require_current(self._connections)
                return
            await migrate(self._connections)
            self._writer = Writer(self._connections)
            await self.check()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """See `DatabaseBackend.close`."""
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.close()
        await self._connections.close()

    async def _write(
        self, verb: Callable[..., Awaitable[T]], *args: Any, seconds: float = DEADLINE
    ) -> T:
        async def work(connection: Connection) -> T:
            return await verb(connection, *args)

        self._require_writing()
        return await self._connections.write(work, seconds=seconds)

    async def _read(self, verb: Callable[..., Awaitable[T]], *args: Any) -> T:
        async def work(connection: Connection) -> T:
            return await verb(connection, *args)

        return await self._connections.read(work)

    def _tell_damage(self, session_id: str) -> None:
        """Log a damaged session once, however often it is listed."""
        if session_id not in self._damaged:
            self._damaged.add(session_id)
            logger.error("session is damaged", session_id=session_id)

    # The verbs, in the order of `DatabaseBackend`, which documents them.

    async def check(self) -> None:
        async def verb(connection: Connection) -> None:
            await connection.execute("UPDATE durability_check SET count = count + 1")

        await self._write(verb)

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
        await self._write(sessions.purge, owner_id, session_id, seconds=LONG_DEADLINE)

    async def purge_deleted(self, *, deleted_before: datetime, limit: int = 100) -> int:
        return await self._write(
            sessions.purge_deleted, deleted_before, limit, seconds=LONG_DEADLINE
        )

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
        return await self._write(messages.import_session, session, log, seconds=LONG_DEADLINE)

    async def append(
        self,
        owner_id: str,
        session_id: str,
        message: NewMessage,
        *,
        turn: OpenTurn | None = None,
    ) -> Appended:
        appended: Appended = await self._grouped(Append(owner_id, session_id, message, turn))
        return appended

    async def branch(
        self, owner_id: str, session_id: str, *, before: int | None = None, limit: int = 50
    ) -> MessagePage:
        return await self._read(messages.branch, owner_id, session_id, before, limit)

    async def log(
        self, owner_id: str, session_id: str, *, after: int = 0, limit: int = 500
    ) -> MessagePage:
        return await self._read(messages.log, owner_id, session_id, after, limit)

    async def get_turn(self, owner_id: str, session_id: str, turn_id: str) -> Turn:
        async def verb(connection: Connection) -> Turn:
            await sessions.get(connection, owner_id, session_id)
            return await turns.get(connection, session_id, turn_id)

        return await self._read(verb)

    async def start_turn(self, owner_id: str, session_id: str, lease: Lease) -> Turn | None:
        return await self._write(turns.start_next, owner_id, session_id, lease)

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
        verb = Finish(owner_id, session_id, turn_id, attempt, answer)
        finished: Finished = await self._grouped(verb)
        return finished

    async def unfinished_turns(
        self, *, lease_before: datetime | None = None
    ) -> Sequence[OwnedTurn]:
        return await self._read(turns.all_unfinished, lease_before)

    async def stats(self, owner_id: str) -> StorageStats:
        return await self._read(sessions.stats, owner_id)

    async def _grouped(self, verb: Append | Finish) -> Any:
        self._require_writing()
        if self._writer is None:
            raise StorageUnavailable("The storage is not open.")
        return await self._writer.run(verb)

    def _require_writing(self) -> None:
        if self._read_only:
            raise ReadOnly("The storage was opened for reading.")
