"""The Chat Completions wire format, as OpenAI defined it and as others speak it.

Owns the bytes of both directions: a conversation as a request body, and the server-sent events of
an answer as chunks. Owns no connection. Reading is lenient, because the dialects differ: unknown
fields are skipped, null stands for absent, reasoning comes as `reasoning_content` or `reasoning`,
a list of typed parts may stand for text, and half an emoji for a character. What is not an event
stream at all raises `Unreadable`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, assert_never

import msgspec
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters

MAX_EVENT_BYTES = 4 * 1024 * 1024


class Unreadable(UnexpectedModelBehavior):
    """The endpoint sent something else than an answer."""


class FunctionDelta(msgspec.Struct):
    """The next piece of a tool call's name and arguments."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(msgspec.Struct):
    """The next piece of the tool call at `index`."""

    index: int = 0
    id: str | None = None
    function: FunctionDelta | None = None


class Delta(msgspec.Struct):
    """The next piece of the answer."""

    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[ToolCallDelta] | None = None


class Choice(msgspec.Struct):
    """One of the answers; we ask for one."""

    delta: Delta | None = None
    finish_reason: str | None = None


class TokenCount(msgspec.Struct):
    """What the answer cost, in the last chunk or in each."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Chunk(msgspec.Struct):
    """One event of the stream."""

    choices: list[Choice] | None = None
    usage: TokenCount | None = None
    error: Any = None


_chunks = msgspec.json.Decoder(Chunk)


class EventStream:
    """Cuts a byte stream into the data of its events, wherever the network cut it before."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, received: bytes) -> Iterator[bytes]:
        """The data of each event line that is whole now."""
        *lines, self._rest = (self._rest + received).split(b"\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise Unreadable("an event of the stream does not end")
        for line in lines:
            if line.startswith(b"data:") and (data := line[5:].strip()):
                yield data

    def end(self) -> Iterator[bytes]:
        """The data of a last line that nobody ended."""
        yield from self.feed(b"\n")


def read_chunk(data: bytes) -> Chunk:
    """One event's data. Raises: Unreadable."""
    try:
        return _chunks.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # msgspec is strict about lone surrogates and broken UTF-8; json lets both through.
        try:
            return msgspec.convert(json.loads(data.decode(errors="replace")), Chunk)
        except ValueError:
            raise Unreadable("an event of the stream is not a chunk") from None


def spoken(content: object) -> tuple[str, str]:
    """The reasoning and the text in a delta's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return "", content
    reasoning, text = "", ""
    if isinstance(content, list):
        for part in content:
            match part:
                case {"type": "text", "text": str(piece)}:
                    text += piece
                case {"type": "thinking", "thinking": thought}:
                    reasoning += spoken(thought)[1]
                case _:
                    pass
    return reasoning, text


def request_body(
    model_name: str,
    messages: Sequence[ModelMessage],
    parameters: ModelRequestParameters,
    *,
    count_tokens: bool,
) -> bytes:
    """The JSON that asks for a streamed answer; `count_tokens` asks for its cost as well."""
    body: dict[str, Any] = {
        "model": model_name,
        "messages": [*_instructions(parameters), *_messages(messages)],
        "stream": True,
    }
    if count_tokens:
        body["stream_options"] = {"include_usage": True}
    if tools := [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description or "",
                "parameters": tool.parameters_json_schema,
            },
        }
        for tool in parameters.declared_tool_defs.values()
    ]:
        body["tools"] = tools
    return msgspec.json.encode(body)


def _instructions(parameters: ModelRequestParameters) -> list[dict[str, Any]]:
    text = "\n\n".join(part.content for part in parameters.instruction_parts or ())
    return [{"role": "system", "content": text}] if text else []


def _messages(messages: Sequence[ModelMessage]) -> Iterator[dict[str, Any]]:
    for message in messages:
        match message:
            case ModelRequest():
                yield from _request(message)
            case ModelResponse():
                yield _response(message)
            case _:
                assert_never(message)


def _request(message: ModelRequest) -> Iterator[dict[str, Any]]:
    words: list[str] = []
    for part in message.parts:
        match part:
            case UserPromptPart(content=str(text)):
                words.append(text)
            case SystemPromptPart(content=text):
                yield {"role": "system", "content": text}
            case ToolReturnPart():
                yield {
                    "role": "tool",
                    "tool_call_id": part.tool_call_id,
                    "content": part.model_response_str(),
                }
            case _:
                raise TypeError(f"{type(part).__name__} has no place in a chat completion")
    if words:
        yield {"role": "user", "content": "\n\n".join(words)}


def _response(message: ModelResponse) -> dict[str, Any]:
    text = "".join(part.content for part in message.parts if isinstance(part, TextPart))
    entry: dict[str, Any] = {"role": "assistant", "content": text}
    if calls := [
        {
            "id": part.tool_call_id,
            "type": "function",
            "function": {"name": part.tool_name, "arguments": part.args_as_json_str()},
        }
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]:
        entry["content"] = text or None
        entry["tool_calls"] = calls
    return entry
