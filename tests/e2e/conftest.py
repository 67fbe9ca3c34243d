"""A real server process on a real SQLite file, a scripted endpoint behind it, and a real browser.

The server is started, killed and started again on the same port and folder, by its pid. The
endpoint runs in the test's event loop, so a test decides when each token comes.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, async_playwright, expect

from cipher.model import LOCAL_OWNER, Message
from cipher.storage.sqlite import SqliteDatabase
from cipher.testing import FakeOpenAI

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
START_SECONDS = 30
PATIENCE_MS = 20_000
"""How long a test waits for the page before it fails; a loaded machine may need some of it."""
NOT_OURS = re.compile(r"(_API_KEY|^LLM_|^STORAGE_|^SESSION_|^API_|^LOG_)")


class Server:
    """`cipher serve` as a person runs it, on one port and one folder for its whole life."""

    def __init__(self, folder: Path, endpoint: FakeOpenAI) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        kept = {key: value for key, value in os.environ.items() if not NOT_OURS.search(key)}
        self._environment = kept | {
            "LLM_BASE_URL": endpoint.base_url,
            "LLM_MODEL": "scripted",
            "LOG_LEVEL": "warning",
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the server; returns when it says where it is."""
        command = Path(sys.executable).with_name("cipher")
        self._process = await asyncio.create_subprocess_exec(
            str(command),
            "serve",
            "--port",
            str(self.port),
            cwd=self.folder,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            async for line in self._process.stdout:
                if self.url.encode() in line:
                    return
        raise AssertionError("the server ended without becoming ready")

    async def kill(self) -> None:
        """`kill -9`: no goodbye of any kind."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stored(self, session_id: str) -> list[Message]:
        """The session's log as the database file holds it, read without the server."""
        database = SqliteDatabase(self.folder / "data" / "cipher-sessions.db")
        await database.open()
        try:
            page = await database.log(LOCAL_OWNER, session_id)
            return list(page.messages)
        finally:
            await database.close()


@pytest.fixture
async def endpoint() -> AsyncIterator[FakeOpenAI]:
    """An endpoint that a test scripts with `answer_with` before it sends."""
    async with FakeOpenAI() as fake:
        yield fake


@pytest.fixture
async def server(tmp_path: Path, endpoint: FakeOpenAI) -> AsyncIterator[Server]:
    if not files("cipher.web").joinpath("static/index.html").is_file():
        pytest.skip("the page is not built; `make test` builds it")
    running = Server(tmp_path, endpoint)
    await running.start()
    yield running
    await running.kill()


@asynccontextmanager
async def browsing(executable: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=[*FLAGS])
        yield browser
        await browser.close()


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with browsing(chromium) as running:
        yield running


@pytest.fixture
async def tabs(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A person's browser: its tabs share cookies, storage and outbox."""
    context = await browser.new_context(
        viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    yield context
    await context.close()
