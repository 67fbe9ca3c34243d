"""What REST answers while the database is away: what the cache knows, and says that it is stale."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import PostgresServer
from tests.web.running import Start

pytestmark = pytest.mark.backend


@pytest.fixture
def database() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


async def test_reads_that_the_cache_can_answer_are_marked_stale_until_the_database_is_back(
    database: PostgresServer, start: Start
) -> None:
    server = await start(storage_database_type="postgres", storage_database_url=database.url)
    await server.create("s", title="Kept", metadata={"a": 1})
    client = await server.v1({"sessionId": "s", "epoch": None, "seq": 0})
    await server.say("s", "Hello")
    await client.until("turn:ended")
    ways = {
        "load": ("POST", "/api/sessions/s/load"),  # first: it says what the current session is
        "list": ("GET", "/api/sessions"),
        "get": ("GET", "/api/sessions/s"),
        "history": ("GET", "/api/sessions/s/history?limit=1"),
    }
    fresh = {name: await server.call(*way) for name, way in ways.items()}
    assert not any("stale" in answer for answer in fresh.values())

    database.kill()
    for name, way in ways.items():
        expected = fresh[name] | {"stale": True}
        if name == "load":
            expected["loaded"] = False
        assert await server.call(*way) == expected
    unavailable = 503, "storage_unavailable"
    assert await server.refusal("GET", "/api/sessions?q=Kept") == unavailable
    assert await server.refusal("GET", "/api/sessions?state=trash") == unavailable
    assert await server.refusal("GET", "/api/sessions/s/history?before=2") == unavailable
    assert await server.refusal("GET", "/api/sessions/other") == unavailable
    assert (
        await server.refusal("POST", "/api/sessions/s/messages", json={"content": "More"})
        == unavailable
    )
    assert await server.refusal("GET", "/readyz") == unavailable

    database.start()
    for name, way in ways.items():
        assert await server.call(*way) == fresh[name]


async def test_without_a_cache_nothing_is_answered_while_the_database_is_away(
    database: PostgresServer, start: Start
) -> None:
    server = await start(
        storage_database_type="postgres",
        storage_database_url=database.url,
        storage_cache_type="none",
    )
    await server.create("s")
    await server.call("GET", "/api/sessions/s/history")
    database.kill()
    refused = await server.refusal("GET", "/api/sessions/s/history")
    assert refused == (503, "storage_unavailable")
