"""Answers from an endpoint that speaks Chat Completions, over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from cipher.agent.llm import LanguageModel, ReasoningDelta, TextDelta, coalescing
from cipher.model import Usage
from cipher.testing import HANG_UP, FakeOpenAI, Reply, Thought, raw, refusal, reply
from tests.agent.llm import KEY, SYSTEM_PROMPT, Heard, answer, asking, endpoint_model

SPENT = Usage(input_tokens=11, output_tokens=7)


async def heard_from(*replies: Reply) -> Heard:
    async with FakeOpenAI(*replies) as endpoint:
        return await answer(endpoint_model(endpoint.base_url))


@pytest.fixture
async def gate() -> AsyncIterator[asyncio.Event]:
    """Holds a reply back; opened at the end so that nothing waits for ever."""
    event = asyncio.Event()
    yield event
    event.set()


async def first_piece(model: LanguageModel) -> TextDelta:
    async with aclosing(model.stream(asking(), system_prompt=SYSTEM_PROMPT)) as pieces:
        piece = await anext(pieces)
        assert isinstance(piece, TextDelta)
        return piece


async def test_an_answer_is_the_text_that_was_streamed() -> None:
    heard = await heard_from(reply("Hel", "lo ", "world."))
    assert heard.text == "Hello world."
    assert heard.usage is None


async def test_the_first_token_is_given_out_while_the_second_is_still_missing(
    gate: asyncio.Event,
) -> None:
    async with FakeOpenAI(reply("Hel", gate, "lo")) as endpoint:
        model = endpoint_model(endpoint.base_url)
        assert await first_piece(model) == TextDelta("Hel")
        await model.close()


async def test_a_token_inside_a_window_does_not_wait_for_the_next_token(
    gate: asyncio.Event,
) -> None:
    second = asyncio.Event()
    async with FakeOpenAI(reply("a", second, "b", gate, "c")) as endpoint:
        model = endpoint_model(endpoint.base_url)
        async with aclosing(model.stream(asking(), system_prompt=SYSTEM_PROMPT)) as pieces:
            assert await anext(pieces) == TextDelta("a")
            second.set()
            async with asyncio.timeout(10):
                assert await anext(pieces) == TextDelta("b")
        await model.close()


async def test_tokens_that_arrive_in_one_window_are_one_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(coalescing, "WINDOW_SECONDS", 60)
    gates = [asyncio.Event() for _ in "the rest"]
    rest = [step for pair in zip(gates, "the rest", strict=True) for step in pair]
    async with FakeOpenAI(reply("first ", *rest)) as endpoint:
        model = endpoint_model(endpoint.base_url)
        async with aclosing(model.stream(asking(), system_prompt=SYSTEM_PROMPT)) as pieces:
            assert await anext(pieces) == TextDelta("first ")
            opening = asyncio.create_task(open_slowly(gates))
            assert [piece async for piece in pieces] == [TextDelta("the rest")]
            await opening
        await model.close()


async def open_slowly(gates: list[asyncio.Event]) -> None:
    """Open one gate after the other, with time for each token to travel by itself."""
    for gate in gates:
        gate.set()
        for _ in range(50):
            await asyncio.sleep(0)


async def test_a_burst_of_tokens_arrives_in_few_pieces_and_whole() -> None:
    tokens = [f"{number} " for number in range(3000)]
    heard = await heard_from(reply(*tokens))
    assert heard.text == "".join(tokens)
    assert len(heard.texts) < len(tokens) / 10


async def test_a_huge_answer_arrives_whole() -> None:
    heard = await heard_from(reply(*["x" * 100_000] * 30))
    assert heard.text == "x" * 3_000_000


async def test_the_request_carries_model_prompt_and_key_and_asks_for_a_stream() -> None:
    async with FakeOpenAI() as endpoint:
        await answer(endpoint_model(endpoint.base_url))
    (request,) = endpoint.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.body == {
        "model": "any-model",
        "messages": [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": "What now?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_without_a_key_no_authorization_is_sent() -> None:
    async with FakeOpenAI() as endpoint:
        await answer(endpoint_model(endpoint.base_url, key=""))
    assert "authorization" not in endpoint.requests[0].headers


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("", "/v1/chat/completions"),
        ("/", "/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/api/v1", "/api/v1/chat/completions"),
        ("/openai/", "/openai/chat/completions"),
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1?version=2", "/v1/chat/completions?version=2"),
    ],
)
async def test_a_base_url_is_understood_in_the_forms_that_people_give(
    given: str, path: str
) -> None:
    async with FakeOpenAI() as endpoint:
        await answer(endpoint_model(endpoint.origin + given))
    assert endpoint.requests[0].path == path


async def test_usage_is_reported_after_the_text() -> None:
    heard = await heard_from(reply("Hi", usage=SPENT))
    assert heard.usage == SPENT


async def test_an_endpoint_that_refuses_to_count_tokens_is_asked_without_once_and_remembered() -> (
    None
):
    async with FakeOpenAI(reply("Hi", usage=SPENT), counts_tokens=False) as endpoint:
        model = endpoint_model(endpoint.base_url)
        assert (await Heard().listen(model, asking())).text == "Hi"
        assert (await answer(model)).usage is None
    asked = ["stream_options" in request.body for request in endpoint.requests]
    assert asked == [True, False, False]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_is_kept_apart_from_the_answer(field: str) -> None:
    thoughts = [Thought("First ", field), Thought("this.", field)]  # type: ignore[arg-type]  # both names are its literals
    heard = await heard_from(reply(*thoughts, "Done."))
    assert (heard.reasoning, heard.text) == ("First this.", "Done.")


async def test_reasoning_comes_before_text_that_arrives_in_the_same_window() -> None:
    async with FakeOpenAI(reply(Thought("a"), Thought("b"), "c", Thought("d"), "e")) as endpoint:
        model = endpoint_model(endpoint.base_url)
        order = ""
        async for piece in model.stream(asking(), system_prompt=""):
            if isinstance(piece, TextDelta | ReasoningDelta):
                order += piece.text
        await model.close()
    assert order == "abcde"


async def test_a_thought_sent_under_both_names_is_heard_once() -> None:
    chunk = {"choices": [{"delta": {"reasoning": "Hm.", "reasoning_content": "Hm."}}]}
    heard = await heard_from(reply(data(chunk), "Yes."))
    assert heard.reasoning == "Hm."


async def test_content_given_as_typed_parts_is_read_as_thought_and_text() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm. "}]},
        {"type": "text", "text": "Yes."},
        {"type": "reference", "ids": [1]},
    ]
    heard = await heard_from(reply(data({"choices": [{"delta": {"content": parts}}]})))
    assert (heard.reasoning, heard.text) == ("Hm. ", "Yes.")


async def test_an_emoji_cut_into_surrogates_is_joined_again() -> None:
    heard = await heard_from(reply("so \ud83d", "\ude00 good", " \ud83d\ude80"))
    assert heard.text == "so 😀 good 🚀"


async def test_an_emoji_cut_at_the_end_of_a_window_is_joined_again(gate: asyncio.Event) -> None:
    async with FakeOpenAI(reply("so \ud83d", gate, "\ude00")) as endpoint:
        model = endpoint_model(endpoint.base_url)
        async with aclosing(model.stream(asking(), system_prompt="")) as pieces:
            assert await anext(pieces) == TextDelta("so ")
            gate.set()
            assert await anext(pieces) == TextDelta("😀")
        await model.close()


async def test_half_an_emoji_and_nul_become_replacement_characters() -> None:
    heard = await heard_from(reply("a\0b", "\ude00c", "\ud83dd", "e\ud83d"))
    assert heard.text == "a\ufffdb\ufffdc\ufffdde\ufffd"


async def test_events_cut_anywhere_by_the_network_are_put_together() -> None:
    whole = data({"choices": [{"delta": {"content": "grüße 😀"}, "finish_reason": "stop"}]})
    heard = await heard_from(raw(*(whole[at : at + 1] for at in range(len(whole)))))
    assert heard.text == "grüße 😀"


async def test_comments_other_fields_and_carriage_returns_are_skipped() -> None:
    chunk = data({"choices": [{"delta": {"content": "Hi"}}]}).replace(b"\n", b"\r\n")
    heard = await heard_from(
        raw(b": waiting\r\n\r\n", b"event: message\r\nid: 1\r\n" + chunk, b"data: [DONE]\r\n\r\n")
    )
    assert heard.text == "Hi"


async def test_an_answer_without_a_finish_reason_is_whole_when_the_endpoint_says_done() -> None:
    assert (await heard_from(reply("Hi", finish=None))).text == "Hi"


async def test_an_answer_with_a_finish_reason_is_whole_when_the_endpoint_just_ends() -> None:
    assert (await heard_from(reply("Hi", done=False))).text == "Hi"


async def test_an_endpoint_that_hangs_up_after_the_finish_reason_broke_nothing_off() -> None:
    finish = data({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    assert (await heard_from(reply("Hi", finish, HANG_UP))).text == "Hi"


async def test_an_answer_cut_off_by_its_length_limit_is_whole() -> None:
    assert (await heard_from(reply("Hi", finish="length"))).text == "Hi"


async def test_one_connection_serves_one_answer_after_the_other() -> None:
    async with FakeOpenAI() as endpoint:
        model = endpoint_model(endpoint.base_url)
        for _ in range(5):
            await Heard().listen(model, asking())
        await model.close()
    assert endpoint.connected.count == 1


async def test_many_answers_stream_at_once(gate: asyncio.Event) -> None:
    async with FakeOpenAI(reply("Hi ", gate, "there")) as endpoint:
        model = endpoint_model(endpoint.base_url)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(Heard().listen(model, asking())) for _ in range(120)]
            await endpoint.asked.reach(120)
            gate.set()
        await model.close()
    assert {task.result().text for task in tasks} == {"Hi there"}


async def test_closing_the_answer_hangs_up_on_the_endpoint(gate: asyncio.Event) -> None:
    async with FakeOpenAI(reply("Hel", gate, "lo")) as endpoint:
        model = endpoint_model(endpoint.base_url)
        await first_piece(model)
        await endpoint.hung_up.reach(1)
        await model.close()


async def test_cancelling_the_task_hangs_up_before_and_after_the_first_token(
    gate: asyncio.Event,
) -> None:
    async with FakeOpenAI(reply(gate), reply("Hel", gate)) as endpoint:
        model = endpoint_model(endpoint.base_url)
        for number in (1, 2):
            task = asyncio.create_task(Heard().listen(model, asking()))
            await endpoint.asked.reach(number)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await endpoint.hung_up.reach(number)
        await model.close()


def data(chunk: object) -> bytes:
    """One event of the stream."""
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


async def test_a_refusal_is_told_before_anything_is_given_out() -> None:
    async with FakeOpenAI(refusal(503, retry_after=0), reply("Hi")) as endpoint:
        assert (await answer(endpoint_model(endpoint.base_url))).texts == ["Hi"]
