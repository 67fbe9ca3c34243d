"""At debug our own lines are shown, and those of libraries are not: they hold prompts and keys."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import logging, structlog
from cipher.log import set_up_logging
set_up_logging("debug", "json")
for name in ("httpcore2.http11", "anthropic._base_client", "uvicorn.error"):
    logging.getLogger(name).debug("Authorization: secret")
structlog.get_logger("cipher.agent.turns").debug("turn began", turn_id="t1")
logging.getLogger("anthropic").warning("slow")
"""


def test_debug_shows_our_lines_and_no_library_s() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert '"turn_id": "t1"' in done.stderr
    assert "slow" in done.stderr
    assert "secret" not in done.stderr
