"""What `cipher db` says to do with PostgreSQL, done."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.postgres import PostgresServer

pytestmark = pytest.mark.backend

CONVERSATIONS = Path(__file__).with_name("conversations.jsonl")


def test_the_commands_that_are_named_back_up_check_and_restore(
    run: Run, place: Path, postgres: PostgresServer
) -> None:
    where = ("--database-type", "postgres", "--database-url", postgres.url)

    def advised(*command: str) -> str:
        """What a command names, typed into a shell with the database's URL in the environment."""
        said = run("db", *command, *where)
        assert said.exit_code == 2
        bin_folder = postgres._installed / "bin"
        done = subprocess.run(
            ["bash", "-ec", said.stderr.partition(": ")[2].partition(": ")[2]],
            cwd=place,
            env={
                "PATH": f"{bin_folder}:{os.environ['PATH']}",
                "STORAGE_DATABASE_URL": postgres.url,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ids() -> list[str]:
        told = json.loads(run("sessions", "list", "--json", "--all", *where).stdout)
        return [session["id"] for session in told["sessions"]]

    assert run("sessions", "import", CONVERSATIONS, *where).exit_code == 0
    before, epochs = ids(), postgres.sql("SELECT id, epoch FROM cipher.sessions ORDER BY id")
    advised("backup")
    run("sessions", "delete", before[0], *where)
    advised("restore", "any")
    assert ids() == before
    renewed = postgres.sql("SELECT id, epoch FROM cipher.sessions ORDER BY id")
    assert not set(renewed.split()) & set(epochs.split())
    postgres.sql("CREATE EXTENSION IF NOT EXISTS amcheck")
    advised("check")
