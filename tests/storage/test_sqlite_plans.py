"""How SQLite finds what the verbs ask for: by an index, in a large file as in a small one.

Every statement that the verbs run is recorded and explained. A new query that walks over a whole
table shows up here, before it shows up with a hundred thousand sessions.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw
import pytest

from cipher.storage.base import encode_cursor
from cipher.storage.sqlite import SqliteDatabase, connection, database
from tests.storage.samples import OWNER, answered, asked, at, created, lease, said

pytestmark = pytest.mark.backend

WALKS = {
    "count(*), coalesce(sum(message_count)": "counting an owner's sessions looks at each of them",
    "sqlite_schema": "the schema has a dozen rows",
    "durability_check": "it has one row",
    "FROM turns WHERE status IN ('queued', 'running')": "all of a small partial index",
}


async def test_every_query_of_the_verbs_is_answered_from_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    statements: dict[str, Any] = {}

    def recording(*args: Any, **options: Any) -> apsw.Connection:
        opened = connection.connect(*args, **options)
        opened.exec_trace = trace
        return opened

    def trace(_cursor: apsw.Cursor, sql: str, bindings: object) -> bool:
        statements[sql] = bindings
        return True

    monkeypatch.setattr(database, "connect", recording)
    backend = SqliteDatabase(tmp_path / "sessions.db")
    await backend.open()
    await call_every_verb(backend)
    await backend.close()
    queries = [sql for sql in statements if sql.startswith(("SELECT", "UPDATE", "DELETE", "WITH"))]
    assert len(queries) > 30
    explaining = connection.connect(backend.path, read_only=True)
    walking = {
        sql
        for sql in queries
        if walks(
            step[3] for step in explaining.execute(f"EXPLAIN QUERY PLAN {sql}", statements[sql])
        )
    }
    explaining.close()
    unknown = {sql for sql in walking if not any(known in sql for known in WALKS)}
    assert not unknown


async def call_every_verb(backend: SqliteDatabase) -> None:
    await created(backend)
    await asked(backend, "one")
    await asked(backend, "two")
    await backend.checkpoint_turn("s", "one", 1, partial="x", lease=lease())
    await answered(backend, "one")
    await backend.retry_turn(OWNER, "s", "one", lease())
    await backend.start_turn(OWNER, "s", lease())
    await answered(backend, "one", 1)
    await answered(backend, "two")
    for _ in range(2):
        await backend.append(OWNER, "s", said(key="k"))
    await backend.get_session(OWNER, "s")
    await backend.get_turn(OWNER, "s", "one")
    await backend.branch(OWNER, "s", before=2)
    await backend.log(OWNER, "s", after=1)
    for state in ("active", "archived", "trash"):
        for cursor in (None, encode_cursor(1, "s")):
            for query in ("", "x"):
                await backend.list_sessions(OWNER, state=state, cursor=cursor, query=query)
    await backend.unfinished_turns()
    await backend.unfinished_turns(lease_before=at(0))
    await backend.stats(OWNER)
    await backend.expire_sessions("archive", idle_since=at(1), at=at(1))
    await backend.expire_sessions("delete", idle_since=at(1), at=at(1))
    await backend.delete_session(OWNER, "s", at=at(1))
    await backend.restore_session(OWNER, "s")
    await backend.purge_deleted(deleted_before=at(1))
    await backend.purge_session(OWNER, "s")


def walks(plan: Iterable[str]) -> bool:
    """Whether a plan goes over a whole table, or sorts what an index does not give in order."""
    return any(
        "TEMP B-TREE" in step
        or (step.startswith("SCAN") and not step.startswith(("SCAN path", "SCAN CONSTANT")))
        for step in plan
    )
