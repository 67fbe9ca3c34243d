"""A database that was restored from a backup, as the clients of before meet it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cipher.storage.sqlite.backup import back_up
from cipher.storage.sqlite.restore import restore
from cipher.testing import ScriptedModel
from tests.web.running import running

pytestmark = pytest.mark.backend

NAME = "cipher-sessions.db"


async def test_a_client_of_before_a_restore_is_told_to_load_everything_anew(
    tmp_path: Path,
) -> None:
    folder, backup = tmp_path / "data", tmp_path / "backup.db"
    async with running(folder, ScriptedModel("Hi.")) as server:
        await server.create("s")
        client = await server.v1()
        await client.subscribe("s")
        await server.say("s", "Kept")
        await client.until("turn:ended")
        await asyncio.to_thread(back_up, folder / NAME, backup)
        await server.say("s", "Lost")
        await client.until("turn:ended")
        cursor = (await server.call("GET", "/api/sessions/s/history"))["cursor"]
        assert cursor["seq"] == 4
    await asyncio.to_thread(restore, folder / NAME, backup)
    async with running(folder, ScriptedModel("Ho.")) as server:
        history = await server.call("GET", "/api/sessions/s/history")
        assert [message["content"] for message in history["history"]] == ["Kept", "Hi."]
        # One that knows more than there is, and one whose number there still is.
        for seq in (4, 1):
            client = await server.v1({"sessionId": "s", "epoch": cursor["epoch"], "seq": seq})
            answer = (await client.until("subscribed"))["payload"]
            assert (answer["recovered"], answer["reason"]) == (False, "epoch_mismatch")
            assert answer["epoch"] == history["cursor"]["epoch"] != cursor["epoch"]
        # What it sends again is stored again: the database of now has never seen it.
        client = await server.v1()
        await client.subscribe("s", **history["cursor"])
        ack = await server.say("s", "Lost", clientMsgId="again")
        assert (ack["duplicate"], ack["seq"]) == (False, 3)


async def test_turns_under_way_at_the_time_of_the_backup_are_interrupted_and_not_run(
    tmp_path: Path,
) -> None:
    folder, backup = tmp_path / "data", tmp_path / "backup.db"
    gate = asyncio.Event()
    async with running(folder, ScriptedModel("Half ", gate, "whole.")) as server:
        await server.create("s")
        client = await server.v1()
        await client.subscribe("s")
        await server.say("s", "First")
        await client.until("message:delta")
        await server.say("s", "Second")
        await asyncio.to_thread(back_up, folder / NAME, backup)
        gate.set()
        await client.until("turn:ended")
        await client.until("turn:ended")
    await asyncio.to_thread(restore, folder / NAME, backup)
    async with running(folder, ScriptedModel("Never asked.")) as server:
        history = (await server.call("GET", "/api/sessions/s/history"))["history"]
        told = [(message["role"], message.get("status")) for message in history]
        assert told == [
            ("user", None),
            ("user", None),
            ("assistant", "interrupted"),
            ("assistant", "interrupted"),
        ]
        assert "Never asked." not in [message["content"] for message in history]
