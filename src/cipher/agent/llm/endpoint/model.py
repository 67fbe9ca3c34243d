"""A pydantic-ai model for any endpoint that speaks Chat Completions.

Owns the streamed request: its status, its chunks as pydantic-ai's events, and its end. The chunks
are gathered where they arrive, so that what came in one window is one event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import httpx2
import msgspec
from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, ModelQuotaExceededError
from pydantic_ai.messages import (
    FinishReason,
    ModelMessage,
    ModelResponse,
    ModelResponseStreamEvent,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from cipher.agent.llm.coalescing import Coalescer
from cipher.agent.llm.endpoint.chat_completions import (
    Choice,
    Chunk,
    EventStream,
    ToolCallDelta,
    Unreadable,
    read_chunk,
    request_body,
    spoken,
)

_FINISH: dict[str, FinishReason] = {
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "error": "error",
}
"""Whatever else an endpoint says it stopped for is a stop."""

_DONE = b"[DONE]"
_DRAIN_SECONDS = 0.25
_MAX_REFUSAL_BYTES = 16 * 1024


class EndpointModel(Model[httpx2.AsyncClient]):
    """The model `model_name` at the endpoint `url`, which ends in `/chat/completions`."""

    def __init__(
        self,
        model_name: str,
        *,
        url: str,
        client: httpx2.AsyncClient,
        system: str,
        profile: ModelProfile | None = None,
    ) -> None:
        super().__init__(profile=profile)
        self._model_name = model_name
        self._url = url
        self._client = client
        self._system = system
        self._counts_tokens: bool | None = None
        """Whether the endpoint takes `stream_options`; None until the first answer told."""

    @property
    def model_name(self) -> str:
        """The name that the endpoint knows the model by."""
        return self._model_name

    @property
    def system(self) -> str:
        """Who runs the endpoint."""
        return self._system

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
        """Send the request and read its answer; leaving the context hangs up."""
        _, parameters = self.prepare_request(model_settings, model_request_parameters)
        async with (
            self._open(messages, parameters) as http,
            Coalescer(self._chunks(http)) as source,
        ):
            yield EndpointResponse(
                model_request_parameters=parameters,
                source=source,
                http=http,
                answering=self,
            )

    @asynccontextmanager
    async def _open(
        self, messages: Sequence[ModelMessage], parameters: ModelRequestParameters
    ) -> AsyncGenerator[httpx2.Response, None]:
        """The endpoint's response to the request, once with and once without `stream_options`."""
        refusal: ModelHTTPError | None = None
        for count_tokens in (True, False):
            if self._counts_tokens is (not count_tokens):
                continue
            body = request_body(self._model_name, messages, parameters, count_tokens=count_tokens)
            async with self._client.stream("POST", self._url, content=body) as http:
                if http.is_success:
                    self._counts_tokens = count_tokens
                    yield http
                    return
                refusal = await self._refusal(http)
            if refusal.status_code not in (400, 422):
                break
        assert refusal is not None
        raise refusal

    async def _refusal(self, http: httpx2.Response) -> ModelHTTPError:
        received = b""
        with suppress(httpx2.TransportError):
            async for piece in http.aiter_bytes():
                received += piece
                if len(received) > _MAX_REFUSAL_BYTES:
                    break
        try:
            body = msgspec.json.decode(received)
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = received.decode(errors="ignore")
        return self.failure(http.status_code, body, dict(http.headers))

    def failure(
        self, status: int, body: object, headers: dict[str, str] | None = None
    ) -> ModelHTTPError:
        """The error for a status and what came with it."""
        error = body.get("error", body) if isinstance(body, dict) else body
        words = {error.get("code"), error.get("type")} if isinstance(error, dict) else set()
        if "insufficient_quota" in words:
            return ModelHTTPError.for_category(
                ModelQuotaExceededError,
                status_code=status,
                model_name=self._model_name,
                body=body,
                headers=headers,
            )
        return ModelHTTPError(status, self._model_name, body, headers=headers)

    async def _chunks(self, http: httpx2.Response) -> AsyncGenerator[Sequence[Chunk], None]:
        """The chunks of each network read, up to the end that the endpoint announces."""
        events = EventStream()
        begun = finished = False
        received = http.aiter_bytes()
        try:
            async for piece in received:
                chunks: list[Chunk] = []
                for data in events.feed(piece):
                    if data == _DONE:
                        yield [*chunks, Chunk(choices=[Choice(finish_reason="stop")])]
                        await _drain(received)
                        return
                    chunk = read_chunk(data)
                    finished = finished or _finishes(chunk)
                    chunks.append(chunk)
                if chunks:
                    begun = True
                    yield chunks
        except httpx2.TransportError:
            # An endpoint that hangs up without good-bye after the answer's end broke nothing off.
            if not finished:
                raise
        if rest := [read_chunk(data) for data in events.end() if data != _DONE]:
            yield rest
        elif not begun:
            raise Unreadable("the response has no event in it")


def _finishes(chunk: Chunk) -> bool:
    for choice in chunk.choices or ():  # noqa: SIM110  any() costs six times this, per token
        if choice.finish_reason:
            return True
    return False


async def _drain(received: AsyncIterator[bytes]) -> None:
    """Reads to the end of a response that said it is over, so that its connection can be reused."""
    with suppress(TimeoutError, httpx2.TransportError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in received:
                pass


@dataclass
class EndpointResponse(StreamedResponse):
    """An answer while it streams."""

    source: Coalescer[Chunk]
    http: httpx2.Response
    answering: EndpointModel
    _begun: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        async with aclosing(self.source.batches()) as batches:
            async for batch in batches:
                for kind, group in groupby(self._said(batch), key=itemgetter(0)):
                    for event in self._events(kind, [said for _, said in group]):
                        yield event

    def _said(self, batch: Sequence[Chunk]) -> Iterator[tuple[str, Any]]:
        """What the chunks add to the answer, kind by kind; the rest of them is noted down."""
        for chunk in batch:
            if chunk.error:
                raise self._failure(chunk.error)
            if chunk.usage:
                self._usage = RequestUsage(
                    input_tokens=chunk.usage.prompt_tokens or 0,
                    output_tokens=chunk.usage.completion_tokens or 0,
                )
            for choice in chunk.choices or ():
                yield from _choice(choice)
                if choice.finish_reason and self.finish_reason is None:
                    self.finish_reason = _FINISH.get(choice.finish_reason, "stop")

    def _events(self, kind: str, said: list[Any]) -> Iterator[ModelResponseStreamEvent]:
        parts = self._parts_manager
        match kind:
            case "text":
                yield from parts.handle_text_delta(vendor_part_id=None, content="".join(said))
            case "reasoning":
                yield from parts.handle_thinking_delta(vendor_part_id=None, content="".join(said))
            case _:
                for call in said:
                    function = call.function
                    yield from parts.handle_tool_call_delta_events(
                        vendor_part_id=f"call-{call.index}",
                        tool_name=function.name if function else None,
                        args=function.arguments if function else None,
                        tool_call_id=call.id,
                    )

    def _failure(self, error: object) -> ModelAPIError:
        """The error for one that the endpoint sent inside its stream."""
        code = error.get("code") if isinstance(error, dict) else None
        if isinstance(code, int) and 400 <= code < 600:
            return self.answering.failure(code, {"error": error})
        return ModelAPIError(self.model_name, "an error inside the stream", body=error)

    async def close_stream(self) -> None:
        """Hang up."""
        await self.http.aclose()

    @property
    def model_name(self) -> str:
        """The name that the endpoint knows the model by."""
        return self.answering.model_name

    @property
    def provider_name(self) -> str:
        """Who runs the endpoint."""
        return self.answering.system

    @property
    def provider_url(self) -> str | None:
        """Not recorded: an endpoint's address is nobody's business but the operator's."""
        return None

    @property
    def timestamp(self) -> datetime:
        """When the answer began."""
        return self._begun


def _choice(choice: Choice) -> Iterator[tuple[str, str | ToolCallDelta]]:
    delta = choice.delta
    if delta is None:
        return
    thought, text = spoken(delta.content)
    for aside in (delta.reasoning_content, delta.reasoning):
        if isinstance(aside, str) and aside:
            # Some endpoints send the same thought under both names.
            thought = aside
            break
    if thought:
        yield "reasoning", thought
    if text:
        yield "text", text
    for call in delta.tool_calls or ():
        yield "call", call
