"""`cipher sessions export | import`: files in and out, and what is said about them."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import START, Run

ROOT = Path(__file__).resolve().parents[2]
OURS = Path(__file__).with_name("conversations.jsonl")
GIVEN = Path(
    os.environ.get(
        "CIPHER_TEST_CONVERSATIONS",
        ROOT.parent / "shared" / "data" / "mt_bench_conversations.jsonl",
    )
)
"""160 real conversations in the same format; they are not part of the repository."""
on_conversations = pytest.mark.parametrize(
    "file", [OURS, *([GIVEN] if GIVEN.exists() else [])], ids=lambda file: file.stem
)
LINE = {"id": "sky", "messages": [{"role": "user", "content": "Why is it blue?"}]}


@on_conversations
def test_conversations_go_in_once_and_come_out_as_they_went_in(run: Run, file: Path) -> None:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    counts = f"{len(rows)} sessions added ({sum(len(row['messages']) for row in rows)} messages"
    first = run("sessions", "import", file)
    assert first.exit_code == 0
    assert first.stdout == f"{file}: {counts}, openai)\n"

    second = run("sessions", "import", file)
    assert second.exit_code == 0
    assert second.stdout == f"{file}: nothing added\n  {len(rows)} sessions already there\n"

    listed = json.loads(run("sessions", "list", "--all", "--json").stdout)
    assert [session["id"] for session in listed["sessions"]] == [row["id"] for row in rows]
    for row in rows[:: -(-len(rows) // 7)]:
        told = json.loads(run("sessions", "show", row["id"], "--json").stdout)
        shown = [{"role": m["role"], "content": m["content"]} for m in told["messages"]]
        assert shown == row["messages"]
        assert told["session"]["metadata"]["imported"]["category"] == row["category"]

    assert run("sessions", "export", "--all", "-o", "all.json").exit_code == 0
    there = run("sessions", "import", "all.json", "--database-path", "fresh")
    assert there.stdout == f"all.json: {counts}, cipher)\n"
    again = run("sessions", "export", "--all", "--database-path", "fresh")
    assert again.stdout_bytes == Path("all.json").read_bytes()


@on_conversations
def test_json_lines_of_conversations_are_the_same_conversations(run: Run, file: Path) -> None:
    run("sessions", "import", file)
    lines = run("sessions", "export", "--all", "--format", "jsonl").stdout_bytes
    result = run("sessions", "import", "-", "--database-path", "fresh", stdin=lines)
    count = len(file.read_text(encoding="utf-8").splitlines())
    assert result.stdout.startswith(f"standard input: {count} sessions added")
    again = run("sessions", "export", "--all", "-f", "jsonl", "--database-path", "fresh")
    assert again.stdout_bytes == lines


def test_an_export_to_a_file_is_private_and_replaces_what_was_there(run: Run) -> None:
    run("sessions", "import", "-", stdin=json.dumps(LINE).encode())
    Path("out.json").write_text("old")
    result = run("sessions", "export", "sky", "-o", "out.json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "1 session written to out.json\n"
    assert json.loads(Path("out.json").read_text())["sessions"][0]["id"] == "sky"
    assert stat.S_IMODE(Path("out.json").stat().st_mode) == 0o600


def test_an_export_that_fails_leaves_the_file_that_was_there(run: Run, place: Path) -> None:
    run("sessions", "import", "-", stdin=json.dumps(LINE).encode())
    Path("out.json").write_text("old")
    assert run("sessions", "export", "sky", "nope", "-o", "out.json").exit_code == 3
    assert Path("out.json").read_text() == "old"
    result = run("sessions", "export", "sky", "-o", "no/such/folder/out.json")
    assert result.exit_code == 1
    assert "can not be written" in result.stderr
    assert sorted(path.name for path in place.iterdir()) == ["data", "out.json"]


def test_markdown_is_exported_for_people(run: Run) -> None:
    run("sessions", "import", "-", stdin=json.dumps(LINE).encode())
    text = run("sessions", "export", "sky", "--format", "markdown").stdout
    assert text.startswith("# Why is it blue?\n")


def test_only_archived_sessions_can_be_exported(run: Run) -> None:
    sessions = [
        {
            "id": name,
            "createdAt": "2026-01-01T00:00:00Z",
            "lastActivity": "2026-01-01T00:00:00Z",
            "leafSeq": 0,
            "archivedAt": "2026-01-02T00:00:00Z" if name == "old" else None,
        }
        for name in ("old", "new")
    ]
    document = {"format": "cipher-sessions", "version": 1, "sessions": sessions}
    run("sessions", "import", "-", stdin=json.dumps(document).encode())
    for flags, ids in (([], ["new", "old"]), (["--state", "archived"], ["old"])):
        told = json.loads(run("sessions", "export", "--all", *flags).stdout)
        assert [session["id"] for session in told["sessions"]] == ids


def test_what_was_skipped_is_told_with_reasons_and_places(run: Run) -> None:
    lines = [json.dumps(LINE), "oops", json.dumps({"messages": []}), "oops again"]
    Path("mixed.jsonl").write_text("\n".join(lines))
    result = run("sessions", "import", "mixed.jsonl")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "mixed.jsonl: 1 session added (1 message, openai)",
        "  skipped 2: not valid JSON (line 2, line 4)",
        "  skipped 1: no messages (line 3)",
    ]


def test_an_import_of_nothing_but_bad_input_fails(run: Run) -> None:
    Path("bad.jsonl").write_bytes(b"\xff\xfe\x00")
    Path("good.jsonl").write_text(json.dumps(LINE))
    bad = run("sessions", "import", "bad.jsonl")
    assert bad.exit_code == 1
    assert "UTF-16" in bad.stdout
    assert bad.stderr == "Error: Nothing could be imported.\n"
    assert run("sessions", "import", "bad.jsonl", "good.jsonl").exit_code == 0
    assert run("sessions", "import", "bad.jsonl", "good.jsonl").exit_code == 0


@pytest.mark.parametrize(
    "nothing", ["[]", '{"format":"cipher-sessions","version":1,"sessions":[]}']
)
def test_an_import_of_a_list_of_nothing_is_done_at_once(run: Run, nothing: str) -> None:
    result = run("sessions", "import", "-", stdin=nothing.encode())
    assert (result.exit_code, result.stdout) == (0, "standard input: nothing added\n")


def test_the_report_is_json_for_scripts(run: Run) -> None:
    Path("one.jsonl").write_text(json.dumps(LINE) + "\noops")
    told = json.loads(run("sessions", "import", "--json", "one.jsonl").stdout)
    assert told == {
        "files": [
            {
                "file": "one.jsonl",
                "added": 1,
                "messages": 1,
                "alreadyThere": 0,
                "deleted": 0,
                "formats": {"openai": 1},
                "sessions": ["sky"],
                "skipped": [{"reason": "not valid JSON", "count": 1, "examples": ["line 2"]}],
                "notes": [],
            }
        ]
    }


def test_an_import_makes_a_private_database(run: Run) -> None:
    run("sessions", "import", "-", stdin=json.dumps(LINE).encode())
    file = Path("data/cipher-sessions.db")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_interrupted_import_says_what_it_kept_and_goes_on_from_there(
    run: Run, place: Path
) -> None:
    rows = [{**LINE, "id": f"s{n}"} for n in range(100)]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    process = subprocess.Popen(
        [*START, "sessions", "import", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(lines)
    process.stdin.flush()

    def kept() -> int:
        listed = run("sessions", "list", "--all", "--json")
        return json.loads(listed.stdout)["count"] if listed.exit_code == 0 else 0

    while kept() < 64:  # the first batch; the test's own time limit ends this
        assert process.poll() is None
    # Standard input stays open: only the signal can end the command.
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.returncode == 1
    assert process.stdout.read().startswith(b"standard input: 64 sessions added")
    assert process.stderr.read() == (b"Error: Interrupted. The same import goes on from here.\n")
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()
    again = run("sessions", "import", "-", stdin=lines)
    assert again.stdout.startswith("standard input: 36 sessions added")
    assert "64 sessions already there" in again.stdout
