"""The documents against the code: what they name exists, what exists is named, examples hold.

Owns no wording. A test that fails here says which document and what in it; either the document or
the code is behind. The programs in the documents are run by `test_docs_programs.py`.
"""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import click
import httpx2
import jsonschema  # type: ignore[import-untyped]  # it has no stubs of its own
import msgspec
import pytest

from cipher import errors, events
from cipher.cli import cipher
from cipher.config import Settings
from cipher.model import MAX_CONTENT_CHARS, MAX_TITLE_CHARS
from cipher.web import wire
from cipher.web.app import create_app
from cipher.web.edge.guard import MAX_TARGET_BYTES
from cipher.web.edge.metrics import Metrics
from cipher.web.socket import connection, frames
from cipher.web.socket.limits import SocketLimits
from cipher.web.strict import MAX_DEPTH, MAX_METADATA_BYTES
from tests.documents import ROOT, Document, Part, all_documents, document

DOCUMENTS = all_documents()
PROTOCOL = document("docs/protocol.md")
OPERATIONS = document("docs/operations.md")
SOURCE = ROOT / "src" / "cipher"

ENDPOINT = re.compile(r"`([A-Z]+) (/\S+)`")
MAX_FRAME = SocketLimits().max_frame_bytes
SHAPES: dict[str, type[msgspec.Struct]] = {
    "welcome": frames.Welcome,
    "subscribed": frames.Subscribed,
    "sync:caught_up": frames.SyncPoint,
    "sync:lagged": frames.SyncPoint,
    "message:ack": wire.Ack,
    "message:received": wire.SocketMessage,
    "session:created": frames.SessionNews,
    "session:updated": frames.SessionNews,
    "pong": frames.Pong,
    "error": frames.SocketError,
}
"""The payloads that are not spelled by the fields of their event."""


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    """The document that a server publishes."""
    app = create_app(Settings(_env_file=None, storage_database_type="in-memory", llm_model="demo"))

    async def published() -> dict[str, Any]:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer: dict[str, Any] = (await client.get("/openapi.json")).json()
        return answer

    return asyncio.run(published())


def endpoints() -> dict[tuple[str, str], Part]:
    """The sections about endpoints, by method and path."""
    found = {}
    for heading, section in PROTOCOL.sections(3).items():
        if match := ENDPOINT.fullmatch(heading):
            found[match[1], match[2]] = section
    return found


def operations(openapi: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """What the server offers, with the ids of paths as the document spells them."""
    return {
        (method.upper(), path.replace("session_id", "id").replace("turn_id", "turnId")): operation
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }


def frame_sections() -> dict[str, Part]:
    return {heading.strip("`"): part for heading, part in PROTOCOL.sections(4).items()}


def strict(schema: Any) -> Any:
    """The schema, with fields forbidden that it does not name."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(value) for name, value in schema.items()}
    if "properties" in schema:
        closed["additionalProperties"] = False
    return closed


def check(instance: Any, schema: dict[str, Any], components: dict[str, Any]) -> None:
    jsonschema.validate(instance, {**strict(schema), "components": {"schemas": strict(components)}})


def shape(struct: type[msgspec.Struct]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON schema of a struct and the shapes that it refers to."""
    (schema,), components = msgspec.json.schema_components(
        [struct], ref_template="#/components/schemas/{name}"
    )
    return schema, components


# REST


def test_every_endpoint_is_documented_and_every_documented_one_exists(
    openapi: dict[str, Any],
) -> None:
    assert set(endpoints()) == set(operations(openapi))


def test_endpoints_are_documented_with_their_status_and_their_parameters(
    openapi: dict[str, Any],
) -> None:
    for place, operation in operations(openapi).items():
        section = endpoints()[place]
        (status,) = set(operation["responses"]) - {"default"}
        assert f"Answers {status}" in " ".join(section.prose.split()), place
        words = " ".join(section.spans)
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query":
                assert re.search(rf"\b{parameter['name']}\b", words), (place, parameter["name"])


def test_examples_of_requests_and_answers_have_the_published_shapes(
    openapi: dict[str, Any],
) -> None:
    components, shown = openapi["components"]["schemas"], 0
    for place, operation in operations(openapi).items():
        for block in endpoints()[place].blocks("json"):
            example, shown = json.loads(block.text), shown + 1
            if "success" not in example:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
            else:
                (status,) = set(operation["responses"]) - {"default"}
                content = operation["responses"][status]["content"]
                schema = content["application/json"]["schema"]
            check(example, schema, components)
    assert shown > 10


# The socket


def test_every_event_is_documented_and_every_documented_one_exists() -> None:
    published = {event.type for event in get_args(events.Event)}
    replies = {
        name
        for path in (SOURCE / "web" / "socket").glob("*.py")
        for name in re.findall(r'reply\(\s*"([a-z:_]+)"', path.read_text(encoding="utf-8"))
    }
    commands = set(frames._COMMANDS)
    assert set(frame_sections()) == published | replies | commands


@pytest.mark.parametrize("type_", list(frames._COMMANDS))
def test_examples_of_commands_are_accepted(type_: str) -> None:
    examples = frame_sections()[type_].blocks("json")
    assert examples
    for block in examples:
        command = frames.read_command(block.text, max_bytes=MAX_FRAME, brief=False)
        assert command.type == type_
        written = json.loads(block.text)
        check(written["payload"], *shape(type(command.payload)))
        assert set(written) <= {"type", "id", "payload"}


@pytest.mark.parametrize("type_", sorted(set(frame_sections()) - set(frames._COMMANDS)))
def test_examples_of_events_have_the_shape_that_is_sent(type_: str) -> None:
    by_type = {event.type: event for event in get_args(events.Event)}
    examples = frame_sections()[type_].blocks("json")
    assert examples
    for block in examples:
        frame = json.loads(block.text)
        assert frame["type"] == type_
        assert set(frame) <= {"type", "ref", "epoch", "seq", "payload"}
        if type_ == "server:status":
            event = events.ServerStatus(storage="ok", since=datetime.now(UTC))
            sent = json.loads(frames.event_frame(event).text)["payload"]
            assert {name: type(value) for name, value in frame["payload"].items()} == {
                name: type(value) for name, value in sent.items()
            }
        else:
            check(frame["payload"], *shape(SHAPES.get(type_) or by_type[type_]))


def test_every_close_code_is_documented() -> None:
    ours = {connection.BAD_FRAMES, connection.HEARTBEAT, connection.SLOW, connection.FLOOD}
    written = {int(row[0]) for row in PROTOCOL.sections(2)["Close codes"].rows("Code")}
    assert written == ours | {1009, 1011, 1012}


def test_the_limits_are_those_that_are_kept() -> None:
    section, limits = PROTOCOL.sections(2)["Limits"].text, SocketLimits()
    for number in (
        limits.max_frame_bytes,
        limits.inflight,
        limits.sends_per_minute,
        limits.subscriptions,
        limits.replay_messages,
        MAX_CONTENT_CHARS,
        MAX_TITLE_CHARS,
        MAX_METADATA_BYTES,
        MAX_TARGET_BYTES,
        MAX_DEPTH,
    ):
        assert re.search(rf"(?<![\d,]){number:,}(?![\d,])", section), number


# Errors, metrics, logs


def all_errors(root: type[errors.CipherError] = errors.CipherError) -> set[Any]:
    return {root}.union(*(all_errors(kind) for kind in root.__subclasses__()))


def test_every_error_that_can_be_answered_is_in_the_table_with_its_status() -> None:
    written = {row[0]: row[1:3] for row in PROTOCOL.sections(2)["Errors"].rows("Code")}
    ours = {kind for kind in all_errors() if kind.__module__ == errors.__name__}
    retryable = {kind.code: False for kind in ours}
    for kind in ours:
        retryable[kind.code] |= kind.retryable
    # The start stops for a bad setting, so no client ever sees it.
    del retryable[errors.SettingsError.code]
    assert written == {
        code: [str(wire.STATUS[code]), "yes" if again else "no"]
        for code, again in retryable.items()
    }
    assert set(wire.STATUS) == set(retryable)


def test_every_metric_is_documented_and_every_documented_one_exists() -> None:
    counted = {
        f"{family.name}_total" if family.type == "counter" else family.name: family.type
        for family in Metrics().registry.collect()
        if not family.name.endswith("_created")
    }
    written = {row[0]: row[1] for row in OPERATIONS.sections(2)["Metrics"].rows("Metric")}
    assert written == counted


def test_the_events_of_the_log_are_those_that_are_logged() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    for row in OPERATIONS.sections(2)["Logs"].rows("Event"):
        for name in row[0].split(", "):
            assert re.search(rf'(?:log|logger|write)[.\w]*\(\s*"{name}"', source) or re.search(
                rf'_insist\([^"]*"{name}"', source
            ), name


# Names that documents use


@pytest.mark.parametrize("text", DOCUMENTS, ids=lambda text: text.name)
def test_links_lead_somewhere(text: Document) -> None:
    for link in text.links:
        if re.match(r"\w+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (text.path.parent / name).resolve() if name else text.path
        assert target.exists(), link
        if anchor:
            assert anchor in document(target.relative_to(ROOT).as_posix()).anchors, link


@pytest.mark.parametrize("text", DOCUMENTS, ids=lambda text: text.name)
def test_json_is_json(text: Document) -> None:
    for block in text.blocks("json"):
        json.loads(block.text)


@pytest.mark.parametrize("text", DOCUMENTS, ids=lambda text: text.name)
def test_settings_exist(text: Document) -> None:
    names = set(re.findall(r"\b(?:STORAGE|SESSION|API|LLM|LOG)_[A-Z_]+\b", text.text))
    assert {name.lower() for name in names} <= set(Settings.model_fields)


@pytest.mark.parametrize("text", DOCUMENTS, ids=lambda text: text.name)
def test_make_targets_exist(text: Document) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for line in text.code():
        for target in re.findall(r"(?<![\w/])make ([a-z][a-z-]*)", line):
            assert target in targets, line


@pytest.mark.parametrize("text", DOCUMENTS, ids=lambda text: text.name)
def test_commands_and_their_flags_exist(text: Document) -> None:
    for line in text.code():
        for written in re.findall(r"(?<![\w.=:-])(?<!-u )cipher +([a-z][^#;&)]*)", line):
            # `sessions list | show` is two commands.
            first, *others = [words.split() for words in written.split("|")]
            for words in (first, *([*first[:-1], *other] for other in others)):
                assert unknown_words(words) == [], line


def unknown_words(words: list[str]) -> list[str]:
    """Those that the command line does not know: names of commands, and flags."""
    command: click.Command = cipher
    for word in words:
        if not isinstance(command, click.Group) or not word[0].isalpha():
            break
        found = command.get_command(click.Context(command), word)
        if found is None:
            return [word]
        command = found
    flags = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
    used = {word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)}
    return sorted(used - flags - {"--help"})


def test_every_decision_is_in_the_list() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = document("docs/decisions/README.md").links
    assert sorted(listed) == sorted(path.name for path in folder.glob("0*.md"))
    numbers = [int(Path(name).name[:4]) for name in sorted(listed)]
    assert numbers == list(range(1, len(listed) + 1))
