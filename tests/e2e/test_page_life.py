"""The page where things go wrong around it: its script does not come, a part of it is gone after a
new build, the address is no page, the conversation is deleted elsewhere. No page is blank, and no
draft is lost."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from cipher.testing import FakeOpenAI, reply
from tests.e2e.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


async def talk(server: Server, endpoint: FakeOpenAI, page: Page, text: str) -> None:
    endpoint.answer_with(reply("Fair Winds."))
    await page.goto(server.url)
    await page.get_by_role("textbox", name="Message").fill(text)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("article", name="Cipher said")).to_contain_text("Fair Winds.")


async def gone(route: Route) -> None:
    await route.fulfill(status=404, content_type="application/json", body="{}")


async def test_a_page_whose_script_does_not_come_says_so(
    server: Server, tabs: BrowserContext
) -> None:
    page = await tabs.new_page()
    await page.route(re.compile(r"/assets/index-.*\.js"), gone)
    await page.goto(server.url)
    sentence = page.get_by_text("Cipher has not started yet")
    await expect(sentence).to_have_count(1)
    await expect(sentence).to_be_visible()
    await page.unroute_all()
    await page.get_by_role("link", name="Load the page again").click()
    await expect(page.get_by_role("textbox", name="Message")).to_be_visible()
    await expect(sentence).to_have_count(0)


async def test_a_browser_without_script_is_told(server: Server, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(server.url)
    # Playwright looks for texts everywhere but in a noscript.
    told = page.locator("noscript h1")
    await expect(told).to_be_visible()
    await expect(told).to_have_text("Cipher needs JavaScript")
    await expect(page.get_by_text("Cipher has not started yet")).to_be_hidden()
    await context.close()


async def test_a_part_that_is_gone_takes_nothing_with_it(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    page = await tabs.new_page()
    await talk(server, endpoint, page, "Names for the boat")
    parts = re.compile(r"/assets/(Transcript|SessionPanel)-.*\.js")
    await page.route(parts, gone)
    loads = 0

    def loaded(_: Page) -> None:
        nonlocal loads
        loads += 1

    page.on("load", loaded)
    await page.reload()
    await expect(page.get_by_text("The conversation did not load.")).to_be_visible()
    await expect(page.get_by_text("The session panel did not load.")).to_be_visible()
    composer = page.get_by_role("textbox", name="Message")
    await composer.fill("half a sentence")
    assert loads == 1, "the page must not load itself again"
    await page.unroute_all()
    await page.get_by_role("main").get_by_role("button", name="Reload").click()
    await expect(page.get_by_role("article", name="Cipher said")).to_contain_text("Fair Winds.")
    await expect(composer).to_have_value("half a sentence")
    await expect(page.get_by_role("link", name=re.compile("Names for the boat"))).to_be_visible()


async def test_an_address_that_is_no_page_leads_home(server: Server, tabs: BrowserContext) -> None:
    page = await tabs.new_page()
    response = await page.goto(f"{server.url}/nonsense/path")
    assert response is not None
    assert response.status == 404
    await expect(page.get_by_role("heading", name="This page does not exist")).to_be_visible()
    await page.get_by_role("button", name="Go to the start page").click()
    await expect(page).to_have_url(f"{server.url}/")
    await expect(page.get_by_role("textbox", name="Message")).to_be_visible()


async def test_a_session_deleted_in_another_tab_comes_back_with_its_draft(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    page = await tabs.new_page()
    await talk(server, endpoint, page, "Names for the boat")
    row = page.get_by_role("link", name=re.compile("Names for the boat"))
    await expect(row).not_to_contain_text("Draft")
    await page.get_by_role("textbox", name="Message").fill("Something with wind")
    await expect(row).to_contain_text("Draft")

    other = await tabs.new_page()
    await other.goto(server.url)
    there = other.get_by_role("link", name=re.compile("Names for the boat"))
    await there.focus()
    await other.keyboard.press("Delete")

    await expect(page.get_by_role("heading", name="This conversation was deleted")).to_be_visible()
    await expect(row).to_have_count(0)
    await expect(page.get_by_role("group", name="Not sent yet")).to_have_text("Something with wind")
    await page.get_by_role("button", name="Restore").click()
    await expect(page.get_by_role("article", name="Cipher said")).to_contain_text("Fair Winds.")
    await expect(page.get_by_role("textbox", name="Message")).to_have_value("Something with wind")
    await expect(row).to_contain_text("Draft")
    await expect(there).to_be_visible()
