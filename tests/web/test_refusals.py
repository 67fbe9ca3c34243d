"""Bad input: each gets its documented code in the envelope, and nothing else happens.

All tests of this file share one server: what one of them sends must not hurt the others.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from cipher.testing import ScriptedModel
from tests.web.running import PATIENCE, Server, limits, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEEP = b"[" * 33 + b"]" * 33
MANY = 200_001
_numbers = count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    folder = tmp_path_factory.mktemp("refusals")
    async with running(folder, ScriptedModel("Hi."), limits=limits(sends_per_minute=10_000)) as up:
        yield up


@pytest_asyncio.fixture(loop_scope="module")
async def session(server: Server) -> str:
    """A session of the test's own."""
    session_id = f"s{next(_numbers)}"
    await server.create(session_id)
    return session_id


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_request"),
        (b"nonsense", 400, "bad_request"),
        (b'{"content": "\xff"}', 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b'"content"', 400, "bad_request"),
        (b"", 400, "bad_request"),
        (b"{}", 400, "bad_request"),
        (b'{"content": 1}', 400, "bad_request"),
        (b'{"content": null}', 400, "bad_request"),
        (b'{"content": ["Hi"]}', 400, "bad_request"),
        (b'{"content": ""}', 400, "bad_request"),
        (b'{"content": "\\u0000"}', 400, "bad_request"),
        (b'{"content": "\\ud800"}', 400, "bad_request"),
        (b'{"content": "a\\udc00b"}', 400, "bad_request"),
        (b'{"content": "Hi", "parentSeq": "1"}', 400, "bad_request"),
        (b'{"content": "Hi", "parentSeq": -1}', 400, "bad_request"),
        (b'{"content": "Hi", "parentSeq": 1e400}', 400, "bad_request"),
        (b'{"content": "Hi", "parentSeq": 99999999999999999999}', 400, "bad_request"),
        (b'{"content": "Hi", "clientMsgId": "a b"}', 400, "bad_request"),
        (b'{"content": "Hi", "clientMsgId": "a\\n"}', 400, "bad_request"),
        (b'{"content": "Hi", "clientMsgId": ""}', 400, "bad_request"),
        (b'{"content": "Hi", "clientMsgId": "' + b"a" * 65 + b'"}', 400, "bad_request"),
        (b'{"content": "Hi", "whenBusy": "wait"}', 400, "bad_request"),
        (b'{"content": "Hi", "x": ' + DEEP + b"}", 400, "bad_request"),
        (b'{"content": "Hi", "x": ' + b"[" * 100_000 + b"}", 400, "bad_request"),
        (json.dumps({"content": "x" * MANY}).encode(), 413, "too_large"),
        (json.dumps({"content": "é" * MANY}, ensure_ascii=False).encode(), 413, "too_large"),
        (b'{"content": "' + b"x" * 1_048_576 + b'"}', 413, "too_large"),
    ],
)
async def test_a_message_that_is_none_is_refused_and_not_stored(
    server: Server, session: str, body: bytes, status: int, code: str
) -> None:
    path = f"/api/sessions/{session}"
    assert await server.refusal("POST", f"{path}/messages", content=body) == (status, code)
    assert (await server.call("GET", f"{path}/history"))["count"] == 0
    assert (await server.say(session, "Hi"))["seq"] == 1


@pytest.mark.parametrize("length", [1, 200_000])
async def test_a_message_may_be_as_long_as_the_limit(
    server: Server, session: str, length: int
) -> None:
    await server.say(session, "é" * length)
    client = await server.v1()
    frames = await client.subscribe(session)
    assert len(frames[1]["payload"]["content"]) == length


@pytest.mark.parametrize(
    "body",
    [
        b'{"sessionId": 1}',
        b'{"sessionId": ""}',
        b'{"sessionId": "a/b"}',
        b'{"sessionId": "../../etc/passwd"}',
        b'{"sessionId": "x\'; DROP TABLE sessions; --"}',
        b'{"sessionId": "a\\n"}',
        b'{"sessionId": "\\u0000"}',
        b'{"sessionId": "' + b"a" * 65 + b'"}',
        b'{"sessionId": "' + b"a" * 1_000_000 + b'"}',
        b'{"title": 1}',
        b'{"title": "' + b"a" * 201 + b'"}',
        b'{"title": "\\u0000"}',
        b'{"metadata": []}',
        b'{"metadata": {"a": ["\\ud800"]}}',
        b'{"metadata": {"a": ' + DEEP + b"}}",
        b"[1]",
    ],
)
async def test_a_session_that_can_not_be_is_not_made(server: Server, body: bytes) -> None:
    before = await server.call("GET", "/api/stats")
    assert await server.refusal("POST", "/api/sessions", content=body) == (400, "bad_request")
    after = await server.call("GET", "/api/stats")
    assert after["totalSessions"] == before["totalSessions"]


async def test_metadata_beyond_its_limit_is_too_large(server: Server) -> None:
    body = {"metadata": {"a": "x" * 70_000}}
    assert await server.refusal("POST", "/api/sessions", json=body) == (413, "too_large")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"title": null}', b'{"pinned": 1}', b'{"archived": "yes"}', b'{"leafSeq": -1}'],
)
async def test_a_change_that_is_none_is_refused(server: Server, session: str, body: bytes) -> None:
    refusal = await server.refusal("PATCH", f"/api/sessions/{session}", content=body)
    assert refusal == (400, "bad_request")


@pytest.mark.parametrize(
    "path",
    [
        "/api/sessions?limit=0",
        "/api/sessions?limit=1001",
        "/api/sessions?limit=many",
        "/api/sessions?state=gone",
        "/api/sessions?cursor=nonsense",
        "/api/sessions?q=%00",
        "/api/sessions/s/history?limit=-1",
        "/api/sessions/s/history?before=0",
        "/api/sessions/s/history?before=99999999999999999999",
        "/api/sessions/s/export?format=pdf",
        "/api/sessions/a%20b",
        "/api/sessions/%27%3B%20DROP%20TABLE%20sessions%3B--/history",
        "/api/sessions/s%0A",
        "/api/sessions/%00/history",
        f"/api/sessions/{'a' * 65}",
    ],
)
async def test_an_address_with_wrong_parts_is_refused(server: Server, path: str) -> None:
    assert await server.refusal("GET", path) == (400, "bad_request")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api"),
        ("GET", "/api/nope"),
        ("GET", "/api/sessions/"),
        ("POST", "/api/nope"),
        ("GET", "/nope.html"),
        ("GET", "/assets/nope.js"),
        ("GET", "/api/sessions/..%2f..%2fetc%2fpasswd/history"),
        ("GET", "/assets/..%2f..%2fapp.py"),
        ("GET", "/%2e%2e/app.py"),
        ("GET", "/api/sessions/nope"),
        ("DELETE", "/api/sessions/nope"),
        ("DELETE", "/api/sessions/nope?purge=true"),
        ("POST", "/api/sessions/nope/load"),
        ("GET", "/api/sessions/nope/history"),
        ("GET", "/api/sessions/nope/export"),
        ("GET", "/api/sessions/nope/export?format=markdown"),
        ("POST", "/api/sessions/nope/restore"),
    ],
)
async def test_what_is_not_there_is_not_found(server: Server, method: str, path: str) -> None:
    assert await server.refusal(method, path) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "/messages", {"content": "Hi"}), ("PATCH", "", {"title": "Hi"})],
)
async def test_what_is_sent_to_a_session_that_is_not_there_is_not_found(
    server: Server, method: str, path: str, body: dict[str, str]
) -> None:
    refusal = await server.refusal(method, f"/api/sessions/nope{path}", json=body)
    assert refusal == (404, "not_found")


async def test_a_method_that_is_not_taken_says_which_are(server: Server) -> None:
    response = await server.http.put("/api/sessions")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    assert response.json()["success"] is False


async def test_a_very_long_address_is_too_large(server: Server) -> None:
    refusal = await server.refusal("GET", f"/api/sessions/{'a' * 20_000}")
    assert refusal == (413, "too_large")


@pytest.mark.parametrize("garbage", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nA b\r\n\r\n"])
async def test_what_is_not_http_gets_the_envelope_too(server: Server, garbage: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(garbage)
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"content-security-policy: default-src 'none'" in head
    assert json.loads(body)["error"]["code"] == "bad_request"
    writer.close()
    await writer.wait_closed()
    await server.call("GET", "/livez")


async def test_a_body_over_the_limit_is_refused_while_it_still_comes(server: Server) -> None:
    async def body() -> Any:
        for _ in range(400):
            yield b" " * 65_536

    refusal = await server.refusal("POST", "/api/sessions", content=body())
    assert refusal == (413, "too_large")


FRAMES = [
    ("{", "bad_frame"),
    ("", "bad_frame"),
    ("nonsense", "bad_frame"),
    ("[]", "bad_frame"),
    ('"ping"', "bad_frame"),
    ("{}", "bad_frame"),
    ('{"type": 1}', "bad_frame"),
    ('{"type": "ping", "id": {}}', "bad_frame"),
    ('{"type": "ping", "id": "' + "a" * 65 + '"}', "bad_frame"),
    (b'{"type": "ping"}', "bad_frame"),
    ('{"type": "nonsense"}', "unknown_type"),
    ('{"type": "tool:decision", "payload": {"callId": "c", "allow": true}}', "unknown_type"),
    ('{"type": "message:sent"}', "bad_request"),
    ('{"type": "message:sent", "payload": []}', "bad_request"),
    ('{"type": "message:sent", "payload": {"sessionId": "SESSION", "content": 1}}', "bad_request"),
    ('{"type": "message:sent", "payload": {"sessionId": "SESSION", "content": ""}}', "bad_request"),
    (
        '{"type": "message:sent", "payload": {"sessionId": "SESSION", "content": "\\u0000"}}',
        "bad_request",
    ),
    (
        '{"type": "message:sent", "payload": {"sessionId": "SESSION", "content": "\\ud800"}}',
        "bad_request",
    ),
    ('{"type": "message:sent", "payload": {"sessionId": "../s", "content": "a"}}', "bad_request"),
    ('{"type": "message:sent", "payload": {"sessionId": "nope", "content": "a"}}', "not_found"),
    (
        json.dumps(
            {
                "type": "message:sent",
                "payload": {"sessionId": "SESSION", "content": "a", "attachments": [{}]},
            }
        ),
        "bad_request",
    ),
    (
        json.dumps(
            {"type": "message:sent", "payload": {"sessionId": "SESSION", "content": "x" * MANY}}
        ),
        "too_large",
    ),
    ('{"type": "ping", "payload": {"t": ' + DEEP.decode() + "}}", "bad_request"),
    ('{"type": "ping", "payload": {"t": ' + "[" * 100_000 + "}}", "bad_request"),
    ('{"type": "ping", "payload": {"t": "now"}}', "bad_request"),
    ('{"type": "subscribe", "payload": {"sessionId": "SESSION", "seq": -1}}', "bad_request"),
    ('{"type": "turn:cancel", "payload": {"sessionId": "SESSION"}}', "bad_request"),
    ('{"type": "turn:retry", "payload": {"sessionId": "SESSION", "turnId": "nope"}}', "not_found"),
]


@pytest.mark.parametrize(("frame", "code"), FRAMES, ids=range(len(FRAMES)))
async def test_a_frame_that_is_none_is_answered_with_an_error(
    server: Server, session: str, frame: str | bytes, code: str
) -> None:
    client = await server.v1()
    await client.connection.send(
        frame.replace("SESSION", session) if isinstance(frame, str) else frame
    )
    error = await client.next()
    assert (error["type"], error["payload"]["code"]) == ("error", code)
    await client.send("ping", {"t": 1})
    await client.until("pong")
    assert (await server.call("GET", f"/api/sessions/{session}/history"))["count"] == 0


@pytest.mark.parametrize("frame", ["{", b"\x00"])
async def test_ten_bad_frames_close_the_socket(server: Server, frame: str | bytes) -> None:
    client = await server.brief()
    for _ in range(10):
        await client.connection.send(frame)
    for _ in range(10):
        assert (await client.next())["payload"]["code"] == "bad_frame"
    assert await client.close_code() == 4400


@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_frame_over_the_limit_closes_with_1009(server: Server, pieces: int) -> None:
    client = await server.v1()
    frame = ["x" * (262_145 // pieces + 1)] * pieces
    await client.connection.send(frame[0] if pieces == 1 else frame)
    assert await client.close_code() == 1009
    await server.call("GET", "/livez")


async def test_text_that_is_not_utf_8_closes_with_1007(server: Server) -> None:
    client = await server.v1()
    await client.connection.send(b"\xff\xfe", text=True)
    assert await client.close_code() == 1007
    await server.call("GET", "/livez")


async def test_a_socket_elsewhere_is_not_opened(server: Server) -> None:
    with pytest.raises(InvalidStatus):
        await connect(server.url.replace("http:", "ws:") + "/elsewhere", proxy=None)
