"""The repository itself: what importing costs, what its files must not carry, what CI enforces."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
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


@pytest.mark.parametrize("mark", ["backend", "browser"])
@pytest.mark.parametrize(("ci", "outcome"), [("true", "failed"), ("", "skipped")])
def test_a_skip_of_a_marked_test_fails_in_ci_only(tmp_path: Path, mark: str, ci: str, outcome: str):
    test = f"import pytest\n@pytest.mark.{mark}\ndef test_it(): pytest.skip('not there')\n"
    assert f"1 {outcome}" in pytest_output(tmp_path, test, ci)


def test_an_unmarked_skip_stays_a_skip_in_ci(tmp_path: Path):
    test = "import pytest\ndef test_it(): pytest.skip('not there')\n"
    assert "1 skipped" in pytest_output(tmp_path, test, "true")


def test_a_module_that_skips_itself_fails_in_ci(tmp_path: Path):
    test = "import pytest\npytest.skip('not there', allow_module_level=True)\n"
    assert "1 error" in pytest_output(tmp_path, test, "true")


def test_a_browser_test_without_a_browser_fails_in_ci_with_advice(tmp_path: Path):
    test = "import pytest\n@pytest.mark.browser\ndef test_it(chromium): pass\n"
    output = pytest_output(tmp_path, test, "true", CHROMIUM=str(tmp_path / "nowhere"))
    assert "1 error" in output
    assert "set CHROMIUM" in output


def pytest_output(folder: Path, test: str, ci: str, **environment: str) -> str:
    """Runs one test module under this project's own conftest and returns what pytest printed."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_one.py").write_text(test, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider"]
    result = subprocess.run(
        [*command, "-c", str(ROOT / "pyproject.toml"), f"--rootdir={folder}", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CI": ci, **environment},
        timeout=60,
    )
    return result.stdout + result.stderr
