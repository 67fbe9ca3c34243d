"""Models on this machine: Ollama, and what to do when nothing is configured.

Owns the search for a running Ollama, which asks once, while warming, and waits no longer than a
person would notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from cipher.agent.llm.base import ModelInfo, Piece
from cipher.agent.llm.provider import ProviderModel, demo_model
from cipher.model import Message

if TYPE_CHECKING:
    from cipher.agent.llm.engine import Engine

OLLAMA_URL = "http://localhost:11434/v1"
SEARCH_SECONDS = 0.3
_MAX_LIST_BYTES = 1024 * 1024


def ollama_model(model: str, base_url: str, key: str = "") -> ProviderModel:
    """A model of the Ollama at `base_url`."""

    def build() -> Engine:
        from cipher.agent.llm.engines import endpoint_engine

        return endpoint_engine(
            model, base_url=base_url, key=key, provider="ollama", open_weights=True
        )

    return ProviderModel(ModelInfo(id=f"ollama:{model}", provider="ollama"), build)


class LocalOrDemo:
    """The newest model of a local Ollama if one answers while warming, else the demonstration."""

    def __init__(self, ollama_url: str) -> None:
        self._url = ollama_url
        self._chosen = demo_model()
        self._search: asyncio.Task[None] | None = None

    @property
    def info(self) -> ModelInfo:
        """The demonstration until `warm` found something better."""
        return self._chosen.info

    async def stream(
        self, history: Sequence[Message], *, system_prompt: str
    ) -> AsyncGenerator[Piece, None]:
        """Answer the last message of `history`; see `LanguageModel.stream`."""
        await self._decide()
        async with aclosing(self._chosen.stream(history, system_prompt=system_prompt)) as pieces:
            async for piece in pieces:
                yield piece

    async def warm(self) -> None:
        """Look for Ollama, then warm what was chosen."""
        await self._decide()
        await self._chosen.warm()

    async def close(self) -> None:
        """Give up the search and let go of the connections."""
        if self._search is not None:
            self._search.cancel()
            await asyncio.wait([self._search])
        await self._chosen.close()

    async def _decide(self) -> None:
        if self._search is None:
            self._search = asyncio.create_task(self._look(), name="ollama-search")
        await asyncio.shield(self._search)

    async def _look(self) -> None:
        if models := await listed_models(self._url):
            self._chosen = ollama_model(models[0], self._url)


async def listed_models(base_url: str) -> list[str]:
    """The chat models that the endpoint on this machine lists, newest first; none if it is away.

    Speaks plain HTTP/1.0 over a socket: the HTTP client takes longer to import than the answer to
    come, and would hold the event loop meanwhile.
    """
    parts = urlsplit(base_url)
    port = parts.port or 80
    request = f"GET {parts.path}/models HTTP/1.0\r\nHost: {parts.hostname}:{port}\r\n\r\n"
    listing: object = None
    with suppress(OSError, TimeoutError, asyncio.LimitOverrunError, msgspec.DecodeError):
        async with asyncio.timeout(SEARCH_SECONDS):
            reader, writer = await asyncio.open_connection(parts.hostname, port)
            try:
                writer.write(request.encode())
                received = await reader.read(_MAX_LIST_BYTES)
                while more := await reader.read(_MAX_LIST_BYTES):
                    received += more
            finally:
                writer.close()
            listing = msgspec.json.decode(received.partition(b"\r\n\r\n")[2])
    match listing:
        case {"data": [*models]}:
            names = [model.get("id") for model in models if isinstance(model, dict)]
            return [name for name in names if isinstance(name, str) and "embed" not in name]
        case _:
            return []
