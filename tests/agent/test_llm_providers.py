"""Anthropic and Google through their own libraries, against their wire formats on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

import pytest

from cipher.agent.llm import LanguageModel, choose_model, engine
from cipher.errors import ModelRejected, ModelUnavailable
from cipher.model import ToolCallPart, Usage
from cipher.testing import FakeOpenAI, Reply, raw, refusal
from tests.agent.llm import KEY, SYSTEM_PROMPT, Heard, answer, asking, said, settings


class Dialect(NamedTuple):
    """How one provider spells an answer."""

    name: str
    opening: Sequence[bytes]
    ending: Sequence[bytes]

    def text(self, text: str) -> bytes:
        if self.name == "anthropic":
            delta = {"type": "text_delta", "text": text}
            return event({"type": "content_block_delta", "index": 1, "delta": delta})
        return candidate({"text": text})

    def thought(self, text: str) -> bytes:
        if self.name == "anthropic":
            delta = {"type": "thinking_delta", "thinking": text}
            return event({"type": "content_block_delta", "index": 0, "delta": delta})
        return candidate({"text": text, "thought": True})

    def reply(self, *steps: bytes | asyncio.Event, ends: bool = True) -> Reply:
        return raw(*self.opening, *steps, *(self.ending if ends else ()))

    def model(self, endpoint: FakeOpenAI) -> LanguageModel:
        return choose_model(
            settings(
                llm_model=f"{self.name}:some-model",
                llm_base_url=endpoint.origin,
                llm_api_key=KEY,
            ),
            environ={},
        )


def event(content: Mapping[str, Any]) -> bytes:
    return f"event: {content['type']}\ndata: {json.dumps(content)}\n\n".encode()


def candidate(part: Mapping[str, Any], **more: Any) -> bytes:
    content = {"parts": [part], "role": "model"}
    chunk = {"candidates": [{"content": content, "index": 0, **more}], "modelVersion": "m"}
    return f"data: {json.dumps(chunk)}\r\n\r\n".encode()


def block(index: int, content: Mapping[str, Any]) -> bytes:
    return event({"type": "content_block_start", "index": index, "content_block": content})


ANTHROPIC = Dialect(
    "anthropic",
    opening=(
        event(
            {
                "type": "message_start",
                "message": {
                    "id": "msg_1",
                    "type": "message",
                    "role": "assistant",
                    "model": "some-model",
                    "content": [],
                    "stop_reason": None,
                    "stop_sequence": None,
                    "usage": {"input_tokens": 11, "output_tokens": 1},
                },
            }
        ),
        block(0, {"type": "thinking", "thinking": "", "signature": ""}),
        block(1, {"type": "text", "text": ""}),
    ),
    ending=(
        event({"type": "content_block_stop", "index": 1}),
        event(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 7},
            }
        ),
        event({"type": "message_stop"}),
    ),
)
GOOGLE_END = {
    "candidates": [
        {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}
    ],
    "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18},
    "modelVersion": "m",
}
GOOGLE = Dialect("google", opening=(), ending=(f"data: {json.dumps(GOOGLE_END)}\r\n\r\n".encode(),))

each_provider = pytest.mark.parametrize("dialect", [ANTHROPIC, GOOGLE], ids=lambda d: d.name)


@each_provider
async def test_an_answer_is_streamed_with_reasoning_apart_and_usage_at_the_end(
    dialect: Dialect,
) -> None:
    answered = dialect.reply(dialect.thought("Hm."), dialect.text("Hel"), dialect.text("lo 😀"))
    async with FakeOpenAI(answered) as endpoint:
        heard = await answer(dialect.model(endpoint))
    assert heard.text == "Hello 😀"
    assert heard.reasoning == "Hm."
    assert heard.usage == Usage(input_tokens=11, output_tokens=7)


@each_provider
async def test_the_key_the_prompt_and_the_conversation_reach_the_provider(
    dialect: Dialect,
) -> None:
    async with FakeOpenAI(dialect.reply(dialect.text("Hi"))) as endpoint:
        await answer(
            dialect.model(endpoint),
            [said("user", "One"), said("assistant", "1"), said("user", "Two"), said("user", "?")],
        )
    (request,) = endpoint.requests
    assert KEY in " ".join(request.headers.values())
    body = request.body
    if dialect.name == "anthropic":
        assert request.path.startswith("/v1/messages")
        assert SYSTEM_PROMPT in json.dumps(body["system"])
        turns = body["messages"]
    else:
        assert "some-model:streamGenerateContent" in request.path
        assert SYSTEM_PROMPT in json.dumps(body["systemInstruction"])
        turns = body["contents"]
    assert [turn["role"] for turn in turns] in (
        ["user", "assistant", "user"],
        ["user", "model", "user"],
    )


@each_provider
async def test_a_call_without_a_result_is_sent_with_a_made_up_one(dialect: Dialect) -> None:
    call = ToolCallPart(call_id="c1", name="clock", args='{"zo')
    async with FakeOpenAI(dialect.reply(dialect.text("Hi"))) as endpoint:
        await answer(
            dialect.model(endpoint),
            [said("user", "A"), said("assistant", [call]), said("user", "B")],
        )
    assert "interrupted before it gave a result" in json.dumps(endpoint.requests[0].body)


@each_provider
async def test_tokens_that_arrive_together_are_one_piece(dialect: Dialect) -> None:
    words = [dialect.text(f"{number} ") for number in range(300)]
    async with FakeOpenAI(dialect.reply(*words)) as endpoint:
        heard = await answer(dialect.model(endpoint))
    assert heard.text == "".join(f"{number} " for number in range(300))
    assert len(heard.texts) < 100


@each_provider
async def test_the_first_token_is_given_out_and_closing_hangs_up(dialect: Dialect) -> None:
    gate = asyncio.Event()
    async with FakeOpenAI(dialect.reply(dialect.text("Hel"), gate)) as endpoint:
        model = dialect.model(endpoint)
        async with aclosing(model.stream(asking(), system_prompt="")) as pieces:
            async with asyncio.timeout(20):
                await anext(pieces)
        await endpoint.hung_up.reach(1)
        gate.set()
        await model.close()


@each_provider
@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_is_not_accepted_is_rejected(dialect: Dialect, status: int) -> None:
    async with FakeOpenAI(refusal(status, "invalid key")) as endpoint:
        with pytest.raises(ModelRejected, match="does not accept the key"):
            await answer(dialect.model(endpoint))
    assert len(endpoint.requests) == 1


@each_provider
async def test_a_refused_request_is_rejected_in_the_providers_words(dialect: Dialect) -> None:
    async with FakeOpenAI(refusal(400, "the prompt is odd")) as endpoint:
        with pytest.raises(ModelRejected, match="the prompt is odd"):
            await answer(dialect.model(endpoint))


@each_provider
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_fault_is_unavailable_after_three_tries_of_ours_and_none_of_the_librarys(
    dialect: Dialect, status: int
) -> None:
    async with FakeOpenAI(refusal(status, retry_after=0)) as endpoint:
        with pytest.raises(ModelUnavailable):
            await answer(dialect.model(endpoint))
    assert len(endpoint.requests) == 3


@each_provider
async def test_an_answer_that_breaks_off_keeps_what_was_said(
    dialect: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "FIRST_PAUSE_SECONDS", 0.001)
    async with FakeOpenAI(dialect.reply(dialect.text("Half"), ends=False)) as endpoint:
        model = dialect.model(endpoint)
        heard = Heard()
        with pytest.raises(ModelUnavailable):
            await heard.listen(model, asking())
        await model.close()
    assert heard.text == "Half"
    assert len(endpoint.requests) == 1


@each_provider
@pytest.mark.parametrize(
    "garbage",
    [
        raw(),
        raw(b"<html>Sign in</html>", content_type="text/html"),
        raw(b"data: {not json}\n\n"),
        raw(b'event: message_start\ndata: {"type": "message_start", "message": 5}\n\n'),
        raw(b'data: {"candidates": 5}\n\n'),
        raw(b"data: []\n\n"),
        raw(b"\xff\xfe\x00"),
    ],
)
async def test_garbage_and_nothing_are_unavailable(dialect: Dialect, garbage: Reply) -> None:
    async with FakeOpenAI(garbage) as endpoint:
        with pytest.raises(ModelUnavailable):
            await answer(dialect.model(endpoint))


async def test_an_anthropic_error_inside_the_stream_counts_like_one_before_it() -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    async with FakeOpenAI(raw(event(overloaded))) as endpoint:
        with pytest.raises(ModelUnavailable):
            await answer(ANTHROPIC.model(endpoint))
    assert len(endpoint.requests) == 3


async def test_a_google_answer_withheld_for_safety_is_rejected() -> None:
    withheld = {"candidates": [{"finishReason": "SAFETY", "index": 0}], "modelVersion": "m"}
    async with FakeOpenAI(raw(f"data: {json.dumps(withheld)}\n\n".encode())) as endpoint:
        with pytest.raises(ModelRejected, match="withheld"):
            await answer(GOOGLE.model(endpoint))
