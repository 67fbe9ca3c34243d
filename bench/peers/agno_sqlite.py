"""agno: `AsyncSqliteDb`, the session stored with all its runs after each turn, as agents do."""

from __future__ import annotations

import asyncio
import uuid

from agno.db.sqlite import AsyncSqliteDb
from agno.models.message import Message
from agno.run.agent import RunOutput
from agno.session import AgentSession
from measure import Job, report


async def main() -> None:
    job = Job.from_arguments()
    database = AsyncSqliteDb(db_file=f"{job.place}/agno.db")
    sessions = [
        AgentSession(session_id=f"s{number}", agent_id="a", runs=[])
        for number in range(job.sessions)
    ]
    await database.upsert_session(AgentSession(session_id="warm-up", agent_id="a", runs=[]))

    async def turn(number: int) -> None:
        said = [
            Message(role="user", content=job.question),
            Message(role="assistant", content=job.reply),
        ]
        session = sessions[number]
        session.upsert_run(
            RunOutput(run_id=str(uuid.uuid4()), session_id=session.session_id, messages=said)
        )
        await database.upsert_session(session)

    await report(job, turn)


asyncio.run(main())
