"""Doing what must be done as soon as the storage lets us, however long that takes.

Owns the pauses between the tries, and telling the storage's manager that something waits, so that
nobody is told meanwhile that the storage works. Owns no verb: whatever is insisted on must be safe
to do again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import TypeVar

from cipher.errors import NotFound, StorageError, StorageUnavailable
from cipher.storage.manager import SLOW_SECONDS, StorageManager

T = TypeVar("T")

_PAUSES = (0.25, 0.5, 1.0, 2.0)
_LONGEST_PAUSE = 5.0


async def insist(
    verb: Callable[[], Awaitable[T | None]],
    storage: StorageManager,
    on_trouble: Callable[[StorageError], None],
    *,
    gives_up: Callable[[], bool],
) -> T | None:
    """What the verb returns, once it does.

    None if what it is about was erased meanwhile, or if the storage failed and `gives_up` says so.
    `on_trouble` is called for each try that failed, and for each that takes long.
    """
    waiting = object()

    def complain(error: StorageError) -> None:
        on_trouble(error)
        if error.retryable:
            # What is damaged is this one thing, and the storage works for all others.
            storage.refused(waiting, error)

    try:
        for pause in chain(_PAUSES, repeat(_LONGEST_PAUSE)):
            loop = asyncio.get_running_loop()
            slow = loop.call_later(SLOW_SECONDS, complain, StorageUnavailable())
            try:
                return await verb()
            except NotFound:
                return None
            except StorageError as error:
                complain(error)
                if gives_up():
                    return None
            finally:
                slow.cancel()
            await asyncio.sleep(pause)
    finally:
        storage.taken(waiting)
    return None
