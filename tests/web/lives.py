"""Servers that live and are killed one after the other, each in a fraction of a second.

A process that has imported everything and started nothing forks a server for each life: the same
server as `tests.web.process` starts, without a second of imports before it. All of them listen on
one port and work on one file. Owns starting and killing them; the test owns what they are asked.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.web.running import PATIENCE

PROGRAM = """
import asyncio, os, sys, threading
import uvloop
import cipher.agent.llm.endpoint, cipher.storage.sqlite
from cipher.config import load_settings
from cipher.log import set_up_logging
from cipher.testing import ScriptedModel
from cipher.web.app import serve_until

def live():
    def ready(address):
        print("ready", address, flush=True)

    async def serve():
        settings = load_settings()
        set_up_logging(settings.log_level, settings.log_format)
        model = ScriptedModel("Hello", " there.")
        await serve_until(asyncio.Event(), settings, on_ready=ready, model=model)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())

assert threading.active_count() == 1, "a fork would leave the other threads behind"
for order in sys.stdin:
    child = os.fork()
    if not child:
        try:
            live()
        finally:
            os._exit(1)
    print("pid", child, flush=True)
    _, status = os.waitpid(child, 0)
    print("ended", os.waitstatus_to_exitcode(status), flush=True)
"""


class Lives:
    """Start a server with `begin`, kill it with `end`; `url` stays the same."""

    def __init__(self, nursery: asyncio.subprocess.Process, port: int) -> None:
        self._nursery = nursery
        self._pid = 0
        self.url = f"http://127.0.0.1:{port}"

    async def begin(self) -> None:
        """Start the next server, and wait until it answers."""
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(b"\n")
        self._pid = int((await self._line("pid"))[0])
        assert await self._line("ready") == [self.url]

    async def end(self) -> None:
        """Kill the server, and wait until nothing of it is left."""
        os.kill(self._pid, signal.SIGKILL)
        assert await self._line("ended") == [str(-signal.SIGKILL)]
        self._pid = 0

    async def close(self) -> None:
        """Kill the server, if one lives, and the process that starts them."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
        if self._nursery.returncode is None:
            self._nursery.kill()
        await self._nursery.communicate()

    async def _line(self, kind: str) -> list[str]:
        assert self._nursery.stdout is not None
        async with asyncio.timeout(3 * PATIENCE):
            words = (await self._nursery.stdout.readline()).decode().split()
        assert words[:1] == [kind], words
        return words[1:]


@asynccontextmanager
async def lives(folder: Path) -> AsyncIterator[Lives]:
    """Servers on the database of a folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LLM_", "API_", "STORAGE_", "SESSION_", "LOG_"))
    }
    nursery = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        cwd=folder,
        env=kept
        | {
            "STORAGE_DATABASE_PATH": str(folder),
            "API_HOST": "127.0.0.1",
            "API_PORT": str(port),
            "LOG_LEVEL": "error",
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    servers = Lives(nursery, port)
    try:
        yield servers
    finally:
        await servers.close()
