"""LangGraph: a graph of one node over `MessagesState`, checkpointed by `AsyncSqliteSaver`."""

from __future__ import annotations

import asyncio

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from measure import Job, report


async def main() -> None:
    job = Job.from_arguments()

    async def answer(_state: MessagesState) -> dict[str, list[tuple[str, str]]]:
        return {"messages": [("assistant", job.reply)]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    async with AsyncSqliteSaver.from_conn_string(f"{job.place}/langgraph.db") as saver:
        compiled = graph.compile(checkpointer=saver)

        async def turn(number: int) -> None:
            await compiled.ainvoke(
                {"messages": [("user", job.question)]},
                {"configurable": {"thread_id": f"s{number}"}},
            )

        await report(job, turn)


asyncio.run(main())
