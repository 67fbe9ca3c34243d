"""The ShareGPT shape: `{"conversations": [{"from": "human", "value": "..."}, ...]}`.

Owns reading such records and the many names that their speakers go by. Does not decide which
record is of this shape; entries with `role` and `content` in the same list are read as well.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cipher.model import Part, Role, TextPart, ToolResultPart
from cipher.sessions.transfer.formats.conversation import (
    Conversation,
    Utterance,
    clean,
    extras_of,
    fold_tools,
    moment,
    refuse,
)
from cipher.sessions.transfer.formats.openai import ROLES, read_call, read_content

_SPEAKERS: dict[str, Role] = {
    **ROLES,
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "claude": "assistant",
    "function_call": "assistant",
    "observation": "tool",
    "function_response": "tool",
}
_KNOWN = frozenset({"conversations", "id", "title", "system", "create_time", "update_time"})


def read_sharegpt(record: dict[str, Any]) -> Conversation:
    """One record with `conversations`. Raises: Rejected."""
    notes: list[str] = []
    given = record["conversations"]
    if not isinstance(given, list):
        refuse('"conversations" is not a list')
    if isinstance(record.get("system"), str) and record["system"]:
        given = [{"from": "system", "value": record["system"]}, *given]
    utterances: list[Utterance] = []
    call_id = ""
    for number, entry in enumerate(given, start=1):
        if not isinstance(entry, dict):
            refuse(f"message {number} is not an object")
        speaker = str(entry.get("from", entry.get("role")))
        role = _SPEAKERS.get(speaker.lower())
        if role is None:
            refuse(f"message {number} has the unknown speaker {speaker!r:.40}")
        parts = read_content(entry.get("value", entry.get("content")), notes)
        if speaker == "function_call":
            call_id = f"call-{number}"
            parts = [_read_call(call_id, parts, notes)]
        elif role == "tool":
            parts = [ToolResultPart(call_id=call_id, name="", result=_text(parts))]
        if not parts:
            notes.append("empty messages left out")
            continue
        parent = len(utterances) - 1 if utterances else None
        utterances.append(Utterance(role=role, parts=tuple(parts), parent=parent))
    source_id = record.get("id")
    conversation = Conversation(
        format="sharegpt",
        utterances=utterances,
        source_id=str(source_id) if isinstance(source_id, str | int) else "",
        title=clean(record["title"], notes) if isinstance(record.get("title"), str) else "",
        created_at=moment(record.get("create_time")),
        last_activity=moment(record.get("update_time")),
        extras=extras_of(record, _KNOWN, notes),
        notes=notes,
    )
    fold_tools(conversation)
    return conversation


def _read_call(call_id: str, parts: list[Part], notes: list[str]) -> Part:
    """A call that is told as JSON text with `name` and `arguments`."""
    text = _text(parts)
    try:
        told = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return read_call(call_id, "", text, notes)
    return read_call(call_id, told.get("name"), told.get("arguments"), notes)


def _text(parts: list[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))
