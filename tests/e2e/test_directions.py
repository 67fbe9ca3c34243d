"""Text from right to left next to text that is not: each block begins at its own side."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, Locator, expect

from cipher.testing import FakeOpenAI, reply
from tests.e2e.conftest import Server
from tests.e2e.test_main_job import answer, question, say

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

MIXED = """An English paragraph.

פסקה בעברית, `code.run(1)`.

- An item
- פריט

| English | עברית |
|---|---|
| one | אחת |
"""
HEBREW = "שלום, Bob?"


async def side(block: Locator) -> str:
    """Where the words of a block begin: nearer to its left or to its right edge."""
    found: str = await block.evaluate("""block => {
        const range = document.createRange();
        range.selectNodeContents(block);
        const words = range.getBoundingClientRect();
        const room = block.getBoundingClientRect();
        return words.left - room.left <= room.right - words.right ? "left" : "right";
    }""")
    return found


async def test_each_block_begins_at_the_side_of_its_own_text_and_code_is_read_as_code(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    endpoint.answer_with(reply(MIXED))
    page = await tabs.new_page()
    await page.goto(server.url)
    await say(page, HEBREW)
    said = answer(page)
    await expect(said.get_by_role("cell", name="one")).to_be_visible()
    for blocks in (said.locator(".md > p"), said.get_by_role("listitem"), said.locator("th")):
        assert [await side(blocks.nth(0)), await side(blocks.nth(1))] == ["left", "right"]
    for text, direction in (
        (said.locator("code"), "ltr"),
        (said.get_by_role("listitem").nth(1), "rtl"),
        (question(page).get_by_text(HEBREW), "rtl"),
        (page.get_by_role("heading", name=HEBREW), "rtl"),
    ):
        await expect(text).to_have_css("direction", direction)
