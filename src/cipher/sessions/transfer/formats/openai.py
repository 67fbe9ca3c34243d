"""The shape that model providers speak: `{"messages": [{"role", "content"}, ...]}`.

Owns reading such records, from JSON Lines or a JSON array, with content as text or as blocks (also
Anthropic's), tool calls and results, and writing one for `--format jsonl`. Does not decide which
record is of this shape. Images and other media are left out and noted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from cipher.model import (
    Message,
    Part,
    ReasoningPart,
    Role,
    Session,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    text_parts,
)
from cipher.sessions.transfer.formats.conversation import (
    Conversation,
    Utterance,
    clean,
    extras_of,
    fold_tools,
    moment,
    refuse,
)

ROLES: dict[str, Role] = {
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
}
_IDS = ("id", "conversation_id", "session_id", "custom_id")
_TITLES = ("title", "name")
_CREATED = ("createdAt", "created_at", "create_time", "created", "timestamp")
_UPDATED = ("lastActivity", "updated_at", "update_time", "updatedAt")
_KNOWN = frozenset({"messages", *_IDS, *_TITLES, *_CREATED, *_UPDATED})
_TEXT_BLOCKS = frozenset({"text", "input_text", "output_text"})
_IMAGE_BLOCKS = frozenset({"image", "image_url", "input_image"})


def read_openai(record: dict[str, Any]) -> Conversation:
    """One record with `messages`. Raises: Rejected."""
    notes: list[str] = []
    given = record["messages"]
    if not isinstance(given, list):
        refuse('"messages" is not a list')
    utterances: list[Utterance] = []
    for number, entry in enumerate(given, start=1):
        if not isinstance(entry, dict):
            refuse(f"message {number} is not an object")
        role = ROLES.get(str(entry.get("role")))
        if role is None:
            refuse(f"message {number} has the unknown role {entry.get('role')!r:.40}")
        role, parts = _read_message(role, entry, notes)
        if not parts:
            notes.append("empty messages left out")
            continue
        utterances.append(
            Utterance(
                role=role,
                parts=parts,
                parent=len(utterances) - 1 if utterances else None,
                moment=_first_time(entry, _CREATED),
            )
        )
    conversation = Conversation(
        format="openai",
        utterances=utterances,
        source_id=_first_text(record, _IDS),
        title=clean(_first_text(record, _TITLES), notes),
        created_at=_first_time(record, _CREATED),
        last_activity=_first_time(record, _UPDATED),
        extras=extras_of(record, _KNOWN, notes),
        notes=notes,
    )
    fold_tools(conversation)
    return conversation


def read_content(content: object, notes: list[str]) -> list[Part]:
    """Content as text or as a list of blocks. Raises: Rejected for any other shape."""
    if content is None:
        return []
    if isinstance(content, str):
        return list(text_parts(clean(content, notes)))
    if not isinstance(content, list):
        refuse("content is neither text nor a list of blocks")
    parts: list[Part] = []
    images = 0
    for block in content:
        if isinstance(block, str):
            parts.extend(text_parts(clean(block, notes)))
        elif not isinstance(block, dict):
            refuse("a block of content is neither text nor an object")
        elif block.get("type") in _IMAGE_BLOCKS:
            images += 1
        else:
            parts.extend(_read_block(block, notes))
    notes.extend(["images left out"] * images)
    if images and not parts:
        parts.append(TextPart(text="[image]"))
    return parts


def write_openai(session: Session, messages: Iterable[Message]) -> bytes:
    """One line, without its end, that holds the given messages of a session."""
    told: list[dict[str, Any]] = []
    for message in messages:
        told.extend(_told(message))
    line = {
        "id": session.id,
        "title": session.title,
        "createdAt": session.created_at,
        "lastActivity": session.last_activity,
        "messages": told,
    }
    return msgspec.json.encode(line)


def _read_message(
    role: Role, entry: dict[str, Any], notes: list[str]
) -> tuple[Role, tuple[Part, ...]]:
    parts = read_content(entry.get("content"), notes)
    if role == "tool":
        return role, (_read_result(entry, parts, notes),)
    if isinstance(entry.get("reasoning_content"), str) and entry["reasoning_content"]:
        parts.insert(0, ReasoningPart(text=clean(entry["reasoning_content"], notes)))
    if isinstance(entry.get("refusal"), str) and entry["refusal"]:
        parts.append(TextPart(text=clean(entry["refusal"], notes)))
    parts.extend(_read_calls(entry, notes))
    if parts and all(isinstance(part, ToolResultPart) for part in parts):
        role = "tool"
    return role, tuple(parts)


def _read_result(entry: dict[str, Any], parts: list[Part], notes: list[str]) -> ToolResultPart:
    name = clean(str(entry.get("name") or ""), notes)
    return ToolResultPart(
        call_id=clean(str(entry.get("tool_call_id") or name), notes),
        name=name,
        result="".join(part.text for part in parts if isinstance(part, TextPart)),
    )


def _read_calls(entry: dict[str, Any], notes: list[str]) -> list[Part]:
    calls = entry.get("tool_calls") or []
    if isinstance(entry.get("function_call"), dict):
        name = entry["function_call"].get("name")
        calls = [{"id": name, "function": entry["function_call"]}]
    if not isinstance(calls, list):
        refuse('"tool_calls" is not a list')
    parts: list[Part] = []
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            notes.append("tool calls of an unknown kind left out")
            continue
        parts.append(
            read_call(call.get("id"), function.get("name"), function.get("arguments"), notes)
        )
    return parts


def read_call(call_id: object, name: object, args: object, notes: list[str]) -> ToolCallPart:
    """A tool call whose arguments are JSON text already, or the value itself."""
    text = args if isinstance(args, str) else msgspec.json.encode(args or {}).decode()
    return ToolCallPart(
        call_id=clean(str(call_id or name or ""), notes),
        name=clean(str(name or ""), notes),
        args=clean(text, notes),
    )


def _read_block(block: dict[str, Any], notes: list[str]) -> list[Part]:
    kind = block.get("type")
    text = block.get("text")
    if isinstance(text, str) and (kind in _TEXT_BLOCKS or kind is None):
        return list(text_parts(clean(text, notes)))
    if kind == "refusal" and isinstance(block.get("refusal"), str):
        return list(text_parts(clean(block["refusal"], notes)))
    if kind == "thinking" and isinstance(block.get("thinking"), str):
        return [ReasoningPart(text=clean(block["thinking"], notes))]
    if kind == "tool_use":
        return [read_call(block.get("id"), block.get("name"), block.get("input"), notes)]
    if kind == "tool_result":
        inner = read_content(block.get("content"), notes)
        return [
            ToolResultPart(
                call_id=clean(str(block.get("tool_use_id") or ""), notes),
                name="",
                result="".join(part.text for part in inner if isinstance(part, TextPart)),
                ok=not block.get("is_error"),
            )
        ]
    notes.append(f"content of type {kind!r:.40} left out")
    return []


def _told(message: Message) -> list[dict[str, Any]]:
    """One stored message as the several that this shape wants when tools were used."""
    told: list[dict[str, Any]] = []
    text: list[str] = []
    calls: list[dict[str, Any]] = []

    def flush() -> None:
        if text or calls:
            entry: dict[str, Any] = {"role": message.role, "content": "".join(text)}
            if calls:
                entry["tool_calls"] = calls.copy()
            told.append(entry)
            text.clear()
            calls.clear()

    for part in message.parts:
        if isinstance(part, TextPart):
            if calls:
                flush()
            text.append(part.text)
        elif isinstance(part, ToolCallPart):
            function = {"name": part.name, "arguments": part.args}
            calls.append({"id": part.call_id, "type": "function", "function": function})
        elif isinstance(part, ToolResultPart):
            flush()
            told.append(
                {
                    "role": "tool",
                    "tool_call_id": part.call_id,
                    "name": part.name,
                    "content": part.result,
                }
            )
    flush()
    return told


def _first_text(record: dict[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = record.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""


def _first_time(record: dict[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        found = moment(record.get(name))
        if found:
            return found
    return None
