"""A server in a process of its own, for tests that kill it.

Owns starting it on a folder and a port, reading its address, and making sure that it is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from tests.web.running import PATIENCE, Server

PROGRAM = """
import sys
from cipher.config import load_settings
from cipher.web.app import serve

def ready(address):
    print(address, "pydantic_ai" in sys.modules, flush=True)

serve(load_settings(), on_ready=ready)
"""


class Process:
    """One server process."""

    def __init__(self, process: asyncio.subprocess.Process, server: Server, early: bool) -> None:
        self.process = process
        self.server = server
        self.imported_early = early
        """Whether the model library was imported before the server was ready."""

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """How the process ended, once it did."""
        async with asyncio.timeout(3 * PATIENCE):
            return await self.process.wait()

    async def log(self) -> str:
        """What it wrote to standard error, all of it."""
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()


@asynccontextmanager
async def process(folder: Path, **settings: str) -> AsyncIterator[Process]:
    """A server process on the database of a folder; it is killed in the end if it still lives."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LLM_", "API_", "STORAGE_", "SESSION_", "LOG_"))
    }
    environment |= {
        "STORAGE_DATABASE_PATH": str(folder),
        "API_HOST": "127.0.0.1",
        "API_PORT": "0",
        "LLM_MODEL": "demo",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "debug",
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        cwd=folder,
        env=environment | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(3 * PATIENCE):
            line = (await child.stdout.readline()).decode().split()
        if not line:
            assert child.stderr is not None
            raise AssertionError((await child.stderr.read()).decode())
        url, early = line
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as http:
            server = Server(url, http, _nothing)
            async with server.clients:
                yield Process(child, server, early == "True")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def _nothing() -> None:
    """Tests end processes by signals."""
