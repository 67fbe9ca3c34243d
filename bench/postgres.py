"""Durable appends on PostgreSQL: turns a second with 100 concurrent sessions, beside bare asyncpg.

A turn is one user and one assistant message, each acknowledged after its commit is on disk. Ours
goes through `SessionManager` and `ConversationSession`, as the server does. `bare` writes the same
rows grouped the same way with one statement a batch and nothing around it: no lock, no look at what
is there. The peer is openai-agents' SQLAlchemySession on the same server. The server is a real one
of the bench's own, with its default settings, fsync on.

    .venv/bin/python bench/postgres.py [--turns N] [--rounds N] [--peers PYTHON]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
from appends import QUESTION, REPLY, SESSIONS, drive, peer, timed
from record import save

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cipher.model import new_id, utc_now
from cipher.storage.postgres import PostgresDatabase
from tests.postgres import PostgresServer

LANES = 2


async def ours(server: PostgresServer, turns: int) -> dict[str, float]:
    server.empty()
    return await drive(PostgresDatabase(server.url), turns)


INSERT = (
    "WITH said AS (INSERT INTO messages (session_id, seq, parent_seq, id, owner_id, client_msg_id, "
    "turn_id, attempt, role, status, message_data, timestamp) "
    "SELECT s, q, q - 1, i, 'local', k, t, a, r, x, d, m "
    "FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], "
    "$7::text[], $8::text[], $9::text[], $10::bigint[]) "
    "AS new (s, q, i, k, t, a, r, x, d, m) RETURNING session_id, seq, turn_id, role, timestamp), "
    "opened AS (INSERT INTO turns (id, session_id, owner_id, user_seq, position, attempt, status, "
    "lease_owner, lease_until) SELECT turn_id, session_id, 'local', seq, 1, 1, 'running', 'bench', "
    "0 FROM said WHERE role = 'user'), closed AS (UPDATE turns SET status = 'complete', "
    "answer_seq = said.seq, lease_owner = NULL, lease_until = NULL FROM said "
    "WHERE said.role = 'assistant' AND turns.session_id = said.session_id "
    "AND turns.id = said.turn_id) "
    "UPDATE sessions SET title = 't', head_seq = seq, leaf_seq = seq, message_count = seq, "
    "last_activity = timestamp FROM said WHERE sessions.id = said.session_id"
)


async def bare(server: PostgresServer, turns: int) -> dict[str, float]:
    """The same rows in the same tables, grouped the same way, without anything else."""
    server.empty()
    database = PostgresDatabase(server.url)
    await database.open()
    for number in range(SESSIONS):
        await database.create_session("local", f"s{number}", at=utc_now())
    await database.close()
    pool = await asyncpg.create_pool(
        server.url, min_size=LANES, max_size=LANES, server_settings={"search_path": "cipher"}
    )
    loop = asyncio.get_running_loop()
    waiting: list[tuple[tuple[Any, ...], asyncio.Future[None]]] = []
    lanes: set[asyncio.Task[None]] = set()

    async def commit() -> None:
        while waiting:
            batch = waiting[:512]
            del waiting[:512]
            await pool.execute(INSERT, *map(list, zip(*(row for row, _ in batch), strict=True)))
            for _, done in batch:
                done.set_result(None)

    def start() -> None:
        if waiting and len(lanes) < LANES:
            lane = asyncio.create_task(commit())
            lanes.add(lane)
            lane.add_done_callback(lanes.discard)

    heads = [0] * SESSIONS
    said = [json.dumps({"parts": [{"type": "text", "text": text}]}) for text in (QUESTION, REPLY)]

    async def turn(number: int) -> None:
        session, turn_id = f"s{number}", new_id()
        for role, data in zip(("user", "assistant"), said, strict=True):
            seq = heads[number] = heads[number] + 1
            now = int(time.time() * 1000)
            key, status, attempt = (new_id(), None, None) if role == "user" else (None, "ok", 1)
            row = (session, seq, new_id(), key, turn_id, attempt, role, status, data, now)
            done: asyncio.Future[None] = loop.create_future()
            waiting.append((row, done))
            loop.call_soon(start)
            await done

    figures = await timed(turn, turns)
    await pool.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=10_000)
    parser.add_argument("--peer-turns", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="", help="Python of the peers' environment")
    options = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {}
    server = PostgresServer()
    try:
        for _ in range(options.rounds):
            runs.setdefault("bare", []).append(asyncio.run(bare(server, options.turns)))
            runs.setdefault("ours", []).append(asyncio.run(ours(server, options.turns)))
            if options.peers:
                url = server.url.replace("postgresql://", "postgresql+asyncpg://")
                figures = peer(options.peers, "openai_agents_postgres", url, options.peer_turns)
                runs.setdefault("openai_agents_sqlalchemy", []).append(figures)
    finally:
        server.close()
    medians = {
        name: {key: statistics.median(run[key] for run in several) for key in several[0]}
        for name, several in runs.items()
    }
    rate = medians["ours"]["turns_per_second"]
    ratios = {name: rate / figures["turns_per_second"] for name, figures in medians.items()}
    save("postgres", {"medians": medians, "ours_over": ratios, "runs": runs})


if __name__ == "__main__":
    main()
