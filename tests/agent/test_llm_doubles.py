"""The doubles keep the promises of what they stand for."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from cipher.agent.llm import LanguageModel, ReasoningDelta
from cipher.errors import ModelRejected, ModelUnavailable
from cipher.model import Usage
from cipher.testing import ScriptedModel, Tally
from tests.agent.llm import Heard, asking


async def test_a_scripted_model_says_its_script_and_records_what_it_was_asked() -> None:
    spent = Usage(input_tokens=1, output_tokens=2)
    async with ScriptedModel(ReasoningDelta("Hm."), *"Hi", spent) as model:
        heard = await Heard().listen(model, asking("Who are you?"))
    assert (heard.reasoning, heard.texts, heard.usage) == ("Hm.", ["H", "i"], spent)
    assert model.asked[0].last == "Who are you?"
    assert model.begun.count == model.ended.count == 1


async def test_scripts_follow_each_other_and_the_last_one_stays() -> None:
    model = ScriptedModel("one").then("two")
    assert [(await Heard().listen(model, asking())).text for _ in range(3)] == ["one", "two", "two"]


async def test_a_scripted_model_waits_for_the_event_and_notices_that_it_is_closed() -> None:
    gate = asyncio.Event()
    model: LanguageModel = (scripted := ScriptedModel("Hel", gate, "lo"))
    async with aclosing(model.stream(asking(), system_prompt="")) as pieces:
        await anext(pieces)
        await scripted.begun.reach(1)
        assert scripted.ended.count == 0
    await scripted.ended.reach(1)


async def test_a_scripted_model_fails_where_its_script_says_so() -> None:
    heard = Heard()
    with pytest.raises(ModelRejected):
        await heard.listen(ScriptedModel("Half", ModelRejected()), asking())
    assert heard.text == "Half"


async def test_a_script_without_text_ends_like_a_silent_provider() -> None:
    with pytest.raises(ModelUnavailable):
        await Heard().listen(ScriptedModel(), asking())


async def test_a_tally_wakes_everyone_who_waits_for_its_count() -> None:
    tally = Tally()
    waiting = [asyncio.create_task(tally.reach(count)) for count in (0, 1, 2)]
    await asyncio.sleep(0)
    tally.add()
    tally.add()
    await asyncio.gather(*waiting)
    assert tally.count == 2
