"""What is in a log line, and whose lines there are: those of libraries hold prompts and keys."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging, structlog
from cipher.log import set_up_logging
set_up_logging("debug", "json")
for name in ("httpcore2.http11", "anthropic._base_client", "uvicorn.error"):
    logging.getLogger(name).debug("Authorization: secret")
structlog.get_logger("cipher.agent.turns").debug("turn began", turn_id="t1", reason=None)
logging.getLogger("anthropic").warning("slow")
"""


@pytest.fixture(scope="module")
def log() -> str:
    """The log of the program above."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    return done.stderr


def test_debug_shows_our_lines_and_no_library_s(log: str) -> None:
    assert '"turn_id": "t1"' in log
    assert "slow" in log
    assert "secret" not in log


def test_a_field_without_a_value_is_left_out(log: str) -> None:
    ours = json.loads(log.splitlines()[0])
    assert set(ours) == {"event", "level", "timestamp", "turn_id"}
