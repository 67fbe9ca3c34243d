"""Servers for the tests of the web room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from cipher.agent.llm import LanguageModel
from cipher.testing import ScriptedModel
from tests.web.running import Server, Start, running


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts servers on the test's database, one after the other."""
    async with AsyncExitStack() as stack:

        async def start(model: LanguageModel | None = None, **options: Any) -> Server:
            model = model or ScriptedModel("Hello", " there.")
            return await stack.enter_async_context(running(tmp_path, model, **options))

        yield start


@pytest.fixture
async def server(start: Start) -> Server:
    """A server whose model always says "Hello there."."""
    return await start()
