"""What a model is given to read, whatever branch the person is on meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from cipher.model import SessionPatch
from cipher.testing import ScriptedModel
from tests.agent.conftest import OWNER, Start


@pytest.mark.parametrize("leaf", [0, 3])
async def test_a_waiting_message_is_answered_after_the_person_began_anew_at_the_root(
    start: Start, leaf: int
) -> None:
    gate = asyncio.Event()
    model = ScriptedModel("A1", gate).then("A2").then("A3")
    cipher = await start(model)
    await cipher.agent.create_session(OWNER, "s")
    await cipher.agent.send(OWNER, "s", "Q1")
    await cipher.agent.send(OWNER, "s", "Q2")
    if leaf:
        await cipher.agent.send(OWNER, "s", "Q3", parent_seq=0)
    else:
        await cipher.agent.update_session(OWNER, "s", SessionPatch(leaf_seq=0))
    gate.set()
    await cipher.ended(3 if leaf else 2)
    assert {message.status for message in cipher.ears.answers()} == {"complete"}
    assert [m.content for m in model.asked[1].history] == ["Q1", "Q2"]
