"""What the page does with answers that broke and with a line that is lost: nothing is hidden,
nothing jumps, and everything can be asked again. Server, database file and browser are real."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import BrowserContext, Locator, Page, WebSocketRoute, expect

from cipher.testing import FakeOpenAI, reply
from tests.e2e.conftest import Server
from tests.e2e.test_main_job import answer, checkpointed, question, say, session_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

LONG = "Line after line of it.\n\n" * 60


def banner(page: Page) -> Locator:
    return page.get_by_role("button", name="Retry now")


async def test_a_broken_answer_that_was_followed_is_asked_again_at_the_end_and_once(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    endpoint.answer_with(reply("Half", asyncio.Event()), reply("Fine."), reply("All of it."))
    page = await tabs.new_page()
    await page.goto(server.url)
    await say(page, "Tell me")
    await expect(answer(page)).to_contain_text("Half")
    await checkpointed(server, session_of(page))
    await server.kill()
    await say(page, "And this?")
    await server.start()
    await expect(answer(page)).to_contain_text("Fine.")
    broken = answer(page, 0)
    await expect(broken).to_contain_text("interrupted")
    await expect(broken.get_by_role("button", name="Retry")).to_have_count(0)
    await broken.get_by_role("button", name="Ask again").dblclick()
    await expect(answer(page)).to_contain_text("All of it.")
    await expect(page.get_by_role("button", name="Ask again")).to_have_count(0)
    said = [m.content for m in await server.stored(session_of(page)) if m.role == "user"]
    assert said == ["Tell me", "And this?", "Tell me"]


async def test_a_running_answer_is_paused_without_a_line_and_a_stop_is_kept_for_later(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    endpoint.answer_with(reply("As far as this", asyncio.Event()))
    page = await tabs.new_page()
    line = Line()
    await line.lay(page)
    await page.goto(server.url)
    await say(page, "Go on for ever")
    await expect(answer(page)).to_contain_text("As far as this")
    await expect(page.locator(".prose-live")).to_have_count(1)
    await line.cut()
    await expect(answer(page)).to_contain_text("Paused: no connection")
    moving = page.get_by_role("log").locator(".prose-live, .animate-breathe")
    await expect(moving).to_have_count(0)
    await page.get_by_role("button", name="Stop the answer").click()
    await expect(answer(page)).to_contain_text("Stops when the connection is back")
    assert [m.status for m in await server.stored(session_of(page))] == [None]
    line.mend()
    await expect(answer(page)).to_contain_text("Stopped. What arrived is kept.")
    await expect(page.get_by_role("button", name="Stop the answer")).to_have_count(0)
    assert [m.status for m in await server.stored(session_of(page))] == [None, "cancelled"]


@pytest.mark.parametrize("text", ["Short.", LONG], ids=["short", "long"])
async def test_the_banner_covers_nothing_and_moves_nothing_that_is_read(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext, text: str
) -> None:
    endpoint.answer_with(reply(text))
    page = await tabs.new_page()
    line = Line()
    await line.lay(page)
    await page.goto(server.url)
    await say(page, "Write")
    await expect(answer(page).get_by_role("button", name="Copy answer")).to_have_count(1)
    for up in (0, 300):
        await page.get_by_role("log").evaluate("(log, up) => { log.scrollTop -= up }", up)
        before = await places(page)
        await line.cut()
        await expect(banner(page)).to_be_visible()
        assert await places(page) == pytest.approx(before, abs=1)
        edge = await page.get_by_role("log").evaluate("log => log.getBoundingClientRect().top")
        box = await banner(page).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= edge
        line.mend()
        await expect(banner(page)).to_have_count(0)
        assert await places(page) == pytest.approx(before, abs=1)


async def test_the_longest_message_in_any_script_goes_through(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    endpoint.answer_with(reply("Read."))
    page = await tabs.new_page()
    await page.goto(server.url)
    longest = "語" * 200_000
    await say(page, longest)
    await expect(answer(page)).to_contain_text("Read.")
    await expect(question(page)).to_contain_text("Show all 200,000 characters")
    await say(page, "And a short one")
    await expect(question(page)).to_contain_text("And a short one")
    await expect(answer(page, 1)).to_contain_text("Read.")
    said = [m.content for m in await server.stored(session_of(page)) if m.role == "user"]
    assert said == [longest, "And a short one"]


async def places(page: Page) -> list[float]:
    """How far down on the screen each message is, once a frame was drawn."""
    await page.evaluate("new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)))")
    tops: list[float] = await page.get_by_role("article").evaluate_all(
        "found => found.map(article => article.getBoundingClientRect().top)"
    )
    return tops


class Line:
    """The page's socket, which a test can cut while the server goes on."""

    def __init__(self) -> None:
        self._up = True
        self._open: list[WebSocketRoute] = []

    async def lay(self, page: Page) -> None:
        await page.route_web_socket("**/ws", self._dial)

    async def cut(self) -> None:
        self._up = False
        while self._open:
            await self._open.pop().close(code=1012)

    def mend(self) -> None:
        self._up = True

    async def _dial(self, socket: WebSocketRoute) -> None:
        if not self._up:
            await socket.close(code=1012)
            return
        self._open += [socket, socket.connect_to_server()]
