"""What every peer's script shares: the arguments, the concurrency and the figures it prints."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple


class Job(NamedTuple):
    """What `appends.py` asks of a peer."""

    place: str
    turns: int
    sessions: int
    question: str
    reply: str

    @classmethod
    def from_arguments(cls) -> Job:
        place, turns, sessions, question, reply = sys.argv[1:6]
        return cls(place, int(turns), int(sessions), question, reply)


async def report(job: Job, turn: Callable[[int], Awaitable[None]]) -> None:
    """Run the turns of all sessions at once and print rate, latency and CPU as one JSON line."""
    waits: list[float] = []

    async def one_session(number: int) -> None:
        for _ in range(job.turns // job.sessions):
            began = time.perf_counter()
            await turn(number)
            waits.append((time.perf_counter() - began) / 2)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one_session(number) for number in range(job.sessions)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    waits.sort()
    figures = {
        "turns_per_second": len(waits) / wall,
        "append_p50_ms": waits[len(waits) // 2] * 1e3,
        "append_p99_ms": waits[int(len(waits) * 0.99)] * 1e3,
        "cpu_ms_per_turn": cpu / len(waits) * 1e3,
    }
    print(json.dumps(figures))
