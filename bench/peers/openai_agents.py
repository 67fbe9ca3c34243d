"""openai-agents: one `SQLiteSession` a conversation on one file, messages added as they come."""

from __future__ import annotations

import asyncio

from agents import SQLiteSession
from measure import Job, report


async def main() -> None:
    job = Job.from_arguments()
    path = f"{job.place}/openai_agents.db"
    sessions = [SQLiteSession(f"s{number}", path) for number in range(job.sessions)]

    async def turn(number: int) -> None:
        await sessions[number].add_items([{"role": "user", "content": job.question}])
        await sessions[number].add_items([{"role": "assistant", "content": job.reply}])

    await report(job, turn)


asyncio.run(main())
