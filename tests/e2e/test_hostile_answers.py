"""What a model says is text: the page runs none of it, fetches none of it, and breaks no policy."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, expect

from cipher.testing import FakeOpenAI, reply
from tests.e2e.conftest import Server
from tests.e2e.test_main_job import answer, say

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

RICH = """# Rich

Euler: $e^{i\\pi} + 1 = 0$ and a display:

$$\\int_0^1 x^2 \\, dx = \\frac{1}{3}$$

| a | b |
|---|---|
| 1 | 2 |

```python
def f(x: int) -> int:
    return x + 1
```
"""
HOSTILE = """<script>window.hacked = 1</script>
<img src=x onerror="window.hacked = 2">
<svg onload="window.hacked = 3"></svg>
<iframe src="https://evil.example/"></iframe>
<style>body { display: none }</style>

![pixel](https://evil.example/pixel.png) [click](javascript:window.hacked=4)
[data](data:text/html,<script>window.hacked=5</script>) <a href="vbscript:x">v</a>

The end of it.
"""


async def test_a_rich_and_hostile_answer_is_drawn_without_running_or_fetching_anything(
    server: Server, endpoint: FakeOpenAI, tabs: BrowserContext
) -> None:
    endpoint.answer_with(reply(RICH + HOSTILE))
    page = await tabs.new_page()
    complaints: list[str] = []
    elsewhere: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(server.url) else elsewhere.append(request.url)
        ),
    )
    await page.goto(server.url)
    await say(page, "Show me everything")
    said = answer(page)
    await expect(said).to_contain_text("The end of it.")
    await expect(said.locator(".katex").first).to_be_visible()
    await expect(said.get_by_role("table")).to_be_visible()
    await expect(said.locator("code").get_by_text("def")).to_be_visible()
    assert await page.evaluate("window.hacked") is None
    assert await said.locator("script, iframe, style, img, svg[onload], object, embed").count() == 0
    links = await said.get_by_role("link").evaluate_all("found => found.map(link => link.href)")
    assert [link for link in links if not link.startswith(("http:", "https:", "mailto:"))] == []
    assert complaints == []
    assert elsewhere == []
