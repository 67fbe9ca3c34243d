"""Durable appends: turns a second with 100 concurrent sessions, beside bare SQLite and peers.

A turn is one user and one assistant message, each acknowledged after its commit is on disk. Ours
goes through `SessionManager` and `ConversationSession`, as the server does. `bare` writes the same
rows with the same grouping from one thread, with nothing around it. Peers run in the environment
that `make bench-peers` makes, each with its own SQLite session as its documents show it, after each
message as a chat server would. All take turns in one run, `ROUNDS` times, on the same disk; figures
are medians, and only ratios mean anything.

    .venv/bin/python bench/appends.py [--turns N] [--rounds N] [--peers PYTHON]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import apsw
from record import save

from cipher.model import Answer, NewMessage, new_id, text_parts, utc_now
from cipher.sessions.bus import LocalBus
from cipher.sessions.manager import SessionManager, SessionManagerConfig
from cipher.storage.base import DatabaseBackend, Lease, OpenTurn
from cipher.storage.manager import StorageManager
from cipher.storage.sqlite import SqliteDatabase

SESSIONS = 100
QUESTION = "How do I keep a conversation when the process is killed? " * 4
REPLY = "Write it down before you say that you have it. " * 24

Turn = Callable[[int], Awaitable[None]]


async def timed(turn: Turn, turns: int) -> dict[str, float]:
    """Run `turns` turns over all sessions at once; rate, latency of an append, CPU a turn."""
    waits: list[float] = []

    async def one_session(number: int) -> None:
        for _ in range(turns // SESSIONS):
            began = time.perf_counter()
            await turn(number)
            waits.append((time.perf_counter() - began) / 2)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one_session(number) for number in range(SESSIONS)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    waits.sort()
    return {
        "turns_per_second": len(waits) / wall,
        "append_p50_ms": waits[len(waits) // 2] * 1e3,
        "append_p99_ms": waits[int(len(waits) * 0.99)] * 1e3,
        "cpu_ms_per_turn": cpu / len(waits) * 1e3,
    }


async def ours(folder: Path, turns: int, vfs: str | None = None) -> dict[str, float]:
    return await drive(SqliteDatabase(folder / "ours.db", exclusive=True, vfs=vfs), turns)


async def drive(database: DatabaseBackend, turns: int) -> dict[str, float]:
    """Turns through `SessionManager` and `ConversationSession`, as the server does."""
    storage = StorageManager(database)
    await storage.open()
    manager = SessionManager(storage, LocalBus(), SessionManagerConfig())
    for number in range(SESSIONS):
        await manager.create("local", f"s{number}")
    lease = Lease(owner="bench", until=utc_now() + timedelta(minutes=10))

    async def turn(number: int) -> None:
        session = manager.hold(manager.handle("local", f"s{number}"))
        appended = await session.append(
            NewMessage(
                id=new_id(),
                role="user",
                parts=text_parts(QUESTION),
                timestamp=utc_now(),
                client_msg_id=new_id(),
            ),
            turn=OpenTurn(turn_id=new_id(), lease=lease),
        )
        assert appended.turn is not None
        answer = Answer(
            message_id=new_id(), parts=text_parts(REPLY), status="complete", timestamp=utc_now()
        )
        await session.finish_turn(appended.turn.id, 1, answer)

    figures = await timed(turn, turns)
    await storage.close()
    return figures


async def bare(folder: Path, turns: int) -> dict[str, float]:
    """The same rows in the same tables, grouped the same way, without anything else."""
    schema = SqliteDatabase(folder / "bare.db")
    await schema.open()
    for number in range(SESSIONS):
        await schema.create_session("local", f"s{number}", at=utc_now())
    await schema.close()
    connection = apsw.Connection(str(folder / "bare.db"))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.wal_autocheckpoint(4_000)
    jobs: SimpleQueue[tuple[list[tuple[str, tuple[Any, ...]]], asyncio.Future[None]] | None]
    jobs = SimpleQueue()
    loop = asyncio.get_running_loop()

    def work() -> None:
        while (job := jobs.get()) is not None:
            batch = [job]
            while not jobs.empty() and len(batch) < 512:
                following = jobs.get()
                if following is None:
                    break
                batch.append(following)
            connection.execute("BEGIN IMMEDIATE")
            for statements, _ in batch:
                for sql, bindings in statements:
                    connection.execute(sql, bindings)
            connection.execute("COMMIT")
            loop.call_soon_threadsafe(lambda done: [f.set_result(None) for _, f in done], batch)

    thread = threading.Thread(target=work)
    thread.start()
    heads = [0] * SESSIONS
    insert = (
        "INSERT INTO messages (session_id, seq, parent_seq, id, owner_id, client_msg_id, turn_id, "
        "attempt, role, status, message_data, timestamp) VALUES (?, ?, ?, ?, 'local', ?, ?, ?, ?, "
        "?, ?, ?)"
    )
    update = (
        "UPDATE sessions SET title = ?, head_seq = ?, leaf_seq = ?, message_count = ?, "
        "last_activity = ? WHERE id = ?"
    )
    open_turn = (
        "INSERT INTO turns (id, session_id, owner_id, user_seq, position, attempt, status, "
        "lease_owner, lease_until) VALUES (?, ?, 'local', ?, 1, 1, 'running', 'bench', 0)"
    )
    close_turn = (
        "UPDATE turns SET status = 'complete', answer_seq = ?, lease_owner = NULL, "
        "lease_until = NULL WHERE session_id = ? AND id = ?"
    )
    said = [json.dumps({"parts": [{"type": "text", "text": text}]}) for text in (QUESTION, REPLY)]

    async def turn(number: int) -> None:
        session, turn_id = f"s{number}", new_id()
        for role, data in zip(("user", "assistant"), said, strict=True):
            seq = heads[number] = heads[number] + 1
            now = int(time.time() * 1000)
            key, status, attempt = (new_id(), None, None) if role == "user" else (None, "ok", 1)
            row = (session, seq, seq - 1, new_id(), key, turn_id, attempt, role, status, data, now)
            end = (
                (open_turn, (turn_id, session, seq))
                if key
                else (close_turn, (seq, session, turn_id))
            )
            done: asyncio.Future[None] = loop.create_future()
            jobs.put(([(insert, row), (update, ("t", seq, seq, seq, now, session)), end], done))
            await done

    figures = await timed(turn, turns)
    jobs.put(None)
    thread.join()
    connection.close()
    return figures


class CountingVFS(apsw.VFS):
    """The default VFS, counting how often a database or its WAL is synced."""

    def __init__(self) -> None:
        self.syncs = {"db": 0, "wal": 0}
        super().__init__("counting", "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return CountingFile(self.syncs, name, flags)


class CountingFile(apsw.VFSFile):
    def __init__(self, syncs: dict[str, int], name: Any, flags: list[int]) -> None:
        self._syncs = syncs
        self._kind = "wal" if flags[0] & apsw.SQLITE_OPEN_WAL else "db"
        super().__init__("", name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._syncs[self._kind] += 1
        super().xSync(flags)


async def count_syncs(folder: Path, turns: int) -> dict[str, float]:
    """Syncs and transactions of a run of ours; slower, so its times are not used."""
    vfs = CountingVFS()
    await ours(folder, turns, vfs="counting")
    return {
        "wal_syncs": vfs.syncs["wal"],
        "database_syncs": vfs.syncs["db"],
        "appends_per_wal_sync": 2 * turns / max(vfs.syncs["wal"], 1),
    }


def peer(python: str, name: str, place: Path | str, turns: int) -> dict[str, float]:
    """One peer in its own environment and process."""
    script = Path(__file__).parent / "peers" / f"{name}.py"
    result = subprocess.run(
        [python, str(script), str(place), str(turns), str(SESSIONS), QUESTION, REPLY],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if result.returncode:
        raise SystemExit(f"{name} failed:\n{result.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=20_000)
    parser.add_argument("--peer-turns", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="", help="Python of the peers' environment")
    options = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
            folder = Path(name)
            runs.setdefault("bare", []).append(asyncio.run(bare(folder, options.turns)))
            runs.setdefault("ours", []).append(asyncio.run(ours(folder, options.turns)))
            if options.peers:
                for one in ("openai_agents", "agno_sqlite", "langgraph_sqlite"):
                    figures = peer(options.peers, one, folder, options.peer_turns)
                    runs.setdefault(one, []).append(figures)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        syncs = asyncio.run(count_syncs(Path(name), options.turns))
    medians = {
        name: {key: statistics.median(run[key] for run in several) for key in several[0]}
        for name, several in runs.items()
    }
    rate = medians["ours"]["turns_per_second"]
    ratios = {name: rate / figures["turns_per_second"] for name, figures in medians.items()}
    save("appends", {"medians": medians, "ours_over": ratios, "syncs": syncs, "runs": runs})


if __name__ == "__main__":
    sys.exit(main())
