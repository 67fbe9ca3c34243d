"""Who is answered: hosts, origins, and the headers that every answer carries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from cipher.testing import ScriptedModel
from tests.web.running import PATIENCE, Server, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; manifest-src 'self'"
)
STRANGE_HOSTS = [
    "evil.example",
    "localhost.evil.example",
    "evil.example:{port}",
    "localhost:1",
    "localhost:{port}.evil.example",
    "127.0.0.1.",
    "localhost@evil.example",
    "allowed.example:1",
    "named.example",
    "",
]
STRANGE_ORIGINS = [
    "null",
    "http://evil.example",
    "http://localhost",
    "http://localhost:1",
    "https://localhost",
    "http://localhost:{port}.evil.example",
    "http://localhost:{port}/path",
    "http://user@localhost:{port}",
    "ftp://localhost:{port}",
    "file://",
    "localhost:{port}",
    "http://",
    "http://[::1",
    "http://allowed.example:1",
    "",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    folder = tmp_path_factory.mktemp("guard")
    hosts = "allowed.example, named.example:8443"
    async with running(folder, ScriptedModel("Hi."), api_allowed_hosts=hosts) as up:
        yield up


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:{port}",
        "LOCALHOST:{port}",
        "127.0.0.1",
        "127.0.0.1:{port}",
        "[::1]",
        "[::1]:{port}",
        "allowed.example",
        "allowed.example:{port}",
        "named.example:8443",
    ],
)
async def test_requests_to_names_of_this_server_are_answered(server: Server, host: str) -> None:
    headers = {"Host": host.format(port=server.port)}
    assert (await server.http.get("/livez", headers=headers)).status_code == 200


@pytest.mark.parametrize("host", STRANGE_HOSTS)
@pytest.mark.parametrize("path", ["/", "/livez", "/api/sessions", "/nope", "/metrics"])
async def test_requests_to_other_names_are_refused_everywhere(
    server: Server, path: str, host: str
) -> None:
    headers = {"Host": host.format(port=server.port)}
    assert await server.refusal("GET", path, headers=headers) == (403, "forbidden_host")


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:{port}",
        "https://localhost:{port}",
        "http://127.0.0.1:{port}",
        "http://[::1]:{port}",
        "https://allowed.example",
        "https://named.example:8443",
    ],
)
async def test_pages_of_this_server_may_change_things(server: Server, origin: str) -> None:
    headers = {"Origin": origin.format(port=server.port)}
    assert (await server.http.post("/api/sessions", headers=headers)).status_code == 201
    address = server.url.replace("http:", "ws:") + "/ws"
    async with connect(address, proxy=None, additional_headers=headers):
        pass


@pytest.mark.parametrize("origin", STRANGE_ORIGINS)
async def test_pages_from_elsewhere_may_not_change_things(server: Server, origin: str) -> None:
    headers = {"Origin": origin.format(port=server.port)}
    for method, path in [
        ("POST", "/api/sessions"),
        ("PATCH", "/api/sessions/s"),
        ("DELETE", "/api/sessions/s"),
        ("POST", "/api/import"),
        ("PUT", "/nope"),
    ]:
        refusal = await server.refusal(method, path, headers=headers)
        assert refusal == (403, "forbidden_origin")


@pytest.mark.parametrize("origin", STRANGE_ORIGINS)
async def test_a_socket_is_not_opened_for_other_pages(server: Server, origin: str) -> None:
    headers = {"Origin": origin.format(port=server.port)}
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{server.port}/ws", proxy=None, additional_headers=headers)
    response = refused.value.response
    assert response.status_code == 403
    assert json.loads(response.body or b"")["error"]["code"] == "forbidden_origin"


async def test_a_socket_is_not_opened_under_another_name(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            f"ws://evil.example:{server.port}/ws", proxy=None, host="127.0.0.1", port=server.port
        )
    response = refused.value.response
    assert response.status_code == 403
    assert json.loads(response.body or b"")["error"]["code"] == "forbidden_host"


async def test_two_host_headers_are_one_too_many(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n")
    writer.write(b"Connection: close\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 403")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {}),
        ("GET", "/s/some-session", {}),
        ("GET", "/livez", {}),
        ("GET", "/metrics", {}),
        ("GET", "/docs", {}),
        ("GET", "/openapi.json", {}),
        ("POST", "/api/sessions", {}),
        ("GET", "/api/nope", {}),
        ("PUT", "/api/sessions", {}),
        ("POST", "/api/sessions/s/messages", {}),
        ("GET", "/livez", {"Host": "evil.example"}),
        ("POST", "/api/sessions", {"Origin": "http://evil.example"}),
    ],
)
async def test_every_answer_is_signed(
    server: Server, method: str, path: str, headers: dict[str, str]
) -> None:
    response = await server.http.request(method, path, headers=headers)
    assert response.headers.get_list("content-security-policy") == [POLICY]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in response.headers["permissions-policy"]
    assert response.headers["x-request-id"]
    assert "access-control-allow-origin" not in response.headers
    assert "server" not in response.headers


async def test_a_request_id_is_taken_over_if_it_is_one(server: Server) -> None:
    response = await server.http.get("/livez", headers={"X-Request-Id": "abc-1.2"})
    assert response.headers["x-request-id"] == "abc-1.2"
    for strange in ("a b", "x" * 65, "<script>"):
        response = await server.http.get("/livez", headers={"X-Request-Id": strange})
        assert response.headers["x-request-id"] != strange


async def test_the_address_that_is_listened_on_is_a_name_too(tmp_path: Path) -> None:
    async with running(tmp_path, ScriptedModel("Hi."), api_host="127.0.0.2") as server:
        assert server.url.startswith("http://127.0.0.2:")
        assert (await server.http.get("/livez")).status_code == 200
