"""What the tests of language models share: conversations to send and answers taken whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from cipher.agent.llm import LanguageModel, ReasoningDelta, TextDelta, choose_model
from cipher.config import Settings
from cipher.model import Message, Part, Role, TerminalStatus, Usage, text_parts

MOMENT = datetime(2026, 11, 1, 12, tzinfo=UTC)
SYSTEM_PROMPT = "Be brief."
KEY = "c1pher-0123456789-abcdef"


def settings(**values: str) -> Settings:
    """Settings that see neither files nor the environment of whoever runs the tests."""
    bare = {"llm_model": "", "llm_base_url": "", "llm_api_key": ""}
    return Settings(_env_file=None, **{**bare, **values})  # type: ignore[arg-type]  # names checked by pydantic


def endpoint_model(base_url: str, *, key: str = KEY, model: str = "any-model") -> LanguageModel:
    return choose_model(
        settings(llm_model=model, llm_base_url=base_url, llm_api_key=key), environ={}
    )


def said(
    role: Role,
    content: str | Sequence[Part] = "",
    *,
    status: TerminalStatus | None = None,
) -> Message:
    """A message of a conversation; its place in the log does not matter here."""
    parts = text_parts(content) if isinstance(content, str) else tuple(content)
    return Message(
        id="m", seq=1, parent_seq=0, role=role, parts=parts, timestamp=MOMENT, status=status
    )


def asking(content: str = "What now?") -> list[Message]:
    return [said("user", content)]


class Heard:
    """Everything that one answer consisted of."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.usage: Usage | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def reasoning(self) -> str:
        return "".join(self.thoughts)

    async def listen(self, model: LanguageModel, history: Sequence[Message]) -> Heard:
        """Take the whole answer; what came before an error stays."""
        async for piece in model.stream(history, system_prompt=SYSTEM_PROMPT):
            if isinstance(piece, TextDelta):
                self.texts.append(piece.text)
            elif isinstance(piece, ReasoningDelta):
                self.thoughts.append(piece.text)
            else:
                self.usage = piece.usage
        return self


async def answer(model: LanguageModel, history: Sequence[Message] | None = None) -> Heard:
    """The whole answer of a model that is closed afterwards."""
    try:
        return await Heard().listen(model, asking() if history is None else history)
    finally:
        await model.close()
