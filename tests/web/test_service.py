"""What operators ask: health, statistics, metrics, models, and the published documents."""

from __future__ import annotations

import re

import jsonschema  # type: ignore[import-untyped]  # it has no stubs of its own
import pytest
from structlog.testing import capture_logs

from cipher.agent.llm import ModelInfo
from cipher.testing import ScriptedModel
from tests.web.running import JSON, Server, Start


async def test_a_server_is_alive_and_ready(server: Server) -> None:
    assert await server.call("GET", "/livez") == {"status": "alive", "storage": "ok"}
    assert await server.call("GET", "/readyz") == {"status": "ready", "storage": "ok"}


async def test_a_server_in_memory_says_so(start: Start) -> None:
    server = await start(storage_database_type="in-memory")
    assert await server.call("GET", "/readyz") == {"status": "ready", "storage": "volatile"}
    await server.create("s")
    assert (await server.say("s", "Hi"))["durability"] == "volatile"


async def test_stats_are_the_briefs_and_more(server: Server) -> None:
    await server.create("s")
    await server.create("t")
    client = await server.v1()
    await client.subscribe("s")
    await server.say("s", "Hi")
    await client.until("turn:ended")
    stats = await server.call("GET", "/api/stats")
    assert stats == {
        "activeSessions": 1,
        "totalSessions": 2,
        "totalMessages": 2,
        "storageConnected": True,
        "averageMessageCount": 1.0,
        "storage": "ok",
        "sockets": 1,
        "version": stats["version"],
        "uptimeSeconds": stats["uptimeSeconds"],
    }


async def test_models_name_the_one_that_answers(start: Start) -> None:
    info = ModelInfo(id="demo", provider="demo", demo=True, notice="A demonstration.")
    server = await start(ScriptedModel("Hi.", info=info))
    assert await server.call("GET", "/api/models") == {
        "models": [{"id": "demo", "demo": True, "notice": "A demonstration."}],
        "current": "demo",
    }


async def test_metrics_count_what_happened(server: Server) -> None:
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    await server.say("s", "Hi")
    await client.until("turn:ended")
    await server.http.get("/api/sessions/s/history")
    await server.http.get("/api/nope")
    response = await server.http.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    values = dict(
        line.rsplit(" ", 1) for line in response.text.splitlines() if not line.startswith("#")
    )
    for name, value in {
        "cipher_sessions_active": "1.0",
        "cipher_sessions_total": "1.0",
        "cipher_storage_connected": "1.0",
        "cipher_sockets": "1.0",
        'cipher_turns_total{status="complete"}': "1.0",
        "cipher_first_token_seconds_count": "1.0",
        "cipher_append_seconds_count": "1.0",
    }.items():
        assert values[name] == value, name
    requests = {name for name in values if name.startswith("cipher_http_requests_total")}
    history = 'method="GET",route="/api/sessions/{session_id}/history",status="200"'
    assert f"cipher_http_requests_total{{{history}}}" in requests
    assert float(values['cipher_socket_frames_total{direction="out"}']) >= 6
    assert float(values['cipher_socket_bytes_total{direction="in"}']) > 10


async def test_no_metric_names_a_session(server: Server) -> None:
    await server.create("very-private")
    await server.http.get("/api/sessions/very-private/history")
    await server.http.get("/very-private")
    assert "very-private" not in (await server.http.get("/metrics")).text


async def test_requests_are_logged_by_what_they_did(server: Server) -> None:
    with capture_logs() as lines:
        await server.create("s")
        await server.call("GET", "/api/sessions/s")
        await server.refusal("POST", "/api/sessions", json={"sessionId": "s"})
        await server.refusal("GET", "/api/sessions/none")
    told = [(line["status"], line["log_level"]) for line in lines if line["event"] == "request"]
    assert told == [(201, "info"), (200, "debug"), (409, "info"), (404, "debug")]


@pytest.mark.parametrize("path", ["/docs", "/docs/style.css", "/openapi.json"])
async def test_the_documents_are_served(server: Server, path: str) -> None:
    response = await server.http.get(path)
    assert response.status_code == 200
    assert not re.search(r"<script|style=|https?://", response.text)


async def test_the_documents_name_every_endpoint(server: Server) -> None:
    document = (await server.http.get("/openapi.json")).json()
    page = (await server.http.get("/docs")).text
    assert document["openapi"].startswith("3.1")
    operations = {
        f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item
    }
    assert operations == {
        "GET /api/sessions",
        "POST /api/sessions",
        "GET /api/sessions/{session_id}",
        "PATCH /api/sessions/{session_id}",
        "DELETE /api/sessions/{session_id}",
        "POST /api/sessions/{session_id}/load",
        "GET /api/sessions/{session_id}/history",
        "POST /api/sessions/{session_id}/restore",
        "POST /api/sessions/{session_id}/messages",
        "POST /api/sessions/{session_id}/turns/{turn_id}/cancel",
        "POST /api/sessions/{session_id}/turns/{turn_id}/retry",
        "GET /api/sessions/{session_id}/export",
        "POST /api/import",
        "GET /api/stats",
        "GET /api/models",
        "GET /livez",
        "GET /readyz",
        "GET /metrics",
    }
    for path in document["paths"]:
        assert path in page


async def test_the_document_is_sound_openapi_3_1(server: Server) -> None:
    document = (await server.http.get("/openapi.json")).json()
    assert set(document) <= {"openapi", "info", "paths", "components"}
    identities = [
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
    ]
    assert len(identities) == len(set(identities))
    for path, item in document["paths"].items():
        for operation in item.values():
            named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
            assert operation["responses"]
            for response in operation["responses"].values():
                assert response["description"]
    for schema in _schemas(document):
        jsonschema.Draft202012Validator.check_schema(schema)
    for reference in re.findall(r'"#/components/schemas/(\w+)"', str(document).replace("'", '"')):
        assert reference in document["components"]["schemas"]


async def test_answers_are_what_the_document_says(server: Server) -> None:
    document = (await server.http.get("/openapi.json")).json()
    await server.create("s", title="Plans", metadata={"a": 1})
    client = await server.v1()
    await client.subscribe("s")
    ack = await server.say("s", "Hi", clientMsgId="mine")
    await client.until("turn:ended")
    exported = (await server.http.get("/api/sessions/s/export")).content
    one = "/api/sessions/{session_id}"
    turn = f"{one}/turns/{{turn_id}}"
    calls: list[tuple[str, str, JSON]] = [
        ("GET", "/api/sessions", {}),
        ("POST", "/api/sessions", {}),
        ("GET", one, {}),
        ("PATCH", one, {"json": {"pinned": True}}),
        ("POST", f"{one}/load", {}),
        ("GET", f"{one}/history", {}),
        ("POST", f"{one}/messages", {"json": {"content": "Hi", "clientMsgId": "mine"}}),
        ("POST", f"{one}/messages", {"json": {"content": ""}}),
        ("POST", f"{turn}/cancel", {}),
        ("POST", f"{turn}/retry", {}),
        ("POST", "/api/import", {"content": exported}),
        ("POST", "/api/import", {"content": b"nonsense"}),
        ("GET", "/api/stats", {}),
        ("GET", "/api/models", {}),
        ("GET", "/livez", {}),
        ("GET", "/readyz", {}),
        ("DELETE", one, {}),
        ("POST", f"{one}/restore", {}),
        ("POST", f"{one}/restore", {}),
    ]
    for method, path, options in calls:
        address = path.format(session_id="s", turn_id=ack["turnId"])
        response = await server.http.request(method, address, **options)
        responses = document["paths"][path][method.lower()]["responses"]
        described = responses.get(str(response.status_code), responses["default"])
        schema = described["content"]["application/json"]["schema"]
        strict = {**schema, "components": _closed(document["components"])}
        jsonschema.Draft202012Validator(strict).validate(response.json())


def _schemas(document: JSON) -> list[JSON]:
    found = list(document["components"]["schemas"].values())
    for item in document["paths"].values():
        for operation in item.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            found += [
                content["schema"]
                for body in bodies
                for content in body.get("content", {}).values()
                if "schema" in content
            ]
            found += [parameter["schema"] for parameter in operation.get("parameters", ())]
    return found


def _closed(components: JSON) -> JSON:
    """The same shapes with every field that they do not name forbidden."""
    return {
        "schemas": {
            name: {"additionalProperties": False, **schema} if "properties" in schema else schema
            for name, schema in components["schemas"].items()
        }
    }
