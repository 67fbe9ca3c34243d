"""The whole server on PostgreSQL: two of them at a time, and the death of one in mid-answer."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cipher.testing import FakeOpenAI, reply
from tests.postgres import PostgresServer
from tests.web.process import process

pytestmark = [pytest.mark.backend, pytest.mark.timeout(120)]


@pytest.fixture
async def settings(postgres: PostgresServer) -> AsyncIterator[dict[str, str]]:
    """Settings for PostgreSQL and a model whose first answer never ends."""
    async with FakeOpenAI(reply("Half ", asyncio.Event()), reply("All of it.")) as fake:
        yield {
            "STORAGE_DATABASE_TYPE": "postgres",
            "STORAGE_DATABASE_URL": postgres.url,
            "LLM_MODEL": "fake",
            "LLM_BASE_URL": fake.base_url,
            "LLM_API_KEY": "key",
        }


async def test_what_a_killed_server_leaves_another_one_takes_up(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    async with process(tmp_path, **settings) as survivor:
        async with process(tmp_path, **settings) as victim:
            await victim.server.create("s")
            there = await victim.server.v1()
            await there.subscribe("s")
            ack = await victim.server.say("s", "Hi", clientMsgId="mine")
            await there.until("message:delta")
            victim.signal(signal.SIGKILL)
            assert await victim.ended() == -signal.SIGKILL
        again = await survivor.server.say("s", "Hi", clientMsgId="mine")
        assert (again["duplicate"], again["messageId"]) == (True, ack["messageId"])
        client = await survivor.server.v1()
        await client.subscribe("s")
        client.patience = 40  # its worker's lease has to run out
        await client.until("turn:ended", status="interrupted")
        path = f"/api/sessions/s/turns/{ack['turnId']}/retry"
        await survivor.server.call("POST", path)
        await client.until("turn:ended", attempt=2, status="complete")
        shown = (await survivor.server.call("GET", "/api/sessions/s/history"))["history"]
        assert [(m["role"], m["content"]) for m in shown] == [
            ("user", "Hi"),
            ("assistant", "All of it."),
        ]
