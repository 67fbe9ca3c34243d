"""`cipher db migrate | check | backup | restore`: what they do, print, and how they end."""

from __future__ import annotations

import json
import signal
import stat
from pathlib import Path

import apsw
import pytest

from tests.cli.conftest import Run, Spawn

FILE = Path("data/cipher-sessions.db")
CONVERSATIONS = Path(__file__).with_name("conversations.jsonl")
POSTGRES = ("--database-type", "postgres", "--database-url", "postgresql://u:secret@nowhere/d")


@pytest.fixture
def stored(run: Run) -> list[str]:
    """Some sessions; their ids."""
    assert run("sessions", "import", CONVERSATIONS).exit_code == 0
    return ids(run)


def ids(run: Run) -> list[str]:
    told = json.loads(run("sessions", "list", "--json", "--all").stdout)
    return [session["id"] for session in told["sessions"]]


@pytest.mark.parametrize(
    "command", [["migrate"], ["check"], ["check", "--recover"], ["backup"], ["restore", "b.db"]]
)
def test_without_a_database_it_is_said_and_none_is_made(
    run: Run, place: Path, command: list[str]
) -> None:
    result = run("db", *command)
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: There is no ")
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "tool"),
    [
        (["check"], "pg_amcheck --schema=cipher"),
        (["backup"], "pg_dump --format=custom --schema=cipher --file=cipher.dump"),
        (["restore", "b.db"], "pg_restore --clean --if-exists"),
    ],
)
def test_for_postgresql_the_commands_name_its_own_tools(
    run: Run, command: list[str], tool: str
) -> None:
    result = run("db", *command, *POSTGRES)
    assert result.exit_code == 2
    assert tool in result.stderr
    assert "secret" not in result.output


def test_sessions_in_memory_have_no_database(run: Run) -> None:
    result = run("db", "check", "--database-type", "in-memory")
    assert result.exit_code == 1
    assert "in the server's memory only" in result.stderr


def test_a_backup_is_private_says_where_it_is_and_writes_over_nothing(
    run: Run, stored: list[str]
) -> None:
    result = run("db", "backup", "copy.db")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "written to copy.db" in result.stderr
    assert stat.S_IMODE(Path("copy.db").stat().st_mode) == 0o600
    again = run("db", "backup", "copy.db")
    assert again.exit_code == 1
    assert again.stderr == "Error: copy.db exists; nothing is written over.\n"


def test_a_backup_without_a_name_stands_beside_the_database(run: Run, stored: list[str]) -> None:
    assert run("db", "backup").exit_code == 0
    (copy,) = FILE.parent.glob("cipher-sessions.db.backup-*")
    assert run("db", "check", copy).exit_code == 0


def test_a_restore_brings_back_what_was_there_and_keeps_what_is(
    run: Run, stored: list[str]
) -> None:
    run("db", "backup", "copy.db")
    run("sessions", "delete", stored[0])
    assert ids(run) == stored[1:]
    result = run("db", "restore", "copy.db")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "7 sessions with 18 messages again" in result.stderr
    assert ids(run) == stored
    (aside,) = FILE.parent.glob("cipher-sessions.db.replaced-*")
    assert ids_of(run, aside) == stored[1:]


def ids_of(run: Run, file: Path) -> list[str]:
    where = ("--database-path", file.parent, "--database-name", file.name)
    told = json.loads(run("sessions", "list", "--json", "--all", *where).stdout)
    return [session["id"] for session in told["sessions"]]


def test_restore_without_a_file_says_what_is_missing(run: Run) -> None:
    result = run("db", "restore")
    assert result.exit_code == 2
    assert "Say which backup, as in `cipher db restore " in result.stderr


def test_a_check_tells_a_whole_database_from_a_damaged_one(run: Run, stored: list[str]) -> None:
    result = run("db", "check")
    assert result.exit_code == 0
    assert result.stdout == f"{FILE} is whole: schema 1, 7 sessions, 18 messages\n"
    damage()
    result = run("db", "check")
    assert result.exit_code == 1
    assert result.stdout
    assert "cipher db restore" in result.stderr
    told = run("db", "check", "--json")
    report = json.loads(told.stdout)
    assert (told.exit_code, report["whole"], report["file"]) == (1, False, str(FILE))
    assert all(finding["detail"] for finding in report["findings"])


def test_what_is_recovered_can_be_restored(run: Run, stored: list[str]) -> None:
    damage()
    harmed = FILE.read_bytes()
    result = run("db", "check", "--recover", "--output", "saved.db")
    assert result.exit_code == 0
    assert "sessions: 7 saved, 0 lost" in result.stdout
    assert "cipher db restore saved.db" in result.stderr
    assert FILE.read_bytes() == harmed
    assert run("db", "restore", "saved.db").exit_code == 0
    assert run("db", "check").exit_code == 0
    assert ids(run) == stored
    again = run("db", "check", "--recover", "--output", "saved.db")
    assert again.exit_code == 1
    assert "saved.db exists" in again.stderr


def test_a_recovery_as_json_names_the_file_and_every_table(run: Run, stored: list[str]) -> None:
    told = json.loads(run("db", "check", "--recover", "--json").stdout)
    assert Path(told["file"]).exists()
    tables = {table["table"]: (table["saved"], table["lost"]) for table in told["tables"]}
    assert tables["messages"] == (18, 0)
    assert told["sessions"] == []


def test_output_goes_with_recover_only(run: Run, stored: list[str]) -> None:
    assert run("db", "check", "--output", "saved.db").exit_code == 2


def test_beside_a_running_server_all_work_but_restore_and_recover(
    run: Run, spawn: Spawn, stored: list[str]
) -> None:
    server = spawn("serve", "--port", "0", "--llm-model", "demo")
    assert server.stdout is not None
    assert "ready" in server.stdout.readline()
    assert run("db", "check").exit_code == 0
    assert run("db", "backup", "copy.db").exit_code == 0
    for command in (["restore", "copy.db"], ["check", "--recover"], ["migrate"]):
        refused = run("db", *command)
        assert refused.exit_code == 1
        assert "server" in refused.stderr
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0
    assert run("db", "restore", "copy.db").exit_code == 0
    assert ids(run) == stored


def test_migrate_says_when_it_is_done(run: Run, stored: list[str]) -> None:
    result = run("db", "migrate")
    assert result.exit_code == 0
    assert result.stderr == "The database is up to date.\n"


def test_what_is_logged_is_no_part_of_the_answer(run: Run, stored: list[str]) -> None:
    other = apsw.Connection(str(FILE))
    other.execute("UPDATE sessions SET metadata = 'x' WHERE id = ?", (stored[0],))
    other.close()
    result = run("sessions", "list", "--json", "--all")
    assert len(json.loads(result.stdout)["sessions"]) == 7
    assert "session is damaged" in result.stderr


def test_a_server_does_not_start_on_a_damaged_file_and_says_what_to_do(
    run: Run, spawn: Spawn, stored: list[str]
) -> None:
    FILE.write_bytes(bytes(4096) + FILE.read_bytes()[4096:])
    harmed = FILE.read_bytes()
    server = spawn("serve", "--port", "0", "--llm-model", "demo")
    _, said = server.communicate(timeout=20)
    assert server.returncode == 1
    assert "cipher db check --recover" in said
    assert FILE.read_bytes() == harmed


def damage() -> None:
    """Overwrite a page of an index: rows are all there, and the database is not whole."""
    other = apsw.Connection(str(FILE))
    query = "SELECT rootpage FROM sqlite_schema WHERE name = 'messages_client_msg_id'"
    page = other.execute(query).get
    other.close()
    content = bytearray(FILE.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    FILE.write_bytes(content)
