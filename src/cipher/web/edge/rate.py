"""How often one caller may send.

Owns the sliding window: at most so many sends in any minute, counted exactly. Promises to say how
long to wait.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from cipher.errors import RateLimited


class SendRate:
    """The sends of one caller within the window. `clock` counts seconds and never goes back."""

    def __init__(
        self, limit: int, clock: Callable[[], float], *, window_seconds: float = 60.0
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._window_seconds = window_seconds
        self._moments: deque[float] = deque()
        self.refused = 0
        """Sends refused since the last one that was taken."""

    def take(self) -> None:
        """Count one send. Raises: RateLimited with the time after which there is room again."""
        now = self._clock()
        while self._moments and self._moments[0] <= now - self._window_seconds:
            self._moments.popleft()
        if len(self._moments) >= self._limit:
            self.refused += 1
            wait = self._moments[0] + self._window_seconds - now
            raise RateLimited(retry_after_ms=max(1, round(wait * 1000)))
        self.refused = 0
        self._moments.append(now)

    @property
    def idle(self) -> bool:
        """Whether the window is empty, so that nothing is lost by forgetting this caller."""
        return not self._moments or self._moments[-1] <= self._clock() - self._window_seconds


class SendRates:
    """One `SendRate` per caller, for callers without a connection to hang it on."""

    def __init__(self, limit: int, clock: Callable[[], float], *, max_callers: int = 4096) -> None:
        self._limit = limit
        self._clock = clock
        self._max_callers = max_callers
        self._rates: OrderedDict[str, SendRate] = OrderedDict()

    def take(self, caller: str) -> None:
        """Count one send of a caller. Raises: RateLimited."""
        rate = self._rates.get(caller)
        if rate is None:
            rate = self._rates[caller] = SendRate(self._limit, self._clock)
        self._rates.move_to_end(caller)
        while len(self._rates) > self._max_callers or next(iter(self._rates.values())).idle:
            if len(self._rates) == 1:
                break
            self._rates.popitem(last=False)
        rate.take()
