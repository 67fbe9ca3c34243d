"""Finds the Chromium that the browser tests drive, and installs Debian's where that is possible.

Owns the order of search (`CHROMIUM`, then the usual names on PATH) and the one command that
installs it. No test tool downloads a browser of its own: the tests drive the system's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-liberation", "fonts-noto-color-emoji")
ADVICE = (
    "No Chromium was found, so the browser tests cannot run. Install it (Debian: "
    f"apt-get install {' '.join(PACKAGES)}) or set CHROMIUM to its path."
)


def find_chromium() -> str | None:
    """Returns the path of Chromium: `CHROMIUM` if set, else the first usual name on PATH."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    return next(filter(None, map(shutil.which, NAMES)), None)


def installer() -> list[str] | None:
    """Returns the prefix of a command that may install packages, or None where none may."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if (
        sudo
        and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return [sudo, "-n"]
    return None


def install(prefix: list[str]) -> int:
    """Installs Debian's Chromium with the fonts that a page needs."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        code = subprocess.call([*prefix, "apt-get", "-q", *command], env=environment)
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    allowed = installer()
    sys.exit(1 if allowed is None else install(allowed))
