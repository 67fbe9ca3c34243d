"""`cipher serve`: a flag for every setting, one line when ready, and clear ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import urllib.request
from typing import Any

import pytest

from cipher.cli.serve import flags_of
from cipher.config import Settings
from tests.cli.conftest import Run, Spawn


def address_of(process: subprocess.Popen[str]) -> str:
    """What the server says when it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"Cipher is ready at (http://\S+)\n", line)
    assert found, (line, process.stderr.read() if process.stderr and not line else "")
    return found[1]


def asked(address: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        address + path, data, {"Content-Type": "application/json", "Origin": address}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)["data"]


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_has_a_flag(run: Run, name: str) -> None:
    shown = run("serve", "--help").stdout
    for flag in flags_of(name):
        assert flag.split("/")[0] in shown
    assert f"[{name.upper()};" in " ".join(shown.split())


def test_no_two_settings_share_a_flag() -> None:
    flags = [flag for name in Settings.model_fields for flag in flags_of(name)]
    assert len(set(flags)) == len(flags)
    assert flags_of("api_port") == ["--port", "--api-port"]
    assert flags_of("log_level") == ["--log-level"]
    assert flags_of("session_persistence_enabled") == [
        "--session-persistence/--no-session-persistence"
    ]


@pytest.mark.parametrize(
    ("flag", "value", "complaint"),
    [
        ("--port", "99999", "API_PORT='99999' is not allowed: it must be a whole number from 0"),
        ("--log-level", "loud", "LOG_LEVEL='loud' is not allowed: it must be debug, info, warning"),
        ("--session-ttl", "soon", "SESSION_TTL='soon' is not allowed: it must be a whole number"),
        ("--database-type", "oracle", "STORAGE_DATABASE_TYPE='oracle' is not allowed: it must be"),
        ("--host", "a b", "API_HOST='a b' is not allowed: it must be a host name"),
        ("--model", "nope:x", "LLM_MODEL='nope:x'"),
    ],
)
def test_a_bad_setting_stops_the_start_and_names_itself(
    spawn: Spawn, flag: str, value: str, complaint: str
) -> None:
    process = spawn("serve", "--port", "0", flag, value)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert complaint in err
    assert "Traceback" not in err


def test_a_bad_variable_and_a_bad_file_stop_the_start_too(
    spawn: Spawn, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSION_MAX_SESSIONS", "0")
    process = spawn("serve")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "SESSION_MAX_SESSIONS='0' is not allowed: it must be a whole number from 1" in err
    (place / "cipher.toml").write_text("api_prot = 5")
    process = spawn("serve", "--session-max-sessions", "5")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "api_prot" in err


def test_a_port_in_use_is_a_failure_that_names_the_way_out(spawn: Spawn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = spawn("serve", "--host", "127.0.0.1", "--port", str(port))
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    assert f"{port}" in err
    assert "--port" in err
    assert "Traceback" not in err


def test_a_second_server_on_the_same_file_is_refused(spawn: Spawn) -> None:
    address_of(spawn("serve", "--port", "0"))
    second = spawn("serve", "--port", "0")
    out, err = second.communicate(timeout=30)
    assert (second.returncode, out) == (1, "")
    assert "Another server already uses this database" in err
    assert "cipher-sessions.db)" in err


def test_flags_win_over_the_environment(spawn: Spawn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "1")
    monkeypatch.setenv("STORAGE_DATABASE_PATH", "/nowhere/at/all")
    address = address_of(spawn("serve", "--port", "0", "--database-path", "here"))
    assert asked(address, "/api/sessions")["count"] == 0


def test_commands_work_beside_a_running_server_and_after_it(run: Run, spawn: Spawn) -> None:
    server = spawn("serve", "--port", "0")
    address = address_of(server)
    made = asked(address, "/api/sessions", {"sessionId": "made-by-server", "title": "Mine"})
    assert made["session"]["id"] == "made-by-server"

    def listed() -> set[str]:
        told = json.loads(run("sessions", "list", "--json").stdout)
        return {session["id"] for session in told["sessions"]}

    assert listed() == {"made-by-server"}
    record = {"id": "imported", "messages": [{"role": "user", "content": "Hello"}]}
    assert run("sessions", "import", "-", stdin=json.dumps(record).encode()).exit_code == 0
    history = asked(address, "/api/sessions/imported/history")["history"]
    assert [message["content"] for message in history] == ["Hello"]
    assert run("sessions", "delete", "made-by-server").exit_code == 0
    assert [s["id"] for s in asked(address, "/api/sessions")["sessions"]] == ["imported"]

    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=40) == 0
    assert listed() == {"imported"}
