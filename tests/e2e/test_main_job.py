"""The main job, as a person sees it in the browser: talk, look around, survive kill -9 and a closed
tab. The server, the database file and the browser are real; only the model is a script."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from cipher.testing import FakeOpenAI, reply
from tests.e2e.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def answer(page: Page, number: int = -1) -> Locator:
    return page.get_by_role("article", name="Cipher said").nth(number)


def question(page: Page, number: int = -1) -> Locator:
    return page.get_by_role("article", name="You said").nth(number)


async def say(page: Page, text: str) -> None:
    await page.get_by_role("textbox", name="Message").fill(text)
    await page.keyboard.press("Enter")


def session_of(page: Page) -> str:
    found = re.search(r"/s/([A-Za-z0-9_-]+)$", page.url)
    assert found, page.url
    return found[1]


async def test_a_first_message_makes_a_session_and_streams_rendered_markdown(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    endpoint.answer_with(
        reply("# Head", gates[0], "ing\n\nsome **bo", gates[1], "ld** text\n\n", gates[2], "- end")
    )
    page = await tabs.new_page()
    await page.goto(server.url)
    await expect(page.get_by_role("link", name=re.compile("messages?"))).to_have_count(0)
    await say(page, "Show me a heading")
    await expect(question(page)).to_contain_text("Show me a heading")
    await expect(page).to_have_url(re.compile("/s/"))
    await expect(answer(page).get_by_role("heading")).to_have_text("Head")
    gates[0].set()
    await expect(answer(page).get_by_role("heading")).to_have_text("Heading")
    await expect(answer(page)).to_contain_text("some")
    gates[1].set()
    await expect(answer(page).locator("strong")).to_have_text("bold")
    await expect(page.get_by_role("button", name="Stop the answer")).to_be_visible()
    gates[2].set()
    await expect(answer(page).get_by_role("listitem")).to_have_text("end")
    await expect(page.get_by_role("button", name="Stop the answer")).to_have_count(0)
    said = [message.content for message in await server.stored(session_of(page))]
    assert said == ["Show me a heading", "# Heading\n\nsome **bold** text\n\n- end"]


async def test_the_panel_lists_creates_switches_renames_and_deletes(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    endpoint.answer_with(reply("Fine."))
    page = await tabs.new_page()
    await page.goto(server.url)
    await say(page, "Talk about whales")
    await expect(answer(page)).to_contain_text("Fine.")
    whales = page.get_by_role("link", name=re.compile("Talk about whales"))
    await expect(whales).to_contain_text("2")
    await (
        page.get_by_role("button", name="New chat")
        .or_(page.get_by_role("link", name="New chat"))
        .first.click()
    )
    await say(page, "Talk about ferns")
    await expect(answer(page)).to_contain_text("Fine.")
    ferns = page.get_by_role("link", name=re.compile("Talk about ferns"))
    await expect(ferns).to_be_visible()

    await whales.click()
    await expect(question(page)).to_contain_text("Talk about whales")

    await page.get_by_role("button", name="Actions for Talk about ferns").click()
    await page.get_by_role("menuitem", name="Rename").click()
    title = page.get_by_role("textbox", name="Title of the session")
    await title.fill("Ferns and mosses")
    await title.press("Enter")
    renamed = page.get_by_role("link", name=re.compile("Ferns and mosses"))
    await expect(renamed).to_be_visible()

    await page.get_by_role("button", name="Actions for Ferns and mosses").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await expect(renamed).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await expect(renamed).to_be_visible()
    await page.get_by_role("button", name="Actions for Ferns and mosses").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await expect(renamed).to_have_count(0)

    await page.reload()
    await expect(whales).to_be_visible()
    await expect(renamed).to_have_count(0)


async def test_kill_9_in_mid_answer_loses_nothing_and_retry_works(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    never = asyncio.Event()
    kept = "These words arrive before the crash. " * 80
    endpoint.answer_with(reply("All good."), reply(kept, never), reply("Whole again."))
    page = await tabs.new_page()
    await page.goto(server.url)
    await say(page, "First")
    await expect(answer(page)).to_contain_text("All good.")
    await say(page, "Second")
    await expect(answer(page)).to_contain_text("before the crash")
    session_id = session_of(page)
    await checkpointed(server, session_id)

    await server.kill()
    await expect(page.get_by_role("button", name="Retry now")).to_be_visible()
    await server.start()

    await expect(answer(page)).to_contain_text("interrupted")
    await expect(page.get_by_role("button", name="Retry now")).to_have_count(0)
    stored = await server.stored(session_id)
    assert [(m.role, m.status) for m in stored] == [
        ("user", None),
        ("assistant", "complete"),
        ("user", None),
        ("assistant", "interrupted"),
    ]
    assert stored[3].content == kept
    shown = " ".join((await answer(page).inner_text()).split())
    assert shown.startswith(" ".join(stored[3].content.split()))
    assert await page.get_by_role("article").count() == 4

    await answer(page).get_by_role("button", name=re.compile("Retry|Try again")).click()
    await expect(answer(page)).to_contain_text("Whole again.")
    await expect(page.get_by_role("article")).to_have_count(4)
    assert [m.content for m in await server.stored(session_id)][-1] == "Whole again."


async def test_the_answer_goes_on_while_the_tab_is_closed(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    middle, end = asyncio.Event(), asyncio.Event()
    endpoint.answer_with(reply("It begins, ", middle, "it goes on, ", end, "it ends."))
    page = await tabs.new_page()
    await page.goto(server.url)
    await say(page, "Tell me a story")
    await expect(answer(page)).to_contain_text("It begins,")
    address = page.url
    await page.close()

    middle.set()
    page = await tabs.new_page()
    await page.goto(address)
    await expect(answer(page)).to_contain_text("It begins, it goes on,")
    await page.close()
    end.set()
    page = await tabs.new_page()
    await page.goto(address)
    await expect(answer(page)).to_contain_text("It begins, it goes on, it ends.")
    await expect(page.get_by_role("article")).to_have_count(2)


async def test_stop_works_after_a_reload_and_keeps_what_was_said(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    endpoint.answer_with(reply("As far as this", asyncio.Event()))
    page = await tabs.new_page()
    await page.goto(server.url)
    await say(page, "Go on for ever")
    await expect(answer(page)).to_contain_text("As far as this")
    await page.reload()
    await expect(answer(page)).to_contain_text("As far as this")
    await page.get_by_role("button", name="Stop the answer").click()
    await expect(page.get_by_role("button", name="Stop the answer")).to_have_count(0)
    assert [m.status for m in await server.stored(session_of(page))] == [None, "cancelled"]


async def test_two_tabs_show_the_same(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    gate = asyncio.Event()
    endpoint.answer_with(reply("Half ", gate, "and half."))
    first = await tabs.new_page()
    await first.goto(server.url)
    await say(first, "Share this")
    await expect(answer(first)).to_contain_text("Half")
    second = await tabs.new_page()
    await second.goto(first.url)
    await expect(answer(second)).to_contain_text("Half")
    gate.set()
    for page in (first, second):
        await expect(answer(page)).to_contain_text("Half and half.")
    await say(second, "And this")
    await expect(question(first)).to_contain_text("And this")


async def test_a_message_sent_while_the_server_is_away_goes_out_when_it_is_back(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    endpoint.answer_with(reply("Here."))
    page = await tabs.new_page()
    await page.goto(server.url)
    await say(page, "Are you there?")
    await expect(answer(page)).to_contain_text("Here.")
    await server.kill()
    await say(page, "And now?")
    await expect(question(page)).to_contain_text("And now?")
    await server.start()
    await expect(answer(page, 1)).to_contain_text("Here.")
    said = [m.content for m in await server.stored(session_of(page)) if m.role == "user"]
    assert said == ["Are you there?", "And now?"]


async def checkpointed(server: Server, session_id: str) -> None:
    """Wait until the running turn has kept some of its text, by reading the file."""
    from cipher.storage.sqlite import SqliteDatabase

    database = SqliteDatabase(server.folder / "data" / "cipher-sessions.db")
    await database.open()
    try:
        async with asyncio.timeout(10):
            while True:  # a read of the file is what yields to the loop here
                unfinished = await database.unfinished_turns()
                if any(o.turn.session_id == session_id and o.turn.partial for o in unfinished):
                    return
    finally:
        await database.close()
