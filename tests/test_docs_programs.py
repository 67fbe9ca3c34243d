"""The programs and requests of README and tutorial, run against a server as they are written.

Only the port is replaced. The model is a scripted one, so that a test decides what is said when.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from cipher.agent.llm import LanguageModel
from cipher.config import Settings
from cipher.testing import ScriptedModel
from cipher.web.app import serve_until
from tests.documents import document

PATIENCE = 30
WRITTEN = "localhost:3001"


@pytest.fixture
def port() -> int:
    """A port that is free, for a server that comes back on it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    return number


@asynccontextmanager
async def served(folder: Path, port: int, model: LanguageModel) -> AsyncIterator[None]:
    """A server over the database of a folder; running answers are interrupted at its end."""
    settings = Settings(
        _env_file=None, storage_database_path=folder, api_host="127.0.0.1", api_port=port
    )
    stop, ready = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(
        serve_until(stop, settings, on_ready=lambda _: ready.set(), model=model, drain=timedelta(0))
    )
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
    waiting.cancel()
    try:
        assert ready.is_set()
        yield
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE):
            await serving


@asynccontextmanager
async def program(name: str, port: int, folder: Path, *arguments: str) -> AsyncIterator[Process]:
    """The one Python program of a document, running."""
    (block,) = document(name).blocks("python")
    assert WRITTEN in block.text
    path = folder / "program.py"
    path.write_text(block.text.replace(WRITTEN, f"localhost:{port}"), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    # The library waits for seconds before it knocks at a server that is away.
    quick = dict.fromkeys(("INITIAL_DELAY", "MIN_DELAY", "MAX_DELAY"), "0.1")
    waits = {f"WEBSOCKETS_BACKOFF_{name}": value for name, value in quick.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", str(path), *arguments, stdout=PIPE, stderr=PIPE, env=kept | waits
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def rest_of(process: Process) -> str:
    """What a program prints until its end, which must be a good one."""
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def ask_as_curl(command: str, port: int) -> None:
    """Do what a line with curl does, which must succeed."""
    curl = argparse.ArgumentParser("curl")
    curl.add_argument("-s", action="store_true")
    curl.add_argument("-X", dest="method", default="GET")
    curl.add_argument("-d", dest="body")
    curl.add_argument("url")
    asked = curl.parse_args(shlex.split(command)[1:])
    url = "http://" + asked.url.replace(WRITTEN, f"127.0.0.1:{port}")
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.request(asked.method, url, content=asked.body)
    assert answer.json()["success"] is True, (command, answer.text)


def curls(name: str) -> list[str]:
    lines = [line for block in document(name).blocks("sh") for line in block.text.splitlines()]
    return [line for line in lines if line.startswith("curl ")]


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md"])
async def test_the_requests_succeed_in_their_order(name: str, tmp_path: Path, port: int) -> None:
    assert len(curls(name)) == 3
    async with served(tmp_path, port, ScriptedModel("Hi.")):
        for command in curls(name):
            await ask_as_curl(command, port)


async def test_the_readme_follows_an_answer(tmp_path: Path, port: int) -> None:
    async with served(tmp_path, port, ScriptedModel("| a ", "| b |")):
        await ask_as_curl(curls("README.md")[0], port)
        async with program("README.md", port, tmp_path) as process:
            assert await rest_of(process) == "| a | b |"


async def test_the_readme_follows_its_own_answer_behind_one_that_still_runs(
    tmp_path: Path, port: int
) -> None:
    gate = asyncio.Event()
    model = ScriptedModel("First ", gate, "answer. ").then("| a | b |")
    async with served(tmp_path, port, model):
        for command in curls("README.md")[:2]:
            await ask_as_curl(command, port)
        async with program("README.md", port, tmp_path) as process:
            assert process.stdout is not None
            async with asyncio.timeout(PATIENCE):
                assert await process.stdout.readexactly(6) == b"First "
            gate.set()
            assert await rest_of(process) == "answer. | a | b |"


async def test_the_readmes_program_says_that_its_session_is_missing(
    tmp_path: Path, port: int
) -> None:
    async with (
        served(tmp_path, port, ScriptedModel("Hi.")),
        program("README.md", port, tmp_path) as process,
        asyncio.timeout(PATIENCE),
    ):
        _, complaint = await process.communicate()
    assert process.returncode == 1
    assert complaint.decode() == "There is no such session.\n"


async def test_the_tutorials_client_survives_a_restart_in_mid_answer(
    tmp_path: Path, port: int
) -> None:
    first, second = ScriptedModel("Half ", asyncio.Event()), ScriptedModel("All of it.")
    async with AsyncExitStack() as running:
        async with served(tmp_path, port, first):
            client = program("docs/tutorial.md", port, tmp_path, "How", "long?")
            process = await running.enter_async_context(client)
            assert process.stdout is not None
            async with asyncio.timeout(PATIENCE):
                assert await process.stdout.readexactly(5) == b"Half "
        async with served(tmp_path, port, second):
            printed = await rest_of(process)
    assert "(the server stopped in mid-answer; asking again)" in printed
    assert printed.endswith("All of it.\n")
    assert [model.asked[0].last for model in (first, second)] == ["How long?", "How long?"]
