"""`cipher sessions list | show | delete | restore`: what they print, and how they end."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.cli.conftest import START, Run

FILE = Path("data/cipher-sessions.db")


@pytest.fixture
def stored(run: Run) -> list[str]:
    """Twelve sessions, `s0` the latest."""
    rows = [
        {
            "id": f"s{n}",
            "title": f"Title {n}",
            "created_at": f"2026-01-01T00:00:{50 - n}Z",
            "messages": [
                {"role": "user", "content": f"Question {n}"},
                {"role": "assistant", "content": f"Answer {n}"},
            ],
        }
        for n in range(12)
    ]
    result = run("sessions", "import", "-", stdin="\n".join(map(json.dumps, rows)).encode())
    assert result.exit_code == 0
    return [f"s{n}" for n in range(12)]


def listed(run: Run, *flags: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run("sessions", "list", "--json", *flags).stdout)
    return told


def ids(told: dict[str, Any]) -> list[str]:
    return [session["id"] for session in told["sessions"]]


@pytest.mark.parametrize(
    "command", [["list"], ["show", "s"], ["export", "--all"], ["delete", "s"], ["restore", "s"]]
)
def test_without_a_database_it_is_said_and_none_is_made(
    run: Run, place: Path, command: list[str]
) -> None:
    result = run("sessions", *command)
    assert result.exit_code == 3
    assert result.stderr == "Error: There is no database at data/cipher-sessions.db yet.\n"
    assert list(place.iterdir()) == []


def test_list_prints_the_latest_first_and_says_that_there_are_more(
    run: Run, stored: list[str]
) -> None:
    result = run("sessions", "list", "--limit", "2")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["ID", "MESSAGES", "LAST", "ACTIVITY", "TITLE"]
    assert [line.split()[:2] for line in lines[1:]] == [["s0", "2"], ["s1", "2"]]
    assert lines[1].endswith("Title 0")
    assert "There are more" in result.stderr


def test_list_as_json_holds_every_field_and_says_whether_there_are_more(
    run: Run, stored: list[str]
) -> None:
    told = listed(run, "--limit", "1")
    assert told == {
        "sessions": [
            {
                "id": "s0",
                "title": "Title 0",
                "createdAt": "2026-01-01T00:00:50Z",
                "lastActivity": "2026-01-01T00:00:50Z",
                "messageCount": 2,
                "pinned": False,
                "archivedAt": None,
                "deletedAt": None,
                "metadata": {"imported": {"format": "openai"}},
            }
        ],
        "count": 1,
        "more": True,
    }
    assert ids(listed(run, "--all")) == stored
    assert listed(run, "--all")["more"] is False


def test_list_finds_titles_whatever_the_case(run: Run, stored: list[str]) -> None:
    assert ids(listed(run, "--query", "TITLE 1")) == ["s1", "s10", "s11"]
    nothing = run("sessions", "list", "-q", "none of them")
    assert (nothing.exit_code, nothing.stdout) == (0, "")


def test_show_prints_the_conversation_in_order(run: Run, stored: list[str]) -> None:
    lines = run("sessions", "show", "s3").stdout.splitlines()
    assert lines[0] == "Title 3"
    assert lines[1].startswith("s3, 2 messages, created ")
    assert [line for line in lines if "3" in line][-2:] == ["Question 3", "Answer 3"]
    assert run("sessions", "show", "s3", "-n", "1").stdout.splitlines()[-1] == "Answer 3"


def test_show_as_json_holds_the_messages_with_their_text(run: Run, stored: list[str]) -> None:
    told = json.loads(run("sessions", "show", "s3", "--json").stdout)
    assert told["session"]["title"] == "Title 3"
    assert [m["content"] for m in told["messages"]] == ["Question 3", "Answer 3"]
    assert told["messages"][1]["parts"] == [{"type": "text", "text": "Answer 3"}]
    assert [(m["seq"], m["parentSeq"]) for m in told["messages"]] == [(1, 0), (2, 1)]


@pytest.mark.parametrize("session_id", ["nope", "../x", "'; --", "ü" * 500])
@pytest.mark.parametrize("command", ["show", "export", "delete", "restore"])
def test_a_session_that_is_not_there_is_named_with_its_own_exit_code(
    run: Run, stored: list[str], command: str, session_id: str
) -> None:
    result = run("sessions", command, session_id)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr == f"Error: There is no such session: {session_id}\n"


def test_what_people_wrote_can_not_drive_the_terminal(run: Run) -> None:
    nasty = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe"
    record = {"id": "s", "title": nasty, "messages": [{"role": "user", "content": nasty + "\nok"}]}
    run("sessions", "import", "-", stdin=json.dumps(record).encode())
    for command in (["list"], ["show", "s"]):
        shown = run("sessions", *command).stdout
        assert not set(shown) & set("\x1b\x07\x9b\u202e")
        assert "\\x1b]0;owned\\x07" in shown


def test_deleted_sessions_go_to_the_trash_and_come_back(run: Run, stored: list[str]) -> None:
    result = run("sessions", "delete", "s1", "nope", "s2")
    assert result.exit_code == 3
    assert result.stdout == "s1 moved to the trash\ns2 moved to the trash\n"
    assert result.stderr == "Error: There is no such session: nope\n"
    assert ids(listed(run, "--state", "trash")) == ["s1", "s2"]
    assert run("sessions", "show", "s1").exit_code == 3
    assert run("sessions", "restore", "s1").exit_code == 0
    assert ids(listed(run, "--state", "trash")) == ["s2"]
    assert "s1" in ids(listed(run))


def test_erasing_wants_a_yes_and_is_final(run: Run, stored: list[str]) -> None:
    refused = run("sessions", "delete", "--purge", "s1")
    assert refused.exit_code == 2
    assert "s1" in ids(listed(run))
    assert run("sessions", "delete", "--purge", "--yes", "s1").stdout == "s1 erased\n"
    assert run("sessions", "restore", "s1").exit_code == 3
    assert ids(listed(run, "--state", "trash")) == []


def test_reading_leaves_the_file_as_it_is(run: Run, stored: list[str]) -> None:
    before = FILE.read_bytes()
    for command in (["list"], ["show", "s1"], ["export", "--all"]):
        assert run("sessions", *command).exit_code == 0
    assert FILE.read_bytes() == before
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o600


def test_reading_does_not_upgrade_an_older_file(run: Run, stored: list[str]) -> None:
    connection = apsw.Connection(str(FILE))
    connection.execute("PRAGMA user_version = 0")
    connection.close()
    result = run("sessions", "list")
    assert result.exit_code == 1
    assert "older version of Cipher" in result.stderr
    connection = apsw.Connection(str(FILE))
    assert connection.pragma("user_version") == 0
    connection.close()


def test_a_file_of_a_later_version_is_left_alone(run: Run, stored: list[str]) -> None:
    connection = apsw.Connection(str(FILE))
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    for command in (["list"], ["delete", "s1"]):
        result = run("sessions", *command)
        assert result.exit_code == 1
        assert "newer version of Cipher" in result.stderr


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_a_file_that_is_no_database_of_ours_is_said_so(run: Run, content: bytes) -> None:
    FILE.parent.mkdir()
    FILE.write_bytes(content)
    result = run("sessions", "list")
    assert result.exit_code == 1
    assert str(FILE) in result.stderr
    assert FILE.read_bytes() == content


def test_a_bad_setting_is_wrong_usage_and_names_itself(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run("sessions", "list", "--database-name", "../x")
    assert result.exit_code == 2
    assert "STORAGE_DATABASE_NAME='../x' is not allowed" in result.stderr
    monkeypatch.setenv("STORAGE_DATABASE_TYPE", "in-memory")
    result = run("sessions", "list")
    assert result.exit_code == 1
    assert "memory only" in result.stderr


def test_the_database_is_named_by_flags_before_the_environment(
    run: Run, stored: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_DATABASE_PATH", "elsewhere")
    assert run("sessions", "list").exit_code == 3
    assert run("sessions", "list", "--database-path", "data").exit_code == 0


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("nope", "No such command 'nope'"),
        ("--nope", "No such option '--nope'"),
        ("sessions nope", "No such command 'nope'"),
        ("sessions list --limit 0", "'-n' / '--limit': 0 is not in the range x>=1"),
        ("sessions list --limit few", "'-n' / '--limit': 'few' is not"),
        ("sessions list --state lost", "'lost' is not one of 'active', 'archived', 'trash'"),
        ("sessions list more", "unexpected extra argument (more)"),
        ("sessions show", "Say which session, as in `cipher sessions show ID`; `cipher sessions l"),
        ("sessions show s1 s2", "unexpected extra argument (s2)"),
        ("sessions delete", "as in `cipher sessions delete ID`; `cipher sessions list` shows"),
        ("sessions delete --purge s1", "say --yes"),
        ("sessions restore", "as in `cipher sessions restore ID`"),
        ("sessions export", "`cipher sessions export ID`, or `cipher sessions export --all -o ses"),
        ("sessions export --all s1", "Name sessions or say --all, but not both."),
        ("sessions export s1 --state archived", "as in `cipher sessions export --all --state arc"),
        ("sessions export s1 -f yaml", "'yaml' is not one of 'json', 'jsonl', 'markdown'"),
        ("sessions export s1 -o .", "File '.' is a directory"),
        ("sessions import", "as in `cipher sessions import conversations.json`; `-` is standard"),
        ("sessions import missing.json", "File 'missing.json' does not exist"),
        ("sessions import .", "File '.' is a directory"),
        ("serve more", "unexpected extra argument (more)"),
        ("serve --nope", "No such option '--nope'"),
        ("serve --port many", "API_PORT='many' is not allowed: it must be a whole number from 0"),
        ("serve --log-level loud", "it must be debug, info, warning or error."),
    ],
)
def test_wrong_usage_says_in_one_sentence_what_is_missing_or_wrong(
    run: Run, stored: list[str], words: str, hint: str
) -> None:
    result = run(*words.split())
    assert result.exit_code == 2
    assert result.stdout == ""
    (sentence,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert hint in sentence
    assert sentence == result.stderr.splitlines()[-1]


def test_a_reader_that_goes_away_early_sees_no_traceback(run: Run, stored: list[str]) -> None:
    rows = [
        {"id": f"b{n}", "messages": [{"role": "user", "content": "x" * 1000}]} for n in range(2_000)
    ]
    run("sessions", "import", "-", stdin="\n".join(map(json.dumps, rows)).encode())
    for command in (["export", "--all"], ["list", "--all"]):
        process = subprocess.Popen(
            [*START, "sessions", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        process.wait()
