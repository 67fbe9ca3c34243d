"""The endpoints of sessions, held to the brief's letter and to what was added to it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import apsw
import pytest

from cipher.testing import ScriptedModel
from tests.web.running import Server, Start

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SUMMARY = {
    "id",
    "title",
    "createdAt",
    "lastActivity",
    "messageCount",
    "pinned",
    "archived",
    "epoch",
    "headSeq",
    "leafSeq",
    "running",
}


async def answered(server: Server, session_id: str, content: str = "Hi") -> None:
    """A session with one question and its answer."""
    client = await server.v1()
    await client.subscribe(session_id)
    await server.say(session_id, content)
    await client.until("turn:ended")
    await client.connection.close()


async def test_an_empty_list_has_the_briefs_fields(server: Server) -> None:
    data = await server.call("GET", "/api/sessions")
    assert data == {"sessions": [], "count": 0, "currentSession": None, "nextCursor": None}


async def test_create_answers_201_with_id_and_creation_time(server: Server) -> None:
    response = await server.http.post("/api/sessions", json={"sessionId": "session-1"})
    assert response.status_code == 201
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body["success"] is True
    assert body["data"]["session"]["id"] == "session-1"
    assert MOMENT.fullmatch(body["data"]["session"]["createdAt"])


@pytest.mark.parametrize("body", [None, b"", b"{}", b'{"sessionId": null}'])
async def test_create_without_an_id_makes_one(server: Server, body: bytes | None) -> None:
    data = await server.call("POST", "/api/sessions", content=body)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", data["session"]["id"])


async def test_create_takes_a_title_and_metadata(server: Server) -> None:
    session = await server.create("s", title=" Plans ", metadata={"colour": "blue", "n": [1]})
    assert (session["title"], session["metadata"]) == ("Plans", {"colour": "blue", "n": [1]})
    again = await server.call("GET", "/api/sessions/s")
    assert again["session"] == session


async def test_create_of_an_id_that_exists_is_refused(server: Server) -> None:
    await server.create("s")
    refusal = await server.refusal("POST", "/api/sessions", json={"sessionId": "s"})
    assert refusal == (409, "session_exists")


async def test_create_with_an_idempotency_key_makes_one_session(server: Server) -> None:
    headers = {"Idempotency-Key": "key-1"}
    first = await server.call("POST", "/api/sessions", headers=headers, json={"title": "One"})
    again = await server.call("POST", "/api/sessions", headers=headers, json={"title": "One"})
    other = await server.call("POST", "/api/sessions", headers={"Idempotency-Key": "key-2"})
    assert first == again
    assert other["session"]["id"] != first["session"]["id"]
    assert (await server.call("GET", "/api/sessions"))["count"] == 2


async def test_an_idempotency_key_does_not_bring_back_what_was_deleted(server: Server) -> None:
    headers = {"Idempotency-Key": "key-1"}
    made = await server.call("POST", "/api/sessions", headers=headers)
    await server.call("DELETE", f"/api/sessions/{made['session']['id']}")
    refusal = await server.refusal("POST", "/api/sessions", headers=headers)
    assert refusal == (409, "session_exists")


async def test_a_list_has_summaries_newest_activity_first(server: Server) -> None:
    await server.create("old")
    await server.create("new")
    await answered(server, "old")
    data = await server.call("GET", "/api/sessions")
    assert [session["id"] for session in data["sessions"]] == ["old", "new"]
    assert set(data["sessions"][0]) == SUMMARY
    old = data["sessions"][0]
    assert (old["messageCount"], old["headSeq"], old["leafSeq"]) == (2, 2, 2)
    assert MOMENT.fullmatch(old["lastActivity"])


async def test_a_list_comes_in_pages_that_hold_every_session_once(server: Server) -> None:
    for number in range(5):
        await server.create(f"s{number}")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        data = await server.call("GET", "/api/sessions", params=query)
        assert data["count"] == len(data["sessions"]) <= 2
        seen += [session["id"] for session in data["sessions"]]
        cursor = data["nextCursor"]
        if cursor is None:
            break
    assert sorted(seen) == [f"s{number}" for number in range(5)]


async def test_a_list_can_be_searched_by_title(server: Server) -> None:
    await server.create("a", title="Über Katzen")
    await server.create("b", title="Hunde")
    data = await server.call("GET", "/api/sessions", params={"q": "über"})
    assert [session["id"] for session in data["sessions"]] == ["a"]


async def test_load_returns_the_briefs_fields_and_makes_the_session_current(
    server: Server,
) -> None:
    await server.create("s")
    await answered(server, "s")
    data = await server.call("POST", "/api/sessions/s/load")
    assert (data["sessionId"], data["loaded"], data["currentSession"]) == ("s", True, "s")
    user, assistant = data["conversationHistory"]
    assert (user["role"], user["content"]) == ("user", "Hi")
    assert (assistant["role"], assistant["content"]) == ("assistant", "Hello there.")
    assert MOMENT.fullmatch(user["timestamp"])
    assert data["cursor"] == {"epoch": (await epoch_of(server, "s")), "seq": 2}
    assert (data["hasMore"], data["leafSeq"], data["activeTurns"]) == (False, 2, [])
    assert (await server.call("GET", "/api/sessions"))["currentSession"] == "s"


async def test_history_holds_the_same_messages_as_load(server: Server) -> None:
    await server.create("s")
    await answered(server, "s")
    loaded = await server.call("POST", "/api/sessions/s/load")
    history = await server.call("GET", "/api/sessions/s/history")
    assert history["history"] == loaded["conversationHistory"]
    assert (history["sessionId"], history["count"]) == ("s", 2)


async def test_a_message_is_the_documented_object(server: Server) -> None:
    await server.create("s")
    client = await server.v1()
    await client.subscribe("s")
    ack = await server.say("s", "Hi", clientMsgId="mine")
    await client.until("turn:ended")
    user, assistant = (await server.call("GET", "/api/sessions/s/history"))["history"]
    assert user == {
        "id": ack["messageId"],
        "seq": 1,
        "parentSeq": 0,
        "role": "user",
        "content": "Hi",
        "parts": [{"type": "text", "text": "Hi"}],
        "timestamp": user["timestamp"],
        "turnId": ack["turnId"],
        "clientMsgId": "mine",
    }
    assert assistant == {
        "id": assistant["id"],
        "seq": 2,
        "parentSeq": 1,
        "role": "assistant",
        "content": "Hello there.",
        "parts": [{"type": "text", "text": "Hello there."}],
        "timestamp": assistant["timestamp"],
        "status": "complete",
        "turnId": ack["turnId"],
        "attempt": 1,
    }


async def test_history_pages_go_upwards(server: Server) -> None:
    await server.create("s")
    for number in range(3):
        await answered(server, "s", f"Question {number}")
    newest = await server.call("GET", "/api/sessions/s/history", params={"limit": 2})
    assert [message["seq"] for message in newest["history"]] == [5, 6]
    assert newest["hasMore"] is True
    older = await server.call(
        "GET",
        "/api/sessions/s/history",
        params={"limit": 10, "before": newest["history"][0]["seq"]},
    )
    assert [message["seq"] for message in older["history"]] == [1, 2, 3, 4]
    assert older["hasMore"] is False


async def test_history_names_the_turns_that_are_not_over(start: Start) -> None:
    gate = asyncio.Event()
    model = ScriptedModel("So", gate, " it is.")
    server = await start(model)
    await server.create("s")
    first = await server.say("s", "One")
    second = await server.say("s", "Two")
    await model.begun.reach(1)
    data = await server.call("GET", "/api/sessions/s/history")
    assert data["activeTurns"] == [
        {"turnId": first["turnId"], "attempt": 1, "inReplyTo": 1, "status": "running"},
        {"turnId": second["turnId"], "attempt": 1, "inReplyTo": 2, "status": "queued"},
    ]
    listed = await server.call("GET", "/api/sessions")
    assert listed["sessions"][0]["running"] is True
    gate.set()


async def test_change_sets_only_what_it_names(server: Server) -> None:
    await server.create("s", title="Before", metadata={"a": 1})
    change = {"title": "After", "pinned": True}
    session = (await server.call("PATCH", "/api/sessions/s", json=change))["session"]
    assert (session["title"], session["pinned"], session["archived"]) == ("After", True, False)
    assert session["metadata"] == {"a": 1}
    archived = await server.call("PATCH", "/api/sessions/s", json={"archived": True})
    assert archived["session"]["archived"] is True
    assert (await server.call("GET", "/api/sessions"))["count"] == 0
    data = await server.call("GET", "/api/sessions", params={"state": "archived"})
    assert [session["id"] for session in data["sessions"]] == ["s"]


async def test_change_of_the_leaf_shows_another_branch(server: Server) -> None:
    await server.create("s")
    await answered(server, "s", "One")
    await answered(server, "s", "Two")
    await server.call("PATCH", "/api/sessions/s", json={"leafSeq": 2})
    data = await server.call("GET", "/api/sessions/s/history")
    assert [message["seq"] for message in data["history"]] == [1, 2]
    assert (data["leafSeq"], data["cursor"]["seq"]) == (2, 4)
    refusal = await server.refusal("PATCH", "/api/sessions/s", json={"leafSeq": 99})
    assert refusal == (404, "not_found")


async def test_delete_moves_to_the_trash_and_restore_brings_back(server: Server) -> None:
    await server.create("s", title="Dear")
    data = await server.call("DELETE", "/api/sessions/s")
    assert data == {"sessionId": "s", "deleted": True}
    assert (await server.refusal("GET", "/api/sessions/s/history")) == (404, "not_found")
    trash = await server.call("GET", "/api/sessions", params={"state": "trash"})
    assert MOMENT.fullmatch(trash["sessions"][0]["deletedAt"])
    session = (await server.call("POST", "/api/sessions/s/restore"))["session"]
    assert session["title"] == "Dear"
    assert (await server.call("GET", "/api/sessions"))["count"] == 1


async def test_purge_leaves_nothing_to_restore(server: Server) -> None:
    await server.create("s")
    data = await server.call("DELETE", "/api/sessions/s", params={"purge": "true"})
    assert data == {"sessionId": "s", "deleted": True, "purged": True}
    assert (await server.refusal("POST", "/api/sessions/s/restore")) == (404, "not_found")
    refusal = await server.refusal("POST", "/api/sessions", json={"sessionId": "s"})
    assert refusal == (409, "session_exists")


async def test_the_current_session_is_forgotten_with_its_deletion(server: Server) -> None:
    await server.create("s")
    await server.call("POST", "/api/sessions/s/load")
    await server.call("DELETE", "/api/sessions/s")
    assert (await server.call("GET", "/api/sessions"))["currentSession"] is None


async def epoch_of(server: Server, session_id: str) -> str:
    data = await server.call("GET", f"/api/sessions/{session_id}")
    epoch: str = data["session"]["epoch"]
    return epoch


async def test_a_damaged_session_is_listed_and_says_so_when_it_is_opened(
    server: Server, tmp_path: Path
) -> None:
    for name in ("broken", "whole"):
        await server.create(name, title=name)
    file = apsw.Connection(str(tmp_path / "cipher-sessions.db"))
    file.execute("UPDATE sessions SET metadata = 'x' WHERE id = 'broken'")
    file.close()
    listed = (await server.call("GET", "/api/sessions"))["sessions"]
    assert {session["title"] for session in listed} == {"broken", "whole"}
    one = "/api/sessions/broken"
    for method, path in (("GET", one), ("GET", f"{one}/history"), ("POST", f"{one}/load")):
        assert await server.refusal(method, path) == (500, "storage_corrupt")
    assert (await server.call("GET", "/readyz"))["storage"] == "ok"
    await server.call("DELETE", one)
    assert len((await server.call("GET", "/api/sessions"))["sessions"]) == 1
