"""Connections to PostgreSQL: transactions with a deadline and an outcome that is always known.

Owns the pool and the promise that a verb ends: within `DEADLINE` seconds it has succeeded or
failed, whatever the server and the network do. A connection that does not answer in time is cut,
which fails whoever waits on it at once; the driver's own way to cancel asks the server, which may
be the one that hangs. A verb runs on a task of its own, so that a caller who goes away leaves no
transaction half done and no connection in an unknown state.

When a connection breaks during COMMIT nobody has said how it ended. Then the server is asked, on
another connection, what became of the transaction (`pg_xact_status`); it is never guessed. A server
that crashed meanwhile can not tell: a transaction that was not on disk is forgotten with its
number, which another one may have by now.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from cipher.errors import CipherError, StorageUnavailable
from cipher.storage.postgres.errors import COLLISIONS, DRIVER_ERRORS, translate

DEADLINE: Final = 3.0
"""Seconds that a verb may take, the wait for a connection included."""
LONG_DEADLINE: Final = 300.0
"""The same for the verbs that write as much as they are given."""
BORROW_SECONDS: Final = 0.9
"""How long a verb waits for a connection: whoever finds all of them taken hears within 1 s."""
ASK_SECONDS: Final = 1.5
"""How long to find out what became of a transaction."""
ATTEMPTS: Final = 5
"""How often a transaction is tried that collides with others."""
SCHEMA: Final = "cipher"

_READ_ONLY: Final = "ISOLATION LEVEL REPEATABLE READ READ ONLY"
_UNKNOWN: Final = (
    "The connection broke while a change was being stored. Send it again: it is kept once."
)

T = TypeVar("T")
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
Work = Callable[[Connection], Awaitable[T]]


if TYPE_CHECKING:  # the class takes no parameter when the program runs
    _Base = asyncpg.Connection[asyncpg.Record]
else:
    _Base = asyncpg.Connection


class _Connection(_Base):
    """A connection that knows which life of the server it belongs to."""

    __slots__ = ("life",)

    life: str


class Connections:
    """A pool of at most `size` connections to the database that a libpq URL names."""

    def __init__(self, url: str, *, size: int = 10) -> None:
        self._url = url
        self._size = size
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def is_open(self) -> bool:
        """Whether verbs may run."""
        return self._pool is not None

    async def open(self) -> None:
        """Connect. Raises: StorageUnavailable if the server is away or does not keep its word."""
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=0,  # none is kept up while the server is away
                max_size=self._size,
                timeout=DEADLINE,
                connection_class=_Connection,
                init=_get_to_know,
                reset=_leave_as_it_is,
                server_settings={
                    "application_name": "cipher",
                    "search_path": SCHEMA,
                    "synchronous_commit": "on",
                    # What a verb reads after it has the lock has to be what was stored before.
                    "default_transaction_isolation": "read committed",
                    "statement_timeout": str(int(DEADLINE * 1000)),
                    "idle_in_transaction_session_timeout": str(int(DEADLINE * 2000)),
                    "jit": "off",
                },
            )
        except (*DRIVER_ERRORS, ValueError) as error:
            raise _unreachable(error) from error

    async def close(self) -> None:
        """Let what was accepted finish, then disconnect. Twice is fine."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if self._running:
            await asyncio.wait(self._running)
        try:
            async with asyncio.timeout(DEADLINE):
                await pool.close()
        except (TimeoutError, *DRIVER_ERRORS):
            pool.terminate()

    async def read(self, work: Work[T]) -> T:
        """Run reads that all see the database at one moment. Raises: CipherError."""
        return await self._apart(self._read(work))

    async def write(self, work: Work[T], *, seconds: float = DEADLINE) -> T:
        """Run writes as one transaction; on disk when this returns.

        `work` may run several times. Raises: CipherError; nothing is kept then.
        """
        return await self._apart(self._write(work, seconds))

    async def _apart(self, verb: Coroutine[Any, Any, T]) -> T:
        """Run a verb to its end even if the caller goes away."""
        task = asyncio.create_task(verb)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # heard, even if the caller is gone

    async def _read(self, work: Work[T]) -> T:
        try:
            async with self._transaction(_READ_ONLY, DEADLINE) as connection:
                value = await work(connection)
                await connection.execute("COMMIT")
                return value
        except DRIVER_ERRORS as error:
            raise translate(error) from error

    async def _write(self, work: Work[T], seconds: float) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._write_once(work, seconds)
            except COLLISIONS as error:
                if attempt == ATTEMPTS:
                    raise StorageUnavailable from error
            except DRIVER_ERRORS as error:
                raise translate(error) from error
        raise AssertionError

    async def _write_once(self, work: Work[T], seconds: float) -> T:
        broken: BaseException | None = None
        async with self._transaction("", seconds) as connection:
            life = _life(connection)
            if seconds > DEADLINE:
                await connection.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
            transaction = await connection.fetchval("SELECT pg_current_xact_id()::text")
            value = await work(connection)
            try:
                await connection.execute("COMMIT")
            except DRIVER_ERRORS as error:
                broken = error
        if broken is not None and not await self._was_committed(transaction, life):
            raise broken
        return value

    async def _was_committed(self, transaction: str, life: str) -> bool:
        """What became of a transaction. Raises: StorageUnavailable where nobody can tell."""
        try:
            async with asyncio.timeout(ASK_SECONDS), self._borrowed(ASK_SECONDS) as connection:
                if _life(connection) != life:
                    raise StorageUnavailable
                while True:
                    status = await connection.fetchval(
                        "SELECT pg_xact_status($1::text::xid8)", transaction
                    )
                    if status != "in progress":
                        break
                    await asyncio.sleep(0.02)
        except (*DRIVER_ERRORS, CipherError) as error:
            raise StorageUnavailable(_UNKNOWN) from error
        return bool(status == "committed")

    @asynccontextmanager
    async def _transaction(self, mode: str, seconds: float) -> AsyncIterator[Connection]:
        """A connection inside BEGIN; rolled back if it is left without an end."""
        async with self._borrowed(seconds) as connection:
            await connection.execute(f"BEGIN {mode}")
            try:
                yield connection
            finally:
                if _in_transaction(connection):
                    await connection.execute("ROLLBACK")

    @asynccontextmanager
    async def _borrowed(self, seconds: float) -> AsyncIterator[Connection]:
        """A connection that is cut when its time is over."""
        if self._pool is None:
            raise StorageUnavailable("The storage is not open.")
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        try:
            connection = await self._pool.acquire(timeout=BORROW_SECONDS)
        except (*DRIVER_ERRORS, ValueError) as error:
            raise _unreachable(error) from error
        cutting = loop.call_at(until, _cut, connection)
        try:
            yield connection
        finally:
            cutting.cancel()
            await self._pool.release(connection)


def _in_transaction(connection: Connection) -> bool:
    """Whether a connection waits for the end of a transaction; one that is lost does not."""
    try:
        return not connection.is_closed() and connection.is_in_transaction()
    except asyncpg.InterfaceError:  # the pool has noticed the loss already
        return False


def _cut(connection: Connection) -> None:
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _leave_as_it_is(connection: asyncpg.Connection[Any]) -> None:
    """Nothing to reset: every verb ends its transaction and changes no setting."""


def _life(connection: Connection) -> str:
    return cast("_Connection", connection).life


async def _get_to_know(connection: asyncpg.Connection[Any]) -> None:
    """Learn which life of the server this is, and refuse one that would say "committed" too early.

    A crash throws the statistics away, whether the whole server restarts after it or, as after the
    death of one backend, only its processes do.
    """
    assert isinstance(connection, _Connection)
    connection.life = await connection.fetchval(
        "SELECT concat(pg_postmaster_start_time(), ' ', stats_reset) FROM pg_stat_bgwriter"
    )
    synchronous = await connection.fetchval("SHOW synchronous_commit")
    if synchronous == "off" or await connection.fetchval("SHOW fsync") == "off":
        raise StorageUnavailable(
            "PostgreSQL runs with fsync or synchronous_commit off: acknowledged messages would be "
            "lost in a power cut. Turn both on."
        )


def _unreachable(error: BaseException) -> CipherError:
    """The error for a connection that could not be had."""
    match error:
        case CipherError():
            return error
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return StorageUnavailable(
                "PostgreSQL refuses the user, the password or a connection of this kind."
            )
        case asyncpg.InvalidCatalogNameError():
            return StorageUnavailable("PostgreSQL has no database of that name.")
        case ssl.SSLError():
            return StorageUnavailable(
                "PostgreSQL's certificate is not the one that STORAGE_DATABASE_URL asks for, or "
                "the server has no encryption that fits."
            )
        case asyncpg.ClientConfigurationError() | ValueError():
            return StorageUnavailable(
                "STORAGE_DATABASE_URL is not a PostgreSQL URL, or names a certificate that can not "
                "be read."
            )
        case TimeoutError():
            return StorageUnavailable("No connection to PostgreSQL is free; try again in a moment.")
        case _:
            return StorageUnavailable("PostgreSQL can not be reached.")
