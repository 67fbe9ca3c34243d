"""What the demonstration says.

Owns the choice of an answer: a greeting for a greeting, the kinds of content that a message names
(code, table, math, list, markdown, long), a thought before it when asked to think, and otherwise a
plain answer that says what can be tried. It quotes the person and the earlier turns, so that one
sees what reached the model. Nothing here is random: the same conversation gets the same answer.
The texts themselves are in `texts.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar
from zlib import crc32

from cipher.agent.llm.demo.texts import (
    CODE,
    GREETINGS,
    HOW_TO_GET_A_MODEL,
    LISTS,
    MATH,
    OPENINGS,
    PLAIN,
    TABLES,
    THOUGHT,
    TOUR,
    TRY_NEXT,
)

_GREETING = re.compile(r"(?i)^\W*(hi|hello|hey|hallo|servus|good (morning|day|evening)|yo)\b")
_SHORT_WORDS = 3
_KINDS = {
    "code": re.compile(r"(?i)\b(code|function|script|program|snippet)\b"),
    "table": re.compile(r"(?i)\b(tables?|compare|comparison)\b"),
    "math": re.compile(r"(?i)\b(math|maths|latex|formulas?|equations?|integrals?)\b"),
    "list": re.compile(r"(?i)\b(lists?|steps|checklist)\b"),
}
_TEXTS = {"code": tuple(CODE.values()), "table": TABLES, "math": MATH, "list": LISTS}
_MARKDOWN = re.compile(r"(?i)\b(markdown|everything)\b")
_LONG = re.compile(r"(?i)\b(long|essay|detailed|tour|story)\b")
_THINK = re.compile(r"(?i)\b(think|reason|reasoning)\b")
_LANGUAGES = {
    "python": re.compile(r"(?i)\bpython\b"),
    "typescript": re.compile(r"(?i)\b(typescript|javascript|react)\b"),
    "sql": re.compile(r"(?i)\b(sql|sqlite|postgres\w*)\b"),
    "bash": re.compile(r"(?i)\b(bash|shell|curl)\b"),
}
_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~$])")
_QUOTE_CHARS = 160

Chosen = TypeVar("Chosen")


class DemoAnswer(NamedTuple):
    """What the demonstration thinks, which may be nothing, and what it says."""

    reasoning: str
    text: str


def demo_answer(prompt: str, earlier: Sequence[str]) -> DemoAnswer:
    """The answer to `prompt`; `earlier` is what the same person said before, oldest first."""
    thought = THOUGHT.format(words=len(prompt.split())) if _THINK.search(prompt) else ""
    kinds = [name for name, words in _KINDS.items() if words.search(prompt)]
    if _MARKDOWN.search(prompt):
        kinds = list(_KINDS)
    long = _LONG.search(prompt) is not None
    if not (kinds or long or thought) and _is_short(prompt):
        return DemoAnswer("", f"{_pick(GREETINGS, prompt)} {_remembered(earlier)}{TRY_NEXT}")
    parts = [_opening(prompt, earlier)]
    parts += [_content(kind, prompt) for kind in kinds]
    if long:
        parts.append(TOUR)
    elif not kinds:
        parts.append(_pick(PLAIN, prompt))
    parts.append(HOW_TO_GET_A_MODEL)
    return DemoAnswer(thought, "\n\n".join(parts))


def _is_short(prompt: str) -> bool:
    return len(prompt.split()) <= _SHORT_WORDS or (
        _GREETING.match(prompt) is not None and len(prompt) < 60
    )


def _opening(prompt: str, earlier: Sequence[str]) -> str:
    words = len(prompt.split())
    return (
        f"{_pick(OPENINGS, prompt)}\n\n> {_quoted(prompt)}\n\n"
        f"That is {words} word{'s' * (words != 1)} in {len(prompt)} characters. "
        f"{_remembered(earlier)}".rstrip()
    )


def _remembered(earlier: Sequence[str]) -> str:
    """What shows that the history reached the model."""
    if not earlier:
        return ""
    last = _quoted(earlier[-1], 60)
    if len(earlier) == 1:
        return f"Before this you wrote “{last}”. "
    return (
        f"This is your message number {len(earlier) + 1} here: you began with "
        f"“{_quoted(earlier[0], 60)}”, and just before this came “{last}”. "
    )


def _content(kind: str, prompt: str) -> str:
    if kind == "code":
        for language, words in _LANGUAGES.items():
            if words.search(prompt):
                return CODE[language]
    return _pick(_TEXTS[kind], prompt)


def _pick(choices: Sequence[Chosen], prompt: str) -> Chosen:
    return choices[crc32(prompt.encode()) % len(choices)]


def _quoted(text: str, chars: int = _QUOTE_CHARS) -> str:
    """The beginning of a text on one line, its markdown made visible."""
    line = " ".join(text.split())
    if len(line) > chars:
        line = line[:chars].rsplit(" ", 1)[0].rstrip(",;:.-") + "…"
    return _MARKS.sub(r"\\\1", line)
