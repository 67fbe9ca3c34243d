"""Language models: one seam, several providers, one path through pydantic-ai.

Owns the `LanguageModel` promise and everything behind it: which model the settings mean, how a
conversation becomes a request, how a provider's stream becomes pieces of text, and which error
its failures are. Owns no turn, no storage and no event. Importing this package is cheap; the model
library is imported by `warm()`, in a thread, or at the latest by the first answer.

Read `base.py` (the promise), then `provider.py` (its one implementation), then `choice.py`.
"""

from cipher.agent.llm.base import (
    LanguageModel,
    ModelInfo,
    Piece,
    ReasoningDelta,
    TextDelta,
    UsageReport,
)
from cipher.agent.llm.choice import choose_model

__all__ = [
    "LanguageModel",
    "ModelInfo",
    "Piece",
    "ReasoningDelta",
    "TextDelta",
    "UsageReport",
    "choose_model",
]
