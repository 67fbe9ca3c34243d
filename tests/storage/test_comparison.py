"""Random conversations on each backend beside the model of the promises."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import rule

from cipher.storage.base import DatabaseBackend
from cipher.storage.postgres import PostgresDatabase
from cipher.storage.sqlite import SqliteDatabase
from tests.postgres import shared_server
from tests.storage.comparison import Comparison

pytestmark = [pytest.mark.backend, pytest.mark.timeout(180)]

BOUNDED = settings(
    max_examples=50,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class SqliteComparison(Comparison):
    """SQLite, whose file may be closed and opened again at any step."""

    def new_backend(self) -> DatabaseBackend:
        self.folder = Path(tempfile.mkdtemp(prefix="comparison-"))
        return SqliteDatabase(self.folder / "sessions.db")

    @rule()
    def reopen(self) -> None:
        self.run(self.subject.close())
        self.run(self.subject.open())

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.folder)


TestSqlite = SqliteComparison.TestCase
TestSqlite.settings = BOUNDED


class PostgresComparison(Comparison):
    """PostgreSQL, to which the connections may be closed and opened again at any step."""

    def new_backend(self) -> DatabaseBackend:
        server = shared_server()
        server.empty()
        return PostgresDatabase(server.url)

    @rule()
    def reopen(self) -> None:
        self.run(self.subject.close())
        self.run(self.subject.open())


TestPostgres = PostgresComparison.TestCase
TestPostgres.settings = BOUNDED
