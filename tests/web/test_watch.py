"""A storage that is away is said by `/readyz`, the socket and the log, and so is its return.

Another connection holds the write lock of the real file, as a program gone wrong would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from structlog.testing import capture_logs

from cipher.agent import insistence as insistence_module
from cipher.storage import manager as manager_module
from cipher.storage.sqlite import connection as connection_module
from cipher.testing import ScriptedModel
from tests.web.running import Start

pytestmark = pytest.mark.backend


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else can write to the database inside the block."""
    connection = apsw.Connection(str(folder / "cipher-sessions.db"))
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@pytest.fixture
def a_verb_that_waits_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "BUSY_MILLISECONDS", 50)


@pytest.fixture
def a_verb_that_waits_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "BUSY_MILLISECONDS", 60_000)
    monkeypatch.setattr(manager_module, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(manager_module, "SLOW_SECONDS", 0.1)
    monkeypatch.setattr(insistence_module, "SLOW_SECONDS", 0.1)


@pytest.mark.parametrize("how", ["a_verb_that_waits_fails", "a_verb_that_waits_hangs"])
async def test_while_an_answer_waits_for_storage_everyone_is_told(
    start: Start, tmp_path: Path, how: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(how)
    gate = asyncio.Event()
    server = await start(ScriptedModel("Half", gate, " whole."))
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    await server.say("s", "Hi")
    await client.until("message:delta")
    with capture_logs() as lines, locked(tmp_path):
        gate.set()
        await client.until("server:status", storage="unavailable")
        assert await server.refusal("GET", "/readyz") == (503, "storage_unavailable")
        assert (await server.call("GET", "/livez"))["storage"] == "unavailable"
        assert (await server.call("GET", "/api/stats"))["storageConnected"] is False
    frames = await client.all_until("server:status", storage="ok")
    ended = [frame for frame in frames if frame["type"] == "turn:ended"]
    assert [frame["payload"]["status"] for frame in ended] == ["complete"]
    assert (await server.call("GET", "/readyz"))["storage"] == "ok"
    told = [(line["event"], line["log_level"]) for line in lines]
    assert ("answer waits for storage", "error") in told
    assert ("storage changed", "error") in told
    assert ("request", "error") in told


async def test_a_hanging_storage_is_not_ready(
    start: Start, tmp_path: Path, a_verb_that_waits_hangs: None
) -> None:
    server = await start()
    client = await server.v1()
    with locked(tmp_path):
        for _ in range(2):
            assert await server.refusal("GET", "/readyz") == (503, "storage_unavailable")
    await client.until("server:status", storage="ok")
    assert await server.call("GET", "/readyz") == {"status": "ready", "storage": "ok"}


async def test_a_message_that_waits_for_storage_makes_it_suspect(
    start: Start, tmp_path: Path, a_verb_that_waits_hangs: None
) -> None:
    server = await start()
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    with locked(tmp_path):
        await client.send("message:sent", {"sessionId": "s", "content": "Hi"}, id=1)
        await client.until("server:status", storage="unavailable")
    frames = await client.all_until("server:status", storage="ok")
    assert [frame["ref"] for frame in frames if frame["type"] == "message:ack"] == [1]
