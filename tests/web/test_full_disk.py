"""A disk without room: nothing acknowledged is lost, reading goes on, and writing comes back.

On a real file system of 16 MiB where this user may mount one. A process that may not write more
runs everywhere: `test_process.py` has it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cipher.storage.sqlite.check import check
from tests.web.process import Process, process
from tests.web.running import Client

BACK_SECONDS = 5.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mounting, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this user may not mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


async def test_a_disk_that_fills_up_stops_writing_only_and_comes_back_with_space(
    small_disk: Path,
) -> None:
    ballast = small_disk / "ballast"
    async with process(small_disk) as server:
        await server.server.create("s")
        client = await server.server.v1()
        acknowledged = [await say(server, "before")]
        await idle(server)
        fill(ballast)
        refused, code = 507, ""
        while code == "":
            answer = await server.server.http.post(
                "/api/sessions/s/messages", json={"content": "x" * 50_000}
            )
            if answer.json()["success"]:
                acknowledged.append(answer.json()["data"]["messageId"])
            else:
                refused, code = answer.status_code, answer.json()["error"]["code"]
        assert (refused, code) == (507, "storage_full")
        await client.until("server:status", storage="read_only")
        assert await server.server.refusal("GET", "/readyz") == (507, "storage_full")
        assert set(acknowledged) <= await stored(server)
        ballast.unlink()
        await back(client)
        acknowledged.append(await say(server, "after"))
        assert set(acknowledged) <= await stored(server)
        await idle(server)
        assert await server.server.call("GET", "/readyz")
    report = check(small_disk / "cipher-sessions.db")
    assert report.findings == ()


def fill(ballast: Path) -> None:
    """Take all the room there is."""
    with ballast.open("wb", buffering=0) as file:
        for size in (2**20, 4096, 1):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError:
                continue


async def say(server: Process, content: str) -> str:
    message_id: str = (await server.server.say("s", content))["messageId"]
    return message_id


async def idle(server: Process) -> None:
    """Wait until every answer has its end."""
    client = await server.server.v1()
    frames = await client.subscribe("s")
    active = next(frame for frame in frames if frame["type"] == "subscribed")["payload"]
    if active.get("activeTurn"):
        await client.until("turn:ended")


async def stored(server: Process) -> set[str]:
    history = await server.server.call("GET", "/api/sessions/s/history")
    return {message["id"] for message in history["history"]}


async def back(client: Client) -> None:
    """Wait for the news that the storage works, no longer than promised."""
    async with asyncio.timeout(BACK_SECONDS):
        await client.until("server:status", storage="ok")
