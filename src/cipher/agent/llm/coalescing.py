"""Gathers what a provider streams, so that the rest of the program moves pieces, not tokens.

A token costs every room that it passes through. `Coalescer` gives out the first item the moment it
arrives and from then on at most one batch per window, with one timer per window and none per item.
It reads ahead by itself, and stops reading while more than `MAX_WAITING` items wait to be taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")

WINDOW_SECONDS = 0.05
"""20 pieces a second: smooth to the eye, and 2.5 tokens of a provider at 50 tokens a second."""

MAX_WAITING = 4096


class Coalescer(Generic[Item]):
    """The items of `source` in batches. Entering starts to read; leaving stops and closes it."""

    def __init__(self, source: AsyncGenerator[Sequence[Item], None]) -> None:
        self._source = source
        self._waiting: list[Item] = []
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read(), name="model-stream")
        self._reader.add_done_callback(lambda _: self._arrived.set())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader.cancel()
        await asyncio.wait([self._reader])
        if not self._reader.cancelled():
            # Looked at, so that an error that nobody waited for any more is not reported as lost.
            self._reader.exception()

    async def batches(self) -> AsyncGenerator[list[Item], None]:
        """Everything in order, at least one item a batch; at the end the source's error, if any."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._waiting:
                yield self._take()
                await asyncio.wait([self._reader], timeout=WINDOW_SECONDS)
            if self._reader.done():
                if self._waiting:
                    yield self._take()
                self._reader.result()
                return

    def _take(self) -> list[Item]:
        batch, self._waiting = self._waiting, []
        self._taken.set()
        return batch

    async def _read(self) -> None:
        async with aclosing(self._source) as source:
            async for items in source:
                self._waiting.extend(items)
                self._arrived.set()
                while len(self._waiting) > MAX_WAITING:
                    self._taken.clear()
                    await self._taken.wait()
