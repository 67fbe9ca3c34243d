"""ChatGPT's data export: `conversations.json`, each conversation a tree under `mapping`.

Owns reading that tree: edited and regenerated messages stay as branches, `current_node` becomes
the leaf, and nodes without anything to read (the empty root, hidden instructions, memory) are left
out with their children moved up. Numbers messages by time, parents first, so that the log reads in
the order in which it came about. Trusts nothing: missing parents, cycles and foreign content types
are survived and noted. The shape is OpenAI's and undocumented; it was read off real exports.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from cipher.model import (
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    text_parts,
)
from cipher.sessions.transfer.formats.conversation import (
    Conversation,
    Utterance,
    clean,
    fold_tools,
    moment,
    refuse,
)
from cipher.sessions.transfer.formats.openai import ROLES, read_call

_NOT_FOR_READING = frozenset(
    {"user_editable_context", "model_editable_context", "reasoning_recap", "app_pairing_content"}
)
_DAWN = datetime(1970, 1, 1, tzinfo=UTC)

Node = dict[str, Any]


def read_chatgpt(record: dict[str, Any]) -> Conversation:
    """One record with `mapping`. Raises: Rejected."""
    notes: list[str] = []
    mapping = record["mapping"]
    if not isinstance(mapping, dict):
        refuse('"mapping" is not an object')
    nodes = {key: node for key, node in mapping.items() if isinstance(node, dict)}
    parents = _parents(nodes)
    order = list(_from_roots(nodes, parents))
    if len(order) < len(nodes):
        notes.extend(["messages in a cycle left out"] * (len(nodes) - len(order)))
    kept, place = _keep(order, nodes, parents, notes)
    current = record.get("current_node")
    conversation = Conversation(
        format="chatgpt",
        utterances=kept,
        source_id=_text_of(record.get("conversation_id")) or _text_of(record.get("id")),
        title=clean(_text_of(record.get("title")), notes),
        created_at=moment(record.get("create_time")),
        last_activity=moment(record.get("update_time")),
        leaf=place.get(current) if isinstance(current, str) else None,
        extras=_model_of(record),
        notes=notes,
    )
    fold_tools(conversation)
    return conversation


def _parents(nodes: dict[str, Node]) -> dict[str, str | None]:
    """Each node's parent, from its own word or else from the word of the parent."""
    parents: dict[str, str | None] = {}
    for key, node in nodes.items():
        for child in node.get("children") or ():
            if isinstance(child, str) and child in nodes:
                parents.setdefault(child, key)
    for key, node in nodes.items():
        said = node.get("parent")
        if isinstance(said, str) and said in nodes:
            parents[key] = said
    return {key: parents.get(key) for key in nodes}


def _from_roots(nodes: dict[str, Node], parents: dict[str, str | None]) -> Iterator[str]:
    """All nodes that hang on a root, parents before children, otherwise by time."""
    below: dict[str | None, list[str]] = {}
    for key, parent in parents.items():
        below.setdefault(parent, []).append(key)
    seen: list[tuple[datetime, int, str]] = []
    waiting = [(key, _DAWN) for key in reversed(below.get(None, ()))]
    while waiting:
        key, not_before = waiting.pop()
        at = max(_time_of(nodes[key]) or not_before, not_before)
        seen.append((at, len(seen), key))
        waiting.extend((child, at) for child in reversed(below.get(key, ())))
    return (key for _, _, key in sorted(seen))


def _keep(
    order: list[str], nodes: dict[str, Node], parents: dict[str, str | None], notes: list[str]
) -> tuple[list[Utterance], dict[str, int | None]]:
    """The messages to read, and for each node the index of itself or of what is kept above."""
    kept: list[Utterance] = []
    place: dict[str, int | None] = {}
    for key in order:
        parent = parents[key]
        above = None if parent is None else place[parent]
        utterance = _read_node(key, nodes[key], above, kept, notes)
        if utterance is None:
            place[key] = above
        else:
            place[key] = len(kept)
            kept.append(utterance)
    return kept, place


def _read_node(
    key: str, node: Node, above: int | None, kept: list[Utterance], notes: list[str]
) -> Utterance | None:
    message = node.get("message")
    if not isinstance(message, dict):
        return None
    author = message.get("author")
    author = author if isinstance(author, dict) else {}
    content = message.get("content")
    content = content if isinstance(content, dict) else {}
    metadata = message.get("metadata")
    hidden = isinstance(metadata, dict) and metadata.get("is_visually_hidden_from_conversation")
    if hidden or content.get("content_type") in _NOT_FOR_READING:
        notes.append("hidden messages left out")
        return None
    role = ROLES.get(_text_of(author.get("role")))
    if role is None:
        refuse(f"a message has the unknown role {author.get('role')!r:.40}")
    parts = _read_parts(content, notes)
    recipient = _text_of(message.get("recipient"))
    if role == "assistant" and recipient not in {"", "all"} and parts:
        parts = (_read_tool_call(key, recipient, parts, notes),)
    elif role == "tool":
        caller = kept[above].parts[-1] if above is not None else None
        result = ToolResultPart(
            call_id=caller.call_id if isinstance(caller, ToolCallPart) else clean(key, notes),
            name=clean(_text_of(author.get("name")), notes),
            result=_joined(parts),
            ok=content.get("content_type") != "system_error",
        )
        parts = (result,)
    elif content.get("content_type") == "code":
        parts = _fenced(parts, _text_of(content.get("language")), notes)
    if not parts:
        return None
    return Utterance(
        role=role,
        parts=parts,
        parent=above,
        moment=_time_of(node),
        status="interrupted" if role == "assistant" and _was_cut_off(message) else None,
    )


def _was_cut_off(message: dict[str, Any]) -> bool:
    status = message.get("status")
    return isinstance(status, str) and not status.startswith("finished")


def _read_parts(content: dict[str, Any], notes: list[str]) -> tuple[Part, ...]:
    kind = content.get("content_type")
    if kind == "thoughts":
        return tuple(_read_thoughts(content.get("thoughts"), notes))
    given = content.get("parts")
    texts: list[str] = []
    images = 0
    for piece in given if isinstance(given, list) else [_plain_text(content)]:
        if isinstance(piece, str):
            texts.append(piece)
        elif isinstance(piece, dict) and piece.get("content_type") == "image_asset_pointer":
            images += 1
        elif isinstance(piece, dict) and isinstance(piece.get("text"), str):
            texts.append(piece["text"])
        else:
            told = piece.get("content_type") if isinstance(piece, dict) else type(piece).__name__
            notes.append(f"content of type {told!r:.40} left out")
    notes.extend(["images left out"] * images)
    text = clean("\n\n".join(text for text in texts if text), notes)
    if not text and images:
        text = "[image]"
    return text_parts(text)


def _fenced(parts: tuple[Part, ...], language: str, notes: list[str]) -> tuple[Part, ...]:
    """Code that was shown as code, as markdown says it."""
    if not parts:
        return parts
    name = "" if language == "unknown" else clean(language, notes)
    return text_parts(f"```{name}\n{_joined(parts)}\n```")


def _plain_text(content: dict[str, Any]) -> str:
    for name in ("text", "result", "content"):
        if isinstance(content.get(name), str):
            return str(content[name])
    return ""


def _read_thoughts(thoughts: object, notes: list[str]) -> Iterator[Part]:
    for thought in thoughts if isinstance(thoughts, list) else ():
        if isinstance(thought, dict):
            told = [_text_of(thought.get("summary")), _text_of(thought.get("content"))]
            text = clean("\n\n".join(line for line in told if line), notes)
            if text:
                yield ReasoningPart(text=text)


def _read_tool_call(key: str, name: str, parts: tuple[Part, ...], notes: list[str]) -> Part:
    text = _joined(parts)
    try:
        args: object = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        args = {"input": text}
    return read_call(key, name, args, notes)


def _joined(parts: tuple[Part, ...]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def _model_of(record: dict[str, Any]) -> dict[str, Any]:
    slug = record.get("default_model_slug")
    return {"model": slug} if isinstance(slug, str) and 0 < len(slug) <= 200 else {}


def _time_of(node: Node) -> datetime | None:
    message = node.get("message")
    return moment(message.get("create_time")) if isinstance(message, dict) else None


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else ""
