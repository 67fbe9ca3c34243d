"""Answers for the time in which the database is away: what the cache knows, marked as stale.

Owns the rule that only reads are answered so, only where the database did not answer, and never
without saying it; the storage is looked at all the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from cipher.errors import StorageUnavailable
from cipher.storage.cache.last_known import LastKnown
from cipher.storage.manager import StorageManager

T = TypeVar("T")
log = structlog.get_logger()


class StaleAnswers:
    """The last resort of the reads of one server."""

    def __init__(self, storage: StorageManager) -> None:
        self._storage = storage

    async def read(
        self, fresh: Awaitable[T], last: Callable[[LastKnown], Awaitable[T | None]] | None
    ) -> tuple[T, bool]:
        """What the database says, or else what was known last, and whether it is that.

        `last` None is for reads of which nothing is kept. Raises what `fresh` raises.
        """
        try:
            return await fresh, False
        except StorageUnavailable as error:
            cached = self._storage.cached
            known = await last(cached.last_known) if last is not None and cached else None
            if known is None:
                raise
            self._storage.suspect()
            log.warning("stale answer", code=error.code)
            return known, True
