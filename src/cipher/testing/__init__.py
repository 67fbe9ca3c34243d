"""Public doubles: what a test or a benchmark puts where the outside world would be.

`ScriptedModel` is a language model that says exactly what it is told to. `FakeOpenAI` is a real
HTTP server on loopback that speaks Chat Completions and misbehaves on demand. Neither waits for a
clock: a script waits for events that the test sets, and a `Tally` tells when something happened.
Both are async context managers; leaving one ends everything that it started.

    gate = asyncio.Event()
    async with ScriptedModel("Hel", gate, "lo").then(ModelUnavailable()) as model: ...

    async with FakeOpenAI(reply("Hel", gate, "lo"), refusal(500)) as endpoint:
        settings = Settings(llm_model="any", llm_base_url=endpoint.base_url)
"""

from cipher.testing.fake_openai import (
    HANG_UP,
    FakeOpenAI,
    ReceivedRequest,
    Reply,
    Thought,
    raw,
    refusal,
    reply,
)
from cipher.testing.scripted_model import Asked, ScriptedModel
from cipher.testing.tally import Tally

__all__ = [
    "HANG_UP",
    "Asked",
    "FakeOpenAI",
    "ReceivedRequest",
    "Reply",
    "ScriptedModel",
    "Tally",
    "Thought",
    "raw",
    "refusal",
    "reply",
]
