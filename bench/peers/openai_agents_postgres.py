"""openai-agents: one `SQLAlchemySession` a conversation over one engine, messages as they come."""

from __future__ import annotations

import asyncio

from agents.extensions.memory import SQLAlchemySession
from measure import Job, report
from sqlalchemy.ext.asyncio import create_async_engine


async def main() -> None:
    job = Job.from_arguments()
    engine = create_async_engine(job.place, pool_size=10)
    first = SQLAlchemySession("first", engine=engine, create_tables=True)
    await first.add_items([{"role": "user", "content": job.question}])
    sessions = [SQLAlchemySession(f"s{number}", engine=engine) for number in range(job.sessions)]

    async def turn(number: int) -> None:
        await sessions[number].add_items([{"role": "user", "content": job.question}])
        await sessions[number].add_items([{"role": "assistant", "content": job.reply}])

    await report(job, turn)
    await engine.dispose()


asyncio.run(main())
