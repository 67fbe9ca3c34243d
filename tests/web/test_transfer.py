"""Conversations out of and into a running server."""

from __future__ import annotations

import json

import pytest

from tests.web.running import Server


async def conversation(server: Server) -> None:
    await server.create("s", title="Plans & more")
    client = await server.v1()
    await client.subscribe("s")
    await server.say("s", "Hi")
    await client.until("turn:ended")


async def test_an_exported_session_can_be_imported_after_its_erasure_elsewhere(
    server: Server,
) -> None:
    await conversation(server)
    response = await server.http.get("/api/sessions/s/export")
    assert response.headers["content-type"] == "application/json"
    disposition = response.headers["content-disposition"]
    assert disposition == 'attachment; filename="cipher-s.json"'
    other = response.content.replace(b'"id":"s"', b'"id":"t"')
    report = await server.call("POST", "/api/import", content=other)
    assert (report["added"], report["sessions"]) == (1, ["t"])
    ours = (await server.call("GET", "/api/sessions/s/history"))["history"]
    theirs = (await server.call("GET", "/api/sessions/t/history"))["history"]
    assert ours == theirs
    again = await server.call("POST", "/api/import", content=other)
    assert (again["added"], again["alreadyThere"]) == (0, 1)


async def test_an_imported_answer_can_not_be_tried_again_and_it_is_said_why(
    server: Server,
) -> None:
    await conversation(server)
    exported = (await server.http.get("/api/sessions/s/export")).content
    await server.call("POST", "/api/import", content=exported.replace(b'"id":"s"', b'"id":"t"'))
    question, _ = (await server.call("GET", "/api/sessions/t/history"))["history"]
    response = await server.http.post(f"/api/sessions/t/turns/{question['turnId']}/retry")
    refusal = response.json()["error"]
    assert (response.status_code, refusal["code"]) == (404, "not_found")
    assert "Imported messages have none: send the question again." in refusal["message"]
    client = await server.v1()
    await client.send("turn:retry", {"sessionId": "t", "turnId": question["turnId"]}, id=1)
    error = await client.until("error")
    assert error["ref"] == 1
    assert {"code", "message", "turnId"} <= set(error["payload"])
    assert error["payload"]["message"] == refusal["message"]


async def test_an_export_as_markdown_reads_well(server: Server) -> None:
    await conversation(server)
    response = await server.http.get("/api/sessions/s/export", params={"format": "markdown"})
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    assert "Plans" in response.text
    assert "Hello there." in response.text


async def test_open_tabs_hear_of_imported_sessions(server: Server) -> None:
    client = await server.v1()
    line = {"messages": [{"role": "user", "content": "Hi"}]}
    await server.call("POST", "/api/import", content=json.dumps(line))
    created = await client.until("session:created")
    listed = (await server.call("GET", "/api/sessions"))["sessions"]
    assert created["payload"]["sessionId"] == listed[0]["id"]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"{}", b"[1, 2]", b"\xff\xfe"])
async def test_a_file_without_a_conversation_is_refused(server: Server, body: bytes) -> None:
    assert await server.refusal("POST", "/api/import", content=body) == (400, "bad_request")


async def test_an_import_may_be_larger_than_other_bodies(server: Server) -> None:
    line = {"messages": [{"role": "user", "content": "x" * 100_000}]}
    body = "\n".join(json.dumps(line | {"id": f"s{number}"}) for number in range(20))
    assert len(body) > 1_048_576
    report = await server.call("POST", "/api/import", content=body)
    assert report["messages"] >= 1
