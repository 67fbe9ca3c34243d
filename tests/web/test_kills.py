"""`kill -9` of the whole server under load, again and again, checked against clients' own logs.

Clients keep what they sent and what they heard outside the server, as I1 to I4 of the wire contract
want it. After each kill the files are copied as they lie there, and the copy is read directly.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import apsw
import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from cipher.config import Settings
from cipher.model import LOCAL_OWNER, Message, new_id
from cipher.storage.sqlite import SqliteDatabase
from tests.conftest import Scale
from tests.web.lives import Lives, lives
from tests.web.running import PATIENCE

pytestmark = [pytest.mark.backend, pytest.mark.long, pytest.mark.timeout(240)]

CLIENTS = 4
IN_FLIGHT = 4
V1: Any = {"proxy": None, "max_queue": None, "subprotocols": [Subprotocol("sessions.v1")]}
A_LIFE = 100
"""Sends of one client to one server at most: a socket may send 120 times a minute."""


class Place(NamedTuple):
    """Where an ack said that a message is."""

    epoch: str
    seq: int


class Journal:
    """What all clients sent and heard, in the one order in which it happened to them."""

    def __init__(self) -> None:
        self.contents: dict[str, str] = {}
        """All that was ever sent."""
        self.acknowledged: dict[str, tuple[str, Place]] = {}
        self.heads: Counter[str] = Counter()
        """The highest acknowledged seq of each session so far."""
        self.floors: dict[str, int] = {}
        """For each message that of its session when it was sent for the first time."""
        self.seen: dict[tuple[str, Place], tuple[str, str, str]] = {}
        """What the sockets showed: id, role and content."""
        self.acks = self.duplicates = 0
        self.progress = asyncio.Event()

    def sent(self, key: str, session: str, content: str) -> None:
        self.contents[key] = content
        self.floors[key] = self.heads[session]

    def acked(self, key: str, session: str, place: Place, *, duplicate: bool) -> None:
        assert self.acknowledged.setdefault(key, (session, place)) == (session, place)
        self.heads[session] = max(self.heads[session], place.seq)
        self.acks += 1
        self.duplicates += duplicate
        self.progress.set()

    def shown(self, session: str, place: Place, what: tuple[str, str, str]) -> None:
        assert self.seen.setdefault((session, place), what) == what


class Sender:
    """A client with an outbox; every other message goes to the session that all share."""

    def __init__(self, number: int, journal: Journal) -> None:
        self.own = f"of-{number}"
        self._journal = journal
        self._made = 0
        self._outbox: dict[str, dict[str, str]] = {}
        """Sent and not answered, oldest first."""
        self._cursors: dict[str, tuple[str | None, int]] = {
            self.own: (None, 0),
            "shared": (None, 0),
        }

    async def converse(self, url: str) -> None:
        """Send until the server is gone."""
        with suppress(ConnectionClosed, OSError):
            async with connect(url.replace("http:", "ws:") + "/ws", **V1) as line:
                subs = [
                    {"sessionId": session, "epoch": epoch, "seq": seq}
                    for session, (epoch, seq) in self._cursors.items()
                ]
                await _tell(line, "hello", {"v": 1, "clientId": self.own, "subs": subs})
                for payload in list(self._outbox.values()):
                    await _tell(line, "message:sent", payload)
                sent = len(self._outbox)
                async for text in line:
                    self._hear(json.loads(text))
                    while sent < A_LIFE and len(self._outbox) < IN_FLIGHT:
                        sent += 1
                        await _tell(line, "message:sent", self._new())

    def _new(self) -> dict[str, str]:
        self._made += 1
        key, session = new_id(), "shared" if self._made % 2 else self.own
        content = f"message {self._made} {self.own}"
        self._journal.sent(key, session, content)
        self._outbox[key] = {"sessionId": session, "content": content, "clientMsgId": key}
        return self._outbox[key]

    def _hear(self, frame: dict[str, Any]) -> None:
        payload = frame["payload"]
        match frame["type"]:
            case "message:ack":
                assert payload["durability"] == "committed"
                self._outbox.pop(payload["clientMsgId"], None)
                self._journal.acked(
                    payload["clientMsgId"],
                    payload["sessionId"],
                    Place(payload["epoch"], payload["seq"]),
                    duplicate=payload["duplicate"],
                )
            case "message:received":
                session, place = payload["sessionId"], Place(frame["epoch"], frame["seq"])
                self._cursors[session] = place
                what = payload["messageId"], payload["role"], payload["content"]
                self._journal.shown(session, place, what)
            case "subscribed":
                assert payload["recovered"], payload
            case "error":
                raise AssertionError(payload)
            case _:
                pass


async def _tell(line: ClientConnection, type_: str, payload: dict[str, Any]) -> None:
    await line.send(json.dumps({"type": type_, "payload": payload}))


async def test_kills_of_the_server_lose_nothing_acknowledged_and_repeat_nothing(
    tmp_path: Path, scale: Scale
) -> None:
    luck = Random(9)
    journal = Journal()
    senders = [Sender(number, journal) for number in range(CLIENTS)]
    sessions = ["shared", *(sender.own for sender in senders)]
    async with lives(tmp_path) as servers:
        for life in range(scale(50, 1_000)):
            await servers.begin()
            if life == 0:
                await _create(servers, sessions)
            work = asyncio.gather(*(sender.converse(servers.url) for sender in senders))
            await _acks(journal, luck.randrange(1, 25))
            await servers.end()
            await work
            _check_acks(tmp_path, tmp_path / "copy", journal)
        await servers.begin()
        await _quiet(servers, tmp_path, sessions)
        shown = {session: await _history(servers, session) for session in sessions}
        await servers.end()
    logs = await _logs(tmp_path, sessions)
    _check_everything(journal, logs)
    for session, history in shown.items():
        by_seq = {message.seq: message for message in logs[session]}
        assert all(by_seq[one["seq"]].content == one["content"] for one in history)
    assert journal.duplicates, "no kill hit a message between its commit and its ack"


async def _create(servers: Lives, sessions: list[str]) -> None:
    async with httpx2.AsyncClient(base_url=servers.url, trust_env=False) as http:
        for session in sessions:
            response = await http.post("/api/sessions", json={"sessionId": session})
            assert response.status_code == 201


async def _quiet(servers: Lives, folder: Path, sessions: list[str]) -> None:
    """Wait until every turn has ended."""
    name = Settings(_env_file=None).database_file.name
    beside = SqliteDatabase(folder / name, read_only=True)
    await beside.open()
    async with connect(servers.url.replace("http:", "ws:") + "/ws", **V1) as line:
        subs = [{"sessionId": session, "epoch": None, "seq": 10**9} for session in sessions]
        await _tell(line, "hello", {"v": 1, "clientId": "last", "subs": subs})
        async with asyncio.timeout(6 * PATIENCE):
            while await beside.unfinished_turns():
                await line.recv()
    await beside.close()


async def _history(servers: Lives, session: str) -> list[dict[str, Any]]:
    async with httpx2.AsyncClient(base_url=servers.url, trust_env=False) as http:
        response = await http.get(f"/api/sessions/{session}/history", params={"limit": 100})
        history: list[dict[str, Any]] = response.json()["data"]["history"]
        return history


async def _acks(journal: Journal, wanted: int) -> None:
    """Wait for so many further acks."""
    target = journal.acks + wanted
    async with asyncio.timeout(3 * PATIENCE):
        while journal.acks < target:
            journal.progress.clear()
            await journal.progress.wait()


def _check_acks(folder: Path, copy: Path, journal: Journal) -> None:
    """I1 on the files as the kill left them, which are copied: reading would tidy them up."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    name = Settings(_env_file=None).database_file.name
    for suffix in ("", "-wal"):
        if (folder / (name + suffix)).exists():
            shutil.copy(folder / (name + suffix), copy)
    reader = apsw.Connection(str(copy / name))
    places = (
        "SELECT client_msg_id, session_id, epoch, seq FROM messages JOIN sessions ON "
        "sessions.id = session_id WHERE client_msg_id IS NOT NULL"
    )
    found = Counter(
        (key, session, Place(epoch, seq)) for key, session, epoch, seq in reader.execute(places)
    )
    assert reader.pragma("integrity_check") == "ok"
    reader.close()
    assert all(
        found[key, session, place] == 1 for key, (session, place) in journal.acknowledged.items()
    )


async def _logs(folder: Path, sessions: list[str]) -> dict[str, tuple[Message, ...]]:
    database = SqliteDatabase(folder / Settings(_env_file=None).database_file.name)
    await database.open()
    logs = {
        session: (await database.log(LOCAL_OWNER, session, limit=10_000_000)).messages
        for session in sessions
    }
    await database.close()
    return logs


def _check_everything(journal: Journal, logs: dict[str, tuple[Message, ...]]) -> None:
    """I1 to I4, and that every question has its one answer."""
    rows = [(session, message) for session, log in logs.items() for message in log]
    keys = Counter(message.client_msg_id for _, message in rows if message.role == "user")
    assert all(keys[key] == 1 for key in journal.acknowledged), "I1"
    assert set(keys) <= set(journal.contents), "I2"
    assert max(keys.values()) == 1, "I2"
    for session, message in rows:
        key = message.client_msg_id
        if key is not None:
            assert message.content == journal.contents[key], "I2"
            assert message.seq > journal.floors[key], "I3"
            if key in journal.acknowledged:
                where, place = journal.acknowledged[key]
                assert (where, place.seq) == (session, message.seq), "I4"
    for log in logs.values():
        assert [message.seq for message in log] == list(range(1, len(log) + 1)), "I4"
        asked = [message.turn_id for message in log if message.role == "user"]
        assert Counter(m.turn_id for m in log if m.role == "assistant") == Counter(asked)
    assert len({message.id for _, message in rows}) == len(rows), "I4"
    by_place = {(session, message.seq): message for session, message in rows}
    epochs = {(session, place.epoch) for session, place in journal.seen}
    assert len(epochs) == len({session for session, _ in epochs}), "I4"
    for (session, place), what in journal.seen.items():
        message = by_place[session, place.seq]
        assert (message.id, message.role, message.content) == what, "I4"
