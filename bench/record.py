"""Where benches put their results: one JSON file a bench, with the machine and the day."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def save(name: str, figures: dict[str, Any]) -> None:
    """Print the figures and keep them as `results/<name>.json`."""
    record = {
        "bench": name,
        "date": datetime.now(UTC).date().isoformat(),
        # Where this machine keeps the peers is no news to others.
        "command": shlex.join(
            [
                "python",
                Path(sys.argv[0]).name,
                *("PYTHON" if word.startswith("/") else word for word in sys.argv[1:]),
            ]
        ),
        "machine": {
            "cores": os.cpu_count(),
            "arch": platform.machine(),
            "system": platform.system(),
            "python": platform.python_version(),
        },
        **figures,
    }
    record["command"] = record["command"].replace(str(Path.cwd()) + os.sep, "")
    text = json.dumps(_round(record), indent=1)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


def _round(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _round(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_round(item) for item in value]
    return value
