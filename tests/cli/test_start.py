"""What a command imports before it does anything: that, and not a clock, is held here."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cipher

HEAVY = {"pydantic", "fastapi", "uvicorn", "apsw", "pydantic_ai", "asyncio", "cipher.storage"}
SERVER = {"fastapi", "starlette", "uvicorn", "pydantic_ai", "httpx2", "cipher.web", "cipher.agent"}


def imported_by(*args: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    script = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from cipher.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *args], capture_output=True, text=True, check=False
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["sessions", "--help"]])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    assert not imported_by(*args) & HEAVY


@pytest.mark.parametrize(
    "args", [["sessions", "list"], ["sessions", "export", "--all"], ["serve", "--port", "x"]]
)
def test_commands_that_serve_nothing_import_no_server(args: list[str]) -> None:
    assert not imported_by(*args) & SERVER


def test_the_version_is_that_of_the_package() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from cipher.cli import main; main()", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"cipher {cipher.__version__}\n"
