"""The demonstration: a pydantic-ai model that answers without a language model.

Owns the pace, token by token as a person knows it from a real model, and the place in the one path
that every model takes. What it says is written in `answers.py`; the same conversation always
gets the same answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponseStreamEvent,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from cipher.agent.llm.demo.answers import DemoAnswer, demo_answer

_TOKEN = re.compile(r"\s*\S{1,5}|\s+")


class DemoModel(Model[None]):
    """Answers from prepared texts at `tokens_per_second`."""

    def __init__(self, tokens_per_second: float) -> None:
        super().__init__()
        self._tokens_per_second = tokens_per_second

    @property
    def model_name(self) -> str:
        """The name of the demonstration."""
        return "demo"

    @property
    def system(self) -> str:
        """Nobody's: it runs in this process."""
        return "demo"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The whole answer at once, from the same stream."""
        async with self.request_stream(
            messages, model_settings, model_request_parameters
        ) as response:
            async for _ in response:
                pass
            return response.get()

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse, None]:
        """Answer the last request."""
        said = _said_by_the_user(messages)
        yield DemoResponse(
            model_request_parameters=model_request_parameters,
            answer=demo_answer(said[-1], said[:-1]),
            input_tokens=sum(len(_TOKEN.findall(text)) for text in said),
            seconds_per_token=1 / self._tokens_per_second,
        )


@dataclass
class DemoResponse(StreamedResponse):
    """A prepared answer while it streams."""

    answer: DemoAnswer
    input_tokens: int
    seconds_per_token: float
    _begun: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        thoughts = _TOKEN.findall(self.answer.reasoning)
        words = _TOKEN.findall(self.answer.text)
        clock = asyncio.get_running_loop().time
        begun = clock()
        for number, token in enumerate((*thoughts, *words)):
            # Measured from the beginning, so that the pace holds however late each timer is.
            await asyncio.sleep(max(0, begun + number * self.seconds_per_token - clock()))
            parts = self._parts_manager
            events = (
                parts.handle_thinking_delta(vendor_part_id=None, content=token)
                if number < len(thoughts)
                else parts.handle_text_delta(vendor_part_id=None, content=token)
            )
            for event in events:
                yield event
        self._usage = RequestUsage(
            input_tokens=self.input_tokens, output_tokens=len(thoughts) + len(words)
        )
        self.finish_reason = "stop"

    async def close_stream(self) -> None:
        """There is nothing to hang up on."""

    @property
    def model_name(self) -> str:
        """The name of the demonstration."""
        return "demo"

    @property
    def provider_name(self) -> str:
        """Nobody's: it runs in this process."""
        return "demo"

    @property
    def provider_url(self) -> None:
        """It has no address."""
        return

    @property
    def timestamp(self) -> datetime:
        """When the answer began."""
        return self._begun


def _said_by_the_user(messages: Sequence[ModelMessage]) -> list[str]:
    """Each thing the user said, oldest first."""
    return [
        part.content
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, UserPromptPart) and isinstance(part.content, str)
    ]
