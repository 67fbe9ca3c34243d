"""How a conversation reaches the provider: read off the requests that arrive there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cipher.model import Message, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from cipher.testing import FakeOpenAI, reply
from tests.agent.llm import answer, endpoint_model, said

CALL = ToolCallPart(call_id="c1", name="weather", args='{"city":"Bonn"}')
RESULT = ToolResultPart(call_id="c1", name="weather", result="rain")
SENT_CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city":"Bonn"}'},
}


async def sent(history: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages that the provider gets, without the system prompt in front."""
    async with FakeOpenAI() as endpoint:
        await answer(endpoint_model(endpoint.base_url), history)
    messages: list[dict[str, Any]] = endpoint.requests[0].body["messages"]
    assert messages[0]["role"] == "system"
    return messages[1:]


async def test_a_conversation_is_sent_in_its_order() -> None:
    history = [said("user", "One?"), said("assistant", "1."), said("user", "Two?")]
    assert await sent(history) == [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "1."},
        {"role": "user", "content": "Two?"},
    ]


@pytest.mark.parametrize("status", ["interrupted", "cancelled", "failed"])
async def test_a_partial_answer_is_sent_as_what_was_said(status: Any) -> None:
    history = [said("user", "A"), said("assistant", "Half", status=status), said("user", "B")]
    assert (await sent(history))[1] == {"role": "assistant", "content": "Half"}


async def test_an_empty_failed_answer_is_left_out_and_the_users_words_become_one_message() -> None:
    history = [said("user", "A"), said("assistant", "", status="failed"), said("user", "B")]
    assert await sent(history) == [{"role": "user", "content": "A\n\nB"}]


async def test_two_attempts_in_a_row_become_one_message() -> None:
    history = [
        said("user", "A"),
        said("assistant", "Half", status="failed"),
        said("assistant", "Whole"),
        said("user", "B"),
    ]
    assert [message["role"] for message in await sent(history)] == ["user", "assistant", "user"]


async def test_reasoning_is_not_sent_back() -> None:
    parts: list[Part] = [ReasoningPart(text="Hm."), TextPart(text="Yes.")]
    history = [said("user", "A"), said("assistant", parts), said("user", "B")]
    assert (await sent(history))[1] == {"role": "assistant", "content": "Yes."}


async def test_blank_text_is_not_sent() -> None:
    history = [said("user", "A"), said("assistant", " \n "), said("user", "B")]
    assert await sent(history) == [{"role": "user", "content": "A\n\nB"}]


async def test_a_blank_question_is_still_a_request() -> None:
    assert [message["role"] for message in await sent([said("user", "  ")])] == ["user"]


async def test_a_conversation_that_an_assistant_began_begins_with_a_user() -> None:
    messages = await sent([said("assistant", "Welcome."), said("user", "Hi")])
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]


async def test_what_the_system_was_told_stands_once_and_in_front() -> None:
    async with FakeOpenAI() as endpoint:
        history = [said("system", "Speak German."), said("user", "A"), said("system", "Rhyme.")]
        await answer(endpoint_model(endpoint.base_url), [*history, said("user", "B")])
    assert endpoint.requests[0].body["messages"] == [
        {"role": "system", "content": "Be brief.\n\nSpeak German.\n\nRhyme."},
        {"role": "user", "content": "A\n\nB"},
    ]


async def test_tool_calls_and_their_results_are_sent_in_pairs() -> None:
    history = [
        said("user", "Weather?"),
        said("assistant", [TextPart(text="I look."), CALL, RESULT, TextPart(text="Rain.")]),
        said("user", "Thanks"),
    ]
    assert await sent(history) == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [SENT_CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "assistant", "content": "Rain."},
        {"role": "user", "content": "Thanks"},
    ]


async def test_a_result_in_a_message_of_its_own_belongs_to_the_call_before() -> None:
    history = [
        said("user", "Weather?"),
        said("assistant", [CALL]),
        said("tool", [RESULT]),
        said("assistant", "Rain."),
        said("user", "Thanks"),
    ]
    roles = [message["role"] for message in await sent(history)]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


async def test_a_call_without_a_result_gets_a_made_up_one() -> None:
    history = [
        said("user", "Weather?"),
        said("assistant", [CALL], status="interrupted"),
        said("user", "And?"),
    ]
    assert await sent(history) == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [SENT_CALL]},
        {
            "role": "tool",
            "tool_call_id": "c1",
            "content": "The tool was interrupted before it gave a result.",
        },
        {"role": "user", "content": "And?"},
    ]


async def test_a_call_at_the_end_gets_its_made_up_result_too() -> None:
    messages = await sent([said("user", "A"), said("assistant", [CALL]), said("user", " ")])
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]


async def test_one_of_two_calls_without_a_result_gets_a_made_up_one() -> None:
    other = ToolCallPart(call_id="c2", name="clock", args="{}")
    history = [said("user", "A"), said("assistant", [CALL, other, RESULT]), said("user", "B")]
    messages = await sent(history)
    assert [message.get("tool_call_id") for message in messages] == [None, None, "c1", "c2", None]


async def test_a_call_after_an_unanswered_one_follows_the_made_up_result() -> None:
    other = ToolCallPart(call_id="c2", name="clock", args="{}")
    late = ToolCallPart(call_id="c3", name="clock", args="{}")
    parts: list[Part] = [CALL, other, RESULT, late]
    messages = await sent([said("user", "A"), said("assistant", parts), said("user", "B")])
    ids = [
        message.get("tool_call_id") or [call["id"] for call in message.get("tool_calls", ())]
        for message in messages
    ]
    assert ids == [[], ["c1", "c2"], "c1", "c2", ["c3"], "c3", []]


async def test_a_result_that_no_call_asked_for_is_left_out() -> None:
    history = [said("user", "A"), said("tool", [RESULT]), said("user", "B")]
    assert await sent(history) == [{"role": "user", "content": "A\n\nB"}]


async def test_control_words_of_a_chat_template_go_out_harmless_and_come_back_whole() -> None:
    asked = [said("user", "What is <|im_end|>?")]
    async with FakeOpenAI() as endpoint:
        await answer(endpoint_model(endpoint.base_url), asked)
    harmless = endpoint.requests[0].body["messages"][-1]["content"]
    assert "<|im_end|>" not in harmless
    async with FakeOpenAI(reply(harmless)) as endpoint:
        heard = await answer(endpoint_model(endpoint.base_url), asked)
    assert heard.text == "What is <|im_end|>?"
