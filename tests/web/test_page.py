"""The page's files: what is served, how long it may be kept, and what is not there."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from cipher.web.page import Page

INDEX = b"<!doctype html><title>Cipher</title>"
SCRIPT = b"console.log('hello')"


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser in front of a page that was built."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_bytes(INDEX)
    (folder / "favicon.svg").write_bytes(b"<svg/>")
    (folder / "assets" / "index-B1a2.js").write_bytes(SCRIPT)
    (folder / "assets" / "index-B1a2.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "assets" / "index-B1a2.js.br").write_bytes(b"pretend brotli")
    (folder / "assets" / "font.woff2").write_bytes(b"font")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    async with browser(folder) as client:
        yield client


def browser(folder: Path) -> httpx2.AsyncClient:
    app = Starlette()
    Page(folder).install(app)
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://localhost", trust_env=False
    )


@pytest.mark.parametrize("path", ["/", "/s/some-session", "/index.html"])
async def test_the_page_is_asked_about_each_time(page: httpx2.AsyncClient, path: str) -> None:
    response = await page.get(path)
    assert (response.status_code, response.content) == (200, INDEX)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    known = {"If-None-Match": response.headers["etag"]}
    again = await page.get(path, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == response.headers["etag"]


async def test_files_with_a_hash_in_their_name_are_kept(page: httpx2.AsyncClient) -> None:
    response = await page.get("/assets/index-B1a2.js", headers={"Accept-Encoding": "identity"})
    assert response.content == SCRIPT
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br; q=0", None),
        ("zstd", None),
        ("", None),
    ],
)
async def test_compressed_copies_go_to_who_takes_them(
    page: httpx2.AsyncClient, accepted: str, coding: str | None
) -> None:
    headers = {"Accept-Encoding": accepted}
    async with page.stream("GET", "/assets/index-B1a2.js", headers=headers) as response:
        assert response.headers.get("content-encoding") == coding
        assert response.headers["vary"] == "accept-encoding"
        assert response.headers["content-type"].startswith("text/javascript")
        [_ async for _ in response.aiter_raw()]


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/favicon.svg", "image/svg+xml"), ("/assets/font.woff2", "font/woff2")],
)
async def test_files_have_their_types(page: httpx2.AsyncClient, path: str, media_type: str) -> None:
    assert (await page.get(path)).headers["content-type"] == media_type


async def test_head_has_no_body(page: httpx2.AsyncClient) -> None:
    for path in ("/", "/assets/index-B1a2.js"):
        response = await page.head(path)
        assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nope"),
        ("GET", "/assets"),
        ("GET", "/assets/"),
        ("GET", "/assets/index-B1a2.js.gz"),
        ("GET", "/../secret.txt"),
        ("GET", "/assets/%2e%2e/%2e%2e/secret.txt"),
        ("POST", "/favicon.svg"),
        ("GET", "/s/a/b"),
    ],
)
async def test_nothing_else_is_served(page: httpx2.AsyncClient, method: str, path: str) -> None:
    assert (await page.request(method, path)).status_code == 404


async def test_a_page_that_was_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    async with browser(tmp_path / "nothing") as client:
        response = await client.get("/")
        assert response.status_code == 503
        assert response.headers["content-type"].startswith("text/plain")
        assert "make run" in response.text
