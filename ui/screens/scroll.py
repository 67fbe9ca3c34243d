"""Measures that the transcript holds still, in pixels, in a real browser.

Four promises: it opens at its end; it follows an answer that streams, at most 1 px behind; a reader
who scrolled up is moved by nothing while the tail grows; older pages put in above move no row by as
much as a pixel. And one of size: ten thousand messages are at most 1,500 nodes. Exits 1 when one of
them is broken.

    python3 screens/scroll.py
"""

from __future__ import annotations

import sys

from browser import opened_stage
from playwright.sync_api import Page

MAX_GAP_PX = 1
MAX_JUMP_PX = 1
MAX_NODES = 1_500

GAP = """() => {
  const log = document.querySelector('#conversation');
  return log.scrollHeight - log.clientHeight - log.scrollTop;
}"""

# Lets an answer grow by one flush a frame and returns the largest gap below the window.
STREAM = """async (flushes) => {
  const { view } = stage.get();
  let gap = 0;
  for (let count = 1; count <= flushes; count += 1) {
    const text = 'Some **words** that keep coming, and `code` too. '.repeat(count);
    const turn = { turnId: 't', attempt: 1, inReplyTo: 1, text, reasoning: '', phase: 'streaming' };
    const items = [...view.items, { kind: 'live', key: 'a:t:1', turn }];
    await new Promise((next) => {
      requestAnimationFrame(() => {
        stage.set({ view: { ...view, runningTurnId: 't', items } });
        setTimeout(next, 0);
      });
    });
    const log = document.querySelector('#conversation');
    gap = Math.max(gap, log.scrollHeight - log.clientHeight - log.scrollTop);
  }
  return gap;
}"""

# The row at the middle of the window, and where it stands.
READING = """() => {
  const row = document.elementFromPoint(innerWidth / 2, innerHeight / 2).closest('[data-index]');
  window.reading = row;
  return row.getBoundingClientRect().top;
}"""
READING_AGAIN = "() => window.reading.isConnected && window.reading.getBoundingClientRect().top"

# Watches the row at the top of the window until an older page stands above it.
PREPEND = """async () => {
  const log = document.querySelector('#conversation');
  const before = stage.get().view.items.length;
  log.scrollTop = 0;
  await new Promise((next) => requestAnimationFrame(() => setTimeout(next, 0)));
  const row = log.querySelector('[data-index="0"]');
  const at = row.getBoundingClientRect().top;
  let jump = 0;
  for (let frames = 0; frames < 600; frames += 1) {
    await new Promise((next) => requestAnimationFrame(() => setTimeout(next, 0)));
    jump = Math.max(jump, Math.abs(row.getBoundingClientRect().top - at));
    if (stage.get().view.items.length > before && frames > 30) return jump;
  }
  return Infinity;
}"""

TEN_THOUSAND = """() => {
  const { view } = stage.get();
  const items = Array.from({ length: 10_000 }, (_, index) => {
    const item = view.items[index % view.items.length];
    const message = { ...item.message, id: `n${index}`, seq: index };
    return { ...item, key: `n${index}`, message };
  });
  stage.set({ view: { ...view, sessionId: 'big', hasOlder: false, items } });
}"""


def measure(page: Page, origin: str) -> list[tuple[str, float, float]]:
    """What was measured, as name, value and the most that it may be."""
    page.goto(f"{origin}/s/walk?story=older", wait_until="networkidle")
    page.locator("[data-index]").last.wait_for()
    results: list[tuple[str, float, float]] = []

    def add(name: str, value: float, limit: float) -> None:
        results.append((name, value, limit))

    add("gap on opening", page.evaluate(GAP), MAX_GAP_PX)
    add("largest gap over 200 flushes", page.evaluate(STREAM, 200), MAX_GAP_PX)

    page.locator("#conversation").evaluate("(log) => { log.scrollTop -= 900; }")
    page.get_by_role("button", name="Jump to latest").wait_for()
    stood = page.evaluate(READING)
    page.evaluate(STREAM, 300)
    add("reader moved by 300 flushes", abs(page.evaluate(READING_AGAIN) - stood), 0)
    page.get_by_role("button", name="Jump to latest").click()
    page.wait_for_function(f"({GAP})() <= {MAX_GAP_PX}")

    add("row moved by an older page", page.evaluate(PREPEND), MAX_JUMP_PX)

    page.evaluate(TEN_THOUSAND)
    page.wait_for_function("document.querySelector('[data-index=\"9999\"]')")
    add("gap at 10,000 messages", page.evaluate(GAP), MAX_GAP_PX)
    nodes = page.evaluate("document.querySelectorAll('*').length")
    add("nodes at 10,000 messages", nodes, MAX_NODES)
    return results


def main() -> int:
    with opened_stage() as (browser, origin):
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        results = measure(page, origin)
    for name, value, limit in results:
        verdict = "ok  " if value <= limit else "OVER"
        sys.stdout.write(f"{verdict} {name}: {value:g} of {limit:g}\n")
    return 0 if all(value <= limit for _, value, limit in results) else 1


if __name__ == "__main__":
    sys.exit(main())
