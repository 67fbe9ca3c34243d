"""The demonstration: what it says, and that it comes like an answer."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from cipher.agent.llm import TextDelta, choose_model
from cipher.agent.llm.provider import demo_model
from tests.agent.llm import Heard, answer, asking, said, settings

AT_ONCE = 1_000_000.0


async def demo_says(*turns: str) -> str:
    """The demonstration's answer to the last of the user's turns."""
    history = []
    for turn in turns[:-1]:
        history += [said("user", turn), said("assistant", "An answer.")]
    return (await answer(demo_model(AT_ONCE), [*history, said("user", turns[-1])])).text


async def test_a_greeting_is_greeted_in_a_line() -> None:
    text = await demo_says("Hello there!")
    assert len(text) < 400
    assert "demonstration" in text
    assert "LLM_MODEL" in text


@pytest.mark.parametrize(
    ("prompt", "mark"),
    [
        ("Please write some code for me now", "```"),
        ("Show me some Python code please", "```python"),
        ("A bash script that counts sessions, please", "```bash"),
        ("Compare the providers in a table please", "|:---|"),
        ("Explain some math with LaTeX to me", "$$"),
        ("Give me a checklist for the release", "\n   "),
    ],
)
async def test_what_is_asked_for_is_in_the_answer(prompt: str, mark: str) -> None:
    assert mark in await demo_says(prompt)


async def test_markdown_is_answered_with_every_form() -> None:
    text = await demo_says("Show me markdown")
    assert all(mark in text for mark in ("```", "|:---|", "$$", "\n   ", "> "))


async def test_a_long_answer_is_long_enough_to_be_interrupted() -> None:
    assert len(await demo_says("Tell me a long story about this program")) > 4_000


async def test_the_answer_quotes_the_person_and_the_earlier_turns() -> None:
    text = await demo_says(
        "My cat is called Minka", "She is very old", "What do you think of that?"
    )
    assert "What do you think of that?" in text
    assert "My cat is called Minka" in text
    assert "She is very old" in text
    assert "message number 3" in text


async def test_quoted_markdown_is_shown_and_not_rendered() -> None:
    text = await demo_says("Is <b>this</b> *bold* or `code` or | a table, what do you say?")
    assert r"\<b\>this\</b\> \*bold\* or \`code\` or \| a table" in text


async def test_a_request_to_think_is_answered_with_a_thought_first() -> None:
    heard = await answer(demo_model(AT_ONCE), asking("Think about it, please, and tell me"))
    assert "demonstration" in heard.reasoning
    assert heard.text


async def test_the_same_conversation_gets_the_same_answer_and_another_one_another() -> None:
    prompts = [f"What is the meaning of the number {number}?" for number in range(12)]
    answers = [await demo_says(prompt) for prompt in prompts]
    assert answers == [await demo_says(prompt) for prompt in prompts]
    assert len({text.split("\n")[0] for text in answers}) > 1


async def test_every_answer_says_how_to_get_a_real_model() -> None:
    for prompt in ("Hi", "code please, any language", "long", "Why is the sky blue, exactly?"):
        assert "LLM_MODEL" in await demo_says(prompt)


async def test_it_streams_many_pieces_and_counts_tokens() -> None:
    heard = await answer(demo_model(2_000), asking("A long answer please, and take your time"))
    assert len(heard.texts) > 5
    assert heard.usage is not None
    assert heard.usage.output_tokens > 500


async def test_the_first_token_does_not_wait_for_the_second() -> None:
    model = demo_model(tokens_per_second=0.001)
    async with aclosing(model.stream(asking("Hello"), system_prompt="")) as pieces:
        async with asyncio.timeout(20):
            assert isinstance(await anext(pieces), TextDelta)
    await model.close()


async def test_closing_the_answer_leaves_no_task_behind() -> None:
    model = choose_model(settings(llm_model="demo"), environ={})
    before = asyncio.all_tasks()
    async with aclosing(model.stream(asking("long"), system_prompt="")) as pieces:
        await anext(pieces)
    assert asyncio.all_tasks() == before
    await model.close()


async def test_it_answers_an_empty_conversation_too() -> None:
    assert (await Heard().listen(demo_model(AT_ONCE), [])).text
