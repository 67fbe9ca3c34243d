"""From a stored history to what a model reads: which messages of a branch fit.

Owns the choice, never the log: a message that does not fit is left out of one prompt and stays
stored. Whole turns are kept or dropped together, oldest first, so that no answer stands without its
question.
"""

from __future__ import annotations

from cipher.model import Message, Turn, conversation_order
from cipher.sessions.session import ConversationSession

PAGE = 200
BUDGET_TOKENS = 24_000
CHARS_PER_TOKEN = 4
"""The usual estimate for English; a real tokenizer would cost more than the precision is worth
while the budget is far below what current models take."""


async def history_for(
    session: ConversationSession, turn: Turn, *, budget_tokens: int = BUDGET_TOKENS
) -> list[Message]:
    """The messages that answer to a turn's user message, which is the last one.

    In conversation order, at most the budget except that the user message is always there. Reads
    the active branch upwards only as far as the budget goes.
    """
    branch = await _branch_to(session, turn.user_seq, budget_tokens * CHARS_PER_TOKEN)
    ordered = conversation_order(branch)
    asked = next(i for i, message in enumerate(ordered) if message.seq == turn.user_seq)
    return _fitting(ordered[: asked + 1], budget_tokens)


async def _branch_to(
    session: ConversationSession, user_seq: int, budget_chars: int
) -> list[Message]:
    """The active branch from far enough above the user message; or what is above that message
    itself, where a person has chosen another branch meanwhile, or none."""
    pages: list[tuple[Message, ...]] = []
    before: int | None = None
    found, seen_chars = False, 0
    while True:
        page = await session.history(before=before, limit=PAGE)
        pages.append(page.messages)
        found = found or any(message.seq == user_seq for message in page.messages)
        if found:
            seen_chars += sum(len(message.content) for message in page.messages)
            if not page.has_more or seen_chars > budget_chars:
                return [message for messages in reversed(pages) for message in messages]
        elif not page.has_more or page.messages[0].seq < user_seq:
            return await _above(session, user_seq)
        before = page.messages[0].seq


async def _above(session: ConversationSession, user_seq: int) -> list[Message]:
    above = await session.history(before=user_seq, limit=PAGE)
    asked = await session.log(after=user_seq - 1, limit=1)
    return [*above.messages, *asked.messages]


def _fitting(ordered: list[Message], budget_tokens: int) -> list[Message]:
    """The longest tail of whole turns within the budget, with the last message in any case."""
    kept_from = len(ordered) - 1
    left = budget_tokens - tokens_of(ordered[-1])
    for index in range(len(ordered) - 2, -1, -1):
        left -= tokens_of(ordered[index])
        if left < 0:
            break
        if ordered[index].role == "user":
            kept_from = index
    return ordered[kept_from:]


def tokens_of(message: Message) -> int:
    """An estimate of the tokens of a message, its frame included."""
    return len(message.content) // CHARS_PER_TOKEN + 4
