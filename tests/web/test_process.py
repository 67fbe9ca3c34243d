"""A server's life as a process: its start, its signals, its death, and what is there afterwards."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cipher.config import Settings
from cipher.errors import SettingsError, StorageError
from cipher.testing import FakeOpenAI, ScriptedModel, reply
from cipher.web.app import serve_until
from tests.web.process import Process, process
from tests.web.running import Client, running


@pytest.fixture
def gate() -> asyncio.Event:
    """What the model waits for in the middle of its first answer."""
    return asyncio.Event()


@pytest.fixture
async def endpoint(gate: asyncio.Event) -> AsyncIterator[dict[str, str]]:
    """Settings for a model that stops at the gate once, and then answers at once."""
    async with FakeOpenAI(reply("Half ", gate, "whole."), reply("All of it.")) as fake:
        yield {"LLM_MODEL": "fake", "LLM_BASE_URL": fake.base_url, "LLM_API_KEY": "key"}


async def in_mid_answer(server: Process) -> tuple[Client, str]:
    """A socket that has seen the first half of an answer in session `s`; the turn's id."""
    await server.server.create("s")
    client = await server.server.v1()
    await client.subscribe("s")
    ack = await server.server.say("s", "Hi", clientMsgId="mine")
    await client.until("message:delta")
    return client, ack["turnId"]


async def history(server: Process) -> list[tuple[str, str, str | None]]:
    shown = (await server.server.call("GET", "/api/sessions/s/history"))["history"]
    return [(m["role"], m["content"], m.get("status")) for m in shown]


async def test_the_port_is_open_before_the_model_library_is_imported(tmp_path: Path) -> None:
    async with process(tmp_path) as server:
        assert not server.imported_early
        assert await server.server.call("GET", "/readyz")


async def test_a_signal_lets_running_answers_finish_and_refuses_new_ones(
    tmp_path: Path, gate: asyncio.Event, endpoint: dict[str, str]
) -> None:
    async with process(tmp_path, **endpoint) as server:
        client, _ = await in_mid_answer(server)
        server.signal(signal.SIGTERM)
        await client.until("server:draining")
        refusal = await server.server.refusal("GET", "/readyz")
        assert refusal == (503, "draining")
        body = {"content": "Ho"}
        refusal = await server.server.refusal("POST", "/api/sessions/s/messages", json=body)
        assert refusal == (503, "draining")
        await client.send("message:sent", {"sessionId": "s", "content": "Ho"})
        error = (await client.until("error"))["payload"]
        assert (error["code"], error["retryable"]) == ("draining", True)
        gate.set()
        await client.until("turn:ended", status="complete")
        assert await client.close_code() == 1012
        assert await server.ended() == 0
        log = [json.loads(line) for line in (await server.log()).splitlines()]
    (began,) = [line for line in log if line["event"] == "draining"]
    (ended,) = [line for line in log if line["event"] == "drained"]
    assert (began["turns"], ended["interrupted"]) == (1, 0)
    async with process(tmp_path) as server:
        assert await history(server) == [
            ("user", "Hi", None),
            ("assistant", "Half whole.", "complete"),
        ]


async def test_a_second_signal_ends_at_once_and_loses_nothing(
    tmp_path: Path, endpoint: dict[str, str]
) -> None:
    async with process(tmp_path, **endpoint) as server:
        client, _ = await in_mid_answer(server)
        server.signal(signal.SIGINT)
        await client.until("server:draining")
        server.signal(signal.SIGTERM)
        assert await server.ended() == -signal.SIGTERM
    async with process(tmp_path) as server:
        (user, answer) = await history(server)
        assert user == ("user", "Hi", None)
        assert answer[2] == "interrupted"


async def test_a_killed_server_comes_back_with_everything_acknowledged_and_retry_works(
    tmp_path: Path, endpoint: dict[str, str]
) -> None:
    async with process(tmp_path, **endpoint) as server:
        await in_mid_answer(server)
        server.signal(signal.SIGKILL)
        assert await server.ended() == -signal.SIGKILL
    async with process(tmp_path, **endpoint) as server:
        user, answer = await history(server)
        assert user == ("user", "Hi", None)
        assert answer[2] == "interrupted"
        assert "Half whole.".startswith(answer[1])
        ack = await server.server.say("s", "Hi", clientMsgId="mine")
        assert ack["duplicate"] is True
        client = await server.server.v1()
        await client.subscribe("s")
        path = f"/api/sessions/s/turns/{ack['turnId']}/retry"
        await server.server.call("POST", path)
        await client.until("turn:ended", attempt=2, status="complete")
        assert (await history(server))[-1] == ("assistant", "All of it.", "complete")


async def test_a_full_disk_is_said_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    async with process(tmp_path) as server:
        await server.server.create("s")
        client = await server.server.v1()
        await client.subscribe("s")
        pid = server.process.pid
        # A write beyond this size fails, as it does on a disk without room.
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
        sending = {"sessionId": "s", "content": "Hi", "clientMsgId": "mine"}
        await client.send("message:sent", sending, id=1)
        error = await client.until("error")
        assert error["ref"] == 1
        assert error["payload"]["code"] in ("storage_full", "storage_unavailable")
        assert error["payload"]["retryable"] is True
        assert str(tmp_path) not in json.dumps(error)
        status = await client.until("server:status")
        assert status["payload"]["storage"] in ("read_only", "unavailable")
        code, _ = await server.server.refusal("GET", "/readyz")
        assert code in (503, 507)
        assert (await server.server.call("GET", "/livez"))["status"] == "alive"
        assert (await server.server.call("GET", "/api/stats"))["storageConnected"] is False
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        await client.until("server:status", storage="ok")
        await client.send("message:sent", sending, id=2)
        ack = await client.until("message:ack")
        assert (ack["payload"]["seq"], ack["payload"]["duplicate"]) == (1, False)
        assert await server.server.call("GET", "/readyz")


async def test_log_lines_have_ids_and_never_content(tmp_path: Path) -> None:
    async with process(tmp_path) as server:
        await server.server.create("my-session", title="a-private-title")
        client = await server.server.v1()
        await client.subscribe("my-session")
        headers = {"X-Request-Id": "my-request"}
        path = "/api/sessions/my-session/messages"
        body = {"content": "a-private-question"}
        ack = await server.server.call("POST", path, json=body, headers=headers)
        answer = await client.until("message:received", role="assistant")
        await server.server.http.get("/api/sessions?q=a-private-query")
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
        log = await server.log()
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"event", "level", "timestamp"} <= set(lines[0])
    sent = [line for line in lines if line.get("request_id") == "my-request"]
    request = next(line for line in sent if line["event"] == "request")
    assert (request["session_id"], request["status"]) == ("my-session", 202)
    assert any(line.get("turn_id") == ack["turnId"] for line in lines)
    assert "a-private" not in log
    assert answer["payload"]["content"][:20] not in log


async def test_a_port_in_use_stops_the_start_and_names_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"API_PORT={port}: the port is in use"):
            await start_with(tmp_path, api_host="127.0.0.1", api_port=port)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("host", ["no-such-host", "nowhere.invalid", "203.0.113.1", "a" * 300])
async def test_a_host_that_is_none_stops_the_start_and_names_the_setting(
    tmp_path: Path, host: str
) -> None:
    with pytest.raises(SettingsError, match=r"^API_HOST="):
        await start_with(tmp_path, api_host=host, api_port=0)


async def test_localhost_is_listened_on_whole(tmp_path: Path) -> None:
    async with running(tmp_path, ScriptedModel("Hi."), api_host="localhost") as server:
        assert server.url.startswith("http://localhost:")
        for _, _, _, _, address in socket.getaddrinfo("localhost", server.port):
            _, writer = await asyncio.open_connection(str(address[0]), server.port)
            writer.close()
            await writer.wait_closed()


async def test_two_servers_do_not_share_a_database(tmp_path: Path) -> None:
    async with running(tmp_path, ScriptedModel("Hi.")) as server:
        with pytest.raises(StorageError):
            await start_with(tmp_path, api_host="127.0.0.1", api_port=0)
        assert await server.call("GET", "/readyz")


async def start_with(folder: Path, **settings: Any) -> None:
    """Start a server that is expected not to."""
    checked = Settings(_env_file=None, storage_database_path=folder, **settings)
    await serve_until(asyncio.Event(), checked, model=ScriptedModel("Hi."))
