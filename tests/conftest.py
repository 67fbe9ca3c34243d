"""What every test may rely on: a browser if there is one, and no silent skips in CI.

Owns the `chromium`, `postgres` and `valkey` fixtures and the rule that, where `CI` is `true`, a
skipped test marked `backend` or `browser` (and a test module that skips itself whole) fails with
the reason of the skip. Generated tests draw the same examples every time and have no deadline, so
that neither luck nor a busy machine fails one. With `--long` only the tests marked `long` run, each
with its larger numbers. Fixtures of one room live in the `conftest.py` of that room's folder.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator
from typing import TypeAlias

import pytest
from hypothesis import settings

from chromium import ADVICE, find_chromium
from tests.postgres import PostgresServer, shared_server
from tests.valkey import ValkeyServer, shared_valkey

# Here, before any test module imports them: assertions in them explain themselves then.
pytest.register_assert_rewrite(
    "tests.storage.contract",
    "tests.storage.cache_contract",
    "tests.storage.comparison",
    "tests.storage.samples",
)

MUST_RUN = ("backend", "browser")
LONG_SECONDS = 7_200
"""How long one test may take in a long run."""

Scale: TypeAlias = Callable[[int, int], int]

settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="run only tests marked long, with larger numbers"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        return
    config.hook.pytest_deselected(
        items=[item for item in items if item.get_closest_marker("long") is None]
    )
    items[:] = [item for item in items if item.get_closest_marker("long") is not None]
    for item in items:
        item.add_marker(pytest.mark.timeout(LONG_SECONDS), append=False)


def pytest_configure() -> None:
    """Lets the programs under test be interrupted.

    A shell starts its background jobs with SIGINT ignored, and all that they start inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"true", "1"}


@pytest.fixture(scope="session")
def scale(pytestconfig: pytest.Config) -> Scale:
    """`scale(usual, long)` is the number that fits the run."""
    return lambda usual, long: long if pytestconfig.getoption("--long") else usual


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the Chromium to drive; without one the test is skipped, and fails in CI."""
    path = find_chromium()
    if path is None:
        pytest.skip(ADVICE)
    return path


@pytest.fixture
def postgres() -> PostgresServer:
    """A server whose tables are empty; tests that stop it start one of their own."""
    server = shared_server()
    server.empty()
    return server


@pytest.fixture
def valkey() -> ValkeyServer:
    """A server without keys; tests that stop it start one of their own."""
    server = shared_valkey()
    server.command("FLUSHALL")
    return server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    marked = any(item.get_closest_marker(name) for name in MUST_RUN)
    if marked and in_ci() and report.skipped and not hasattr(report, "wasxfail"):
        refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if in_ci() and report.skipped:
        refuse_skip(report)
    return report


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns the report of a skip into that of a failure which gives the reason."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"skipped, which fails in CI: {str(reason).removeprefix('Skipped: ')}"
