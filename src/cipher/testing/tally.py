"""A count that tests can wait for instead of sleeping."""

from __future__ import annotations

import asyncio

LONGEST_WAIT_SECONDS = 10.0


class Tally:
    """How often something happened."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: list[tuple[int, asyncio.Event]] = []

    def add(self) -> None:
        """It happened once more."""
        self.count += 1
        for least, reached in self._waiting:
            if self.count >= least:
                reached.set()

    async def reach(self, count: int) -> None:
        """Wait until it happened `count` times.

        Raises: TimeoutError after `LONGEST_WAIT_SECONDS`, which fails the test.
        """
        if self.count >= count:
            return
        entry = (count, asyncio.Event())
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                await entry[1].wait()
        finally:
            self._waiting.remove(entry)
