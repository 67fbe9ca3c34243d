"""`ScriptedModel`: a `LanguageModel` without a provider.

Owns one script per answer. The last script is used for all further answers, so one script is enough
for a model that always says the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from cipher.agent.llm import ModelInfo, Piece, ReasoningDelta, TextDelta, UsageReport
from cipher.errors import ModelError, ModelUnavailable
from cipher.model import Message, Usage
from cipher.testing.tally import Tally

Step = str | ReasoningDelta | Usage | asyncio.Event | ModelError
"""What a model does next: say a text, think, report its cost, wait for an event, or fail."""


@dataclass(frozen=True)
class Asked:
    """What one request brought to the model."""

    history: tuple[Message, ...]
    system_prompt: str

    @property
    def last(self) -> str:
        """What the user said last."""
        return self.history[-1].content


class ScriptedModel:
    """Says what its script says, piece by piece, and coalesces nothing.

    `ScriptedModel(*"text")` streams single characters, `ScriptedModel(asyncio.Event())` never says
    anything. A script without any text ends as a provider's silence does: ModelUnavailable.
    """

    def __init__(self, *steps: Step, info: ModelInfo | None = None) -> None:
        self.info = info or ModelInfo(id="scripted", provider="testing")
        self.asked: list[Asked] = []
        """Every request so far, oldest first."""
        self.begun = Tally()
        self.ended = Tally()
        """Answers that are over, for whatever reason; equal to `begun` when none is streaming."""
        self._scripts: list[Sequence[Step]] = [steps]

    def then(self, *steps: Step) -> Self:
        """The script of the next answer after those that were given before."""
        self._scripts.append(steps)
        return self

    async def __aenter__(self) -> Self:
        await self.warm()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def stream(
        self, history: Sequence[Message], *, system_prompt: str
    ) -> AsyncGenerator[Piece, None]:
        """Follow the next script; see `LanguageModel.stream`."""
        script = self._scripts[min(len(self.asked), len(self._scripts) - 1)]
        self.asked.append(Asked(tuple(history), system_prompt))
        self.begun.add()
        spoke = False
        try:
            for step in script:
                match step:
                    case str():
                        spoke = True
                        yield TextDelta(step)
                    case ReasoningDelta():
                        yield step
                    case Usage():
                        yield UsageReport(step)
                    case asyncio.Event():
                        await step.wait()
                    case ModelError():
                        raise step
            if not spoke:
                raise ModelUnavailable
        finally:
            self.ended.add()

    async def warm(self) -> None:
        """It is always ready."""

    async def close(self) -> None:
        """It holds nothing."""
