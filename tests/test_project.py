"""The repository itself: what importing costs, what its files must not carry, what CI enforces."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("pydantic_ai", "fastapi", "starlette", "uvicorn", "apsw", "httpx2", "anthropic", "google")
BINARY = {".png", ".ico", ".woff2", ".db", ".gz", ".webp", ".gif", ".jpg"}


def tracked(*patterns: str) -> list[Path]:
    """The files that git tracks, deleted ones left out."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a git clone")
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def lines_matching(pattern: str, paths: list[Path]) -> list[str]:
    """Each line of the text files that the pattern is found in, as `file:number: line`."""
    expression = re.compile(pattern)
    found = []
    for path in paths:
        if path.suffix in BINARY:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if expression.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    return found


def run_python(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
        timeout=30,
    )
    return result.stdout


def test_importing_cipher_loads_no_heavy_library():
    code = f"import sys, cipher; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    assert run_python(code).split() == []


def test_the_installed_version_is_the_one_in_the_source():
    code = (
        "import cipher, importlib.metadata as metadata;"
        "print(cipher.__version__, metadata.version('cipher-sessions'))"
    )
    in_source, installed = run_python(code).split()
    assert in_source == installed


def test_every_library_that_is_imported_is_a_dependency_by_name():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {re.split(r"[\[<>=; ]", wish, maxsplit=1)[0] for wish in project["dependencies"]}
    provided = packages_distributions()
    imported = {
        name.partition(".")[0]
        for path in (ROOT / "src" / "cipher").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in modules_of(node)
    }
    libraries = imported - sys.stdlib_module_names - {"cipher"}
    missing = {
        library
        for library in libraries
        if not {name.lower().replace("_", "-") for name in provided[library]} & named
    }
    assert missing == set()


def modules_of(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case _:
            return []


def test_no_tracked_file_names_a_path_of_one_machine():
    homes = r"(?<![\w.:/])/(?:work|farm|root|home/\w+|Users/\w+)/\w"
    assert lines_matching(homes, tracked(":!tests/test_project.py")) == []


def test_the_locks_name_no_place_to_download_from():
    python, page = tracked("requirements*.txt"), tracked("ui/package-lock.json")
    assert len(python) == 4
    assert len(page) == 1
    assert lines_matching(r"https?://|file:|--(?:extra-)?index|--find-links", python) == []
    assert lines_matching(r'"resolved"\s*:', page) == []


def test_every_locked_python_package_has_a_hash():
    for lock in tracked("requirements*.txt"):
        entries = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip())
        unhashed = [entry for entry in entries if "--hash=sha256:" not in entry]
        assert unhashed == [], f"{lock.name} has entries without a hash"


def test_the_development_lock_has_the_versions_of_the_runtime_lock():
    def versions(name: str) -> set[str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        return set(re.findall(r"^[\w.-]+==[^ ;\\]+", text, re.MULTILINE))

    assert versions("requirements.txt") <= versions("requirements-dev.txt")


def test_nothing_that_is_built_or_kept_at_run_time_is_tracked():
    built = tracked("uv.lock", ".venv", "data", "dist", "src/cipher/web/static", "ui/node_modules")
    assert built == []


SKIPPING_TESTS = """
import pytest

@pytest.mark.backend
def test_backend(): pytest.skip("not there")

@pytest.mark.browser
def test_browser(): pytest.skip("not there")

@pytest.mark.browser
def test_chromium(chromium): pass

def test_unmarked(): pytest.skip("not there")
"""
SKIPPING_MODULE = 'import pytest; pytest.skip("not there", allow_module_level=True)'


def outcomes(folder: Path, ci: str) -> str:
    """Runs tests that skip themselves under this project's own conftest, with no browser there."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_skipping.py").write_text(SKIPPING_TESTS, encoding="utf-8")
    (folder / "test_module.py").write_text(SKIPPING_MODULE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-v", "-rA", "-p", "no:cacheprovider"]
    configuration = ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={folder}"]
    result = subprocess.run(
        [*command, *configuration, "--continue-on-collection-errors", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CI": ci, "CHROMIUM": str(folder / "nowhere")},
        timeout=60,
    )
    return result.stdout + result.stderr


def test_in_ci_a_skipped_backend_browser_or_module_is_a_failure(tmp_path: Path):
    output = outcomes(tmp_path, "true")
    for outcome in ("backend FAILED", "browser FAILED", "chromium ERROR", "unmarked SKIPPED"):
        assert f"test_skipping.py::test_{outcome}" in output
    assert "ERROR collecting test_module.py" in output
    assert "skipped, which fails in CI: No Chromium was found" in output


def test_outside_ci_a_skip_is_a_skip(tmp_path: Path):
    assert "5 skipped" in outcomes(tmp_path, "")
