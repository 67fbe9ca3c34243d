"""A language model at a provider: knows at once what it is, and becomes able to answer when warm.

Owns the life of an `Engine`: it is built in a thread, because importing the model library holds a
core for seconds, and built once, by `warm` or by the first answer, whichever comes first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING

from cipher.agent.llm.base import ModelInfo, Piece
from cipher.model import Message

if TYPE_CHECKING:
    from cipher.agent.llm.engine import Engine

DEMO_NOTICE = (
    "This is a demonstration with prepared answers, not a language model: "
    "set LLM_MODEL and a key to get a real one."
)


class ProviderModel:
    """Answers through the engine that `build` makes; `build` runs in a thread and may be slow."""

    def __init__(self, info: ModelInfo, build: Callable[[], Engine]) -> None:
        self.info = info
        self._build = build
        self._engine: asyncio.Future[Engine] | None = None

    async def stream(
        self, history: Sequence[Message], *, system_prompt: str
    ) -> AsyncGenerator[Piece, None]:
        """Answer the last message of `history`; see `LanguageModel.stream`."""
        engine = await self._warm_engine()
        async with aclosing(engine.answer(history, system_prompt)) as pieces:
            async for piece in pieces:
                yield piece

    async def warm(self) -> None:
        """Import the model library and set up the provider's client, off the event loop."""
        await self._warm_engine()

    async def close(self) -> None:
        """Let go of the connections."""
        if self._engine is None or (self._engine.done() and self._engine.exception()):
            return
        await (await self._engine).close()

    async def _warm_engine(self) -> Engine:
        if self._engine is None:
            thread = ThreadPoolExecutor(1, thread_name_prefix="model-import")
            self._engine = asyncio.get_running_loop().run_in_executor(thread, self._build)
            thread.shutdown(wait=False)
        # Shielded: one caller that gives up must not take the engine from the others.
        return await asyncio.shield(self._engine)


def demo_model(tokens_per_second: float = 50) -> ProviderModel:
    """The demonstration, at the pace of a real model or faster."""

    def build() -> Engine:
        from cipher.agent.llm.engines import demo_engine

        return demo_engine(tokens_per_second)

    return ProviderModel(
        ModelInfo(id="demo", provider="demo", demo=True, notice=DEMO_NOTICE), build
    )
