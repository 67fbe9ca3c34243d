"""Takes a picture of every story at every width, light and dark, and checks each with axe.

The stage runs under the policy that the server sends, so that what the policy forbids fails here
too. Writes `shots/<story>-<width>-<theme>.png`, prints what axe and the console report, and exits 1
if there was anything to report.

    python3 screens/shoot.py [story ...] [--width N ...] [--theme light|dark] [--no-axe]
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from browser import opened_stage
from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
SHOTS = HERE / "shots"
AXE = HERE.parent / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = {320: 640, 390: 844, 768: 1024, 1440: 900}


def open_panel(page: Page) -> None:
    opener = page.get_by_role("button", name="Open the session panel")
    if opener.is_visible():
        opener.click()
        page.wait_for_timeout(250)


def open_menu(page: Page) -> None:
    open_panel(page)
    page.get_by_role("button", name="Actions for A walk from the station").click(force=True)
    page.get_by_role("menuitem", name="Rename").wait_for()


def rename(page: Page) -> None:
    open_menu(page)
    page.get_by_role("menuitem", name="Rename").click()


def delete(page: Page) -> None:
    open_menu(page)
    page.get_by_role("menuitem", name="Delete").click()


def scroll_up(page: Page) -> None:
    page.locator("#conversation").evaluate("(log) => { log.scrollTop = log.scrollHeight / 2; }")
    page.get_by_role("button", name="Jump to latest").wait_for()


# Stories that begin with another one and go on by hand.
ACTS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "panel": ("chat", open_panel),
    "panel-empty": ("first", open_panel),
    "panel-error": ("error", open_panel),
    "panel-loading": ("loading", open_panel),
    "panel-many": ("many", open_panel),
    "menu": ("chat", open_menu),
    "rename": ("chat", rename),
    "undo": ("chat", delete),
    "scrolled": ("older", scroll_up),
}


def stories() -> list[str]:
    text = (HERE / "stories.ts").read_text(encoding="utf-8")
    return [*re.findall(r"^  (\w+): \(\) =>", text, re.MULTILINE), *ACTS]


def address(story: str) -> str:
    name = ACTS[story][0] if story in ACTS else story
    welcome = name in {"welcome", "demo", "first", "draft", "many"}
    return f"{'/' if welcome else '/s/walk'}?story={name}"


def violations(page: Page) -> list[str]:
    found = page.evaluate(
        "async () => (await axe.run(document, {resultTypes: ['violations']})).violations.flatMap("
        "v => v.nodes.map(n => `${v.id}: ${n.target.join(' ')} ${n.failureSummary}`))"
    )
    return [str(line) for line in found]


def shoot(
    browser: Browser, origin: str, story: str, width: int, theme: str, axe: bool
) -> list[str]:
    context = browser.new_context(
        viewport={"width": width, "height": WIDTHS[width]},
        color_scheme="dark" if theme == "dark" else "light",
        has_touch=width < 768,
        is_mobile=width < 768,
        reduced_motion="reduce",
        bypass_csp=False,
    )
    page = context.new_page()
    reports: list[str] = []
    page.on("console", lambda m: reports.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: reports.append(str(error)))
    page.clock.set_fixed_time("2026-11-22T14:05:00")
    page.goto(origin + address(story), wait_until="networkidle")
    page.wait_for_selector("main")
    page.evaluate("document.fonts.ready")
    if story in ACTS:
        ACTS[story][1](page)
    page.screenshot(path=SHOTS / f"{story}-{width}-{theme}.png")
    if axe:
        page.evaluate(AXE.read_text(encoding="utf-8"))
        reports += violations(page)
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    if wide:
        reports.append("the page is wider than the window")
    context.close()
    return [f"{story} {width} {theme}: {report}" for report in reports]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawTextHelpFormatter
    parser.add_argument("stories", nargs="*", default=[])
    parser.add_argument("--width", type=int, nargs="*", default=list(WIDTHS))
    parser.add_argument("--theme", choices=["light", "dark"], default=None)
    parser.add_argument("--no-axe", action="store_true")
    options = parser.parse_args()

    SHOTS.mkdir(exist_ok=True)
    found = 0
    with opened_stage() as (browser, origin):
        for story in options.stories or stories():
            for width in options.width:
                for theme in [options.theme] if options.theme else ["light", "dark"]:
                    for report in shoot(browser, origin, story, width, theme, not options.no_axe):
                        found += 1
                        sys.stdout.write(report + "\n")
                        sys.stdout.flush()
    sys.stdout.write(f"{found} to report\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
