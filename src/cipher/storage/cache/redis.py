"""`RedisCache`: a `CacheBackend` in a Redis or Valkey that several servers share.

Owns its connections: one is lent to one command at a time and goes back only after the whole answer
was read; whatever else happens to the command, cancellation included, the connection is cut. So an
answer can not be taken for that of the next command. The driver's own pool takes a connection back
in more cases than that, and its client repeats commands; neither is used.

A barred key holds the empty string, which no value is. Reading takes a bounded number of bytes,
whatever somebody else has put there.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from cipher.errors import SettingsError
from cipher.storage.cache.base import MAX_VALUE_BYTES, PREFIX, CacheFailed

CONNECTIONS: Final = 8
SECONDS: Final = 0.25
"""After which the driver gives up connecting, sending or reading by itself."""

_BARRED: Final = (
    "local function barred(key) "
    "return redis.call('TYPE', key).ok == 'string' and redis.call('STRLEN', key) == 0 end "
)
_PUT: Final = (
    _BARRED + "if not barred(KEYS[1]) then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end"
)
_BAR: Final = (
    _BARRED + "for _, key in ipairs(KEYS) do "
    "if not barred(key) or redis.call('PTTL', key) < tonumber(ARGV[1]) "
    "then redis.call('SET', key, '', 'PX', ARGV[1]) end end"
)
_FAILURES: Final = (RedisError, OSError, EOFError, ValueError)


class RedisCache:
    """The database of a server that a `redis://`, `rediss://` or `unix://` URL names.

    Raises: SettingsError for a URL that the driver does not understand.
    """

    def __init__(self, url: str, *, prefix: str = PREFIX, connections: int = CONNECTIONS) -> None:
        self._prefix = prefix
        try:
            self._options: dict[str, Any] = dict(parse_url(url))
            self._connect_to = self._options.pop("connection_class", Connection)
            # The URL says where the server is; how it is spoken to is decided here.
            self._options |= {
                "protocol": 2,
                "decode_responses": False,
                "socket_timeout": SECONDS,
                "socket_connect_timeout": SECONDS,
                "health_check_interval": 0,
                "retry": Retry(NoBackoff(), 0),
                "maint_notifications_config": MaintNotificationsConfig(enabled=False),
            }
            self._new_connection()
        except (ValueError, TypeError, RedisError) as error:
            raise SettingsError("STORAGE_CACHE_URL is not the URL of a Redis.") from error
        self._is_open = False
        self._places = asyncio.Semaphore(connections)
        self._idle: list[AbstractConnection] = []

    @property
    def connected(self) -> bool:
        """See `CacheBackend.connected`."""
        return self._is_open

    async def open(self) -> None:
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False
        await self._cut_idle()

    async def check(self) -> None:
        await self._ask("PING")

    async def get(self, key: str) -> bytes | None:
        answer = await self._ask("GETRANGE", self._prefix + key, 0, MAX_VALUE_BYTES)
        # A key of another type is somebody else's: there is nothing of ours under it.
        if not isinstance(answer, bytes) or not 0 < len(answer) <= MAX_VALUE_BYTES:
            return None
        return answer

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        if 0 < len(value) <= MAX_VALUE_BYTES:
            await self._do("EVAL", _PUT, 1, self._prefix + key, value, _milliseconds(ttl))
        elif await self.get(key) is not None:
            await self.remove(key)

    async def bar(self, *keys: str, seconds: float) -> None:
        named = [self._prefix + key for key in keys]
        await self._do("EVAL", _BAR, len(named), *named, _milliseconds(seconds))

    async def remove(self, *keys: str) -> None:
        await self._do("DEL", *[self._prefix + key for key in keys])

    async def _do(self, *command: str | bytes | int) -> None:
        """A command whose refusal is a failure."""
        answer = await self._ask(*command)
        if isinstance(answer, ResponseError):
            raise CacheFailed from answer

    async def _ask(self, *command: str | bytes | int) -> object:
        """One command and its answer, which may be a refusal. Raises: CacheFailed."""
        if not self._is_open:
            raise CacheFailed("The cache is not open.")
        async with self._places:
            connection = self._idle.pop() if self._idle else self._new_connection()
            try:
                answer = await _exchanged(connection, command)
            except _FAILURES as error:
                # What broke one connection has broken those that idle, more often than not.
                await connection.disconnect(nowait=True)
                await self._cut_idle()
                raise CacheFailed from error
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            if self._is_open:
                self._idle.append(connection)
            else:
                await connection.disconnect(nowait=True)
            return answer

    async def _cut_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.disconnect(nowait=True)

    def _new_connection(self) -> AbstractConnection:
        connection: AbstractConnection = self._connect_to(**self._options)
        return connection


async def _exchanged(connection: AbstractConnection, command: tuple[str | bytes | int, ...]) -> Any:
    await connection.connect()  # type: ignore[no-untyped-call]  # the driver's
    await connection.send_command(*command, check_health=False)
    try:
        return await connection.read_response()
    except ResponseError as refusal:  # the whole of it was read
        return refusal


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
