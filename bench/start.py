"""Starting: time to ready and memory of the server, and what `import cipher` costs.

`cipher serve` is started on an empty folder and on a file with 100,000 sessions, in turn, until it
says that it is ready; then its resident memory is read while it is idle. `import cipher` is timed
in fresh interpreters beside bare ones. Memory is read from /proc, so this runs on Linux.

    .venv/bin/python bench/start.py [--sessions N] [--rounds N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from record import save

from cipher.model import utc_now
from cipher.storage.sqlite import SqliteDatabase

READY_LIMIT_SECONDS = 30
PROBE = (
    "import time, resource, json; began = time.perf_counter(); {statement}; "
    "print(json.dumps([(time.perf_counter() - began) * 1e3, "
    "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))"
)


async def fill(folder: Path, sessions: int) -> None:
    database = SqliteDatabase(folder / "cipher-sessions.db")
    await database.open()
    for start in range(0, sessions, 5_000):
        await asyncio.gather(
            *(
                database.create_session("local", f"s{number}", at=utc_now())
                for number in range(start, min(start + 5_000, sessions))
            )
        )
    await database.close()


def serve(folder: Path, settle_seconds: float) -> dict[str, float]:
    """Start a server, wait until it is ready, read its memory, and end it."""
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
    environment |= {"STORAGE_DATABASE_PATH": str(folder), "LLM_MODEL": "demo"}
    port = 3900 + os.getpid() % 90
    began = time.perf_counter()
    server = subprocess.Popen(
        [str(Path(sys.executable).with_name("cipher")), "serve", "--port", str(port)],
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://localhost:{port}/readyz", timeout=1) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                if time.perf_counter() - began > READY_LIMIT_SECONDS or server.poll() is not None:
                    raise SystemExit("the server did not become ready") from None
                time.sleep(0.01)
        ready = time.perf_counter() - began
        time.sleep(settle_seconds)
        status = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return {"ready_seconds": ready, "idle_mib": int(resident.split()[1]) / 1024}
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=40)


def probe(statement: str) -> tuple[float, float]:
    result = subprocess.run(
        [sys.executable, "-c", PROBE.format(statement=statement)],
        capture_output=True,
        text=True,
        check=True,
    )
    took, peak = json.loads(result.stdout)
    return took, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {"empty": [], "full": []}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        empty, full = Path(name) / "empty", Path(name) / "full"
        empty.mkdir()
        full.mkdir()
        asyncio.run(fill(full, options.sessions))
        for _ in range(options.rounds):
            runs["empty"].append(serve(empty, settle_seconds=4))
            runs["full"].append(serve(full, settle_seconds=4))
    bare = [probe("pass") for _ in range(options.rounds)]
    imported = [probe("import cipher") for _ in range(options.rounds)]
    medians = {
        name: {key: statistics.median(run[key] for run in several) for key in several[0]}
        for name, several in runs.items()
    }
    save(
        "start",
        {
            "sessions": options.sessions,
            "medians": medians,
            "full_minus_empty_seconds": medians["full"]["ready_seconds"]
            - medians["empty"]["ready_seconds"],
            "import_cipher_ms": statistics.median(took for took, _ in imported),
            "import_cipher_mib_over_bare": statistics.median(peak for _, peak in imported)
            - statistics.median(peak for _, peak in bare),
            "runs": runs,
        },
    )


if __name__ == "__main__":
    main()
