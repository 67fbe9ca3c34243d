"""What the agent may expect of any language model.

Owns the seam: the pieces that an answer is made of and the four verbs of a model. Owns no provider.
A model answers with `ModelUnavailable` (try again may help) or `ModelRejected` (it will not), and
with nothing else; the messages of both are fit to be shown to a person.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

import msgspec

from cipher.model import Message, Usage


class ModelInfo(msgspec.Struct, frozen=True):
    """Which model answers: its id as `LLM_MODEL` would name it, and who runs it.

    `notice` is a sentence that the page shows beside the conversation.
    """

    id: str
    provider: str
    demo: bool = False
    notice: str | None = None


class TextDelta(msgspec.Struct, frozen=True):
    """The next piece of the answer; never empty, without NUL and lone surrogates."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True):
    """The next piece of what the model says to itself before it answers."""

    text: str


class UsageReport(msgspec.Struct, frozen=True):
    """What the answer cost; at most one, after the last text."""

    usage: Usage


Piece = TextDelta | ReasoningDelta | UsageReport


class LanguageModel(Protocol):
    """Answers conversations, many at a time."""

    @property
    def info(self) -> ModelInfo:
        """Which model this is; may change once, in `warm`, when nothing was configured."""
        ...

    def stream(
        self, history: Sequence[Message], *, system_prompt: str
    ) -> AsyncGenerator[Piece, None]:
        """Answer the last message of `history`, which is in the order that people read it in.

        The first piece comes as soon as the provider sent it, later ones at most one per 50 ms,
        each with everything that arrived meanwhile. An answer that ends without an error is whole
        and has text. Closing the generator, or cancelling the task that waits for it, hangs up on
        the provider at once.

        Raises: ModelUnavailable, ModelRejected; text given out before that stays said.
        """
        ...

    async def warm(self) -> None:
        """Get ready off the event loop: import what is heavy, and decide what was left open."""
        ...

    async def close(self) -> None:
        """Let go of the connections; no answer is streaming any more and none will."""
        ...
