"""The page's files: what is served, how long it may be kept, and what is not there."""

from __future__ import annotations

import gzip
import os
import shutil
import time
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


@pytest.mark.parametrize("path", ["/nonsense/path", "/s/a/b", "/apiary"])
async def test_a_person_at_no_address_gets_the_page_and_the_status(
    page: httpx2.AsyncClient, path: str
) -> None:
    browsing = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Encoding": ""}
    response = await page.get(path, headers=browsing)
    assert (response.status_code, response.content) == (404, INDEX)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    known = browsing | {"If-None-Match": response.headers["etag"]}
    assert (await page.get(path, headers=known)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "accept"),
    [
        ("GET", "/api", "text/html"),
        ("GET", "/api/nonsense", "text/html"),
        ("POST", "/nonsense", "text/html"),
        ("GET", "/nonsense", "application/json"),
        ("GET", "/assets/gone-B1a2.js", "*/*"),
        ("GET", "/nonsense", "text/html;q=0, */*"),
    ],
)
async def test_a_program_at_no_address_is_refused(
    page: httpx2.AsyncClient, method: str, path: str, accept: str
) -> None:
    response = await page.request(method, path, headers={"Accept": accept})
    assert response.status_code == 404
    assert response.content != INDEX


def build(folder: Path, name: str, *, age: float = 60) -> bytes:
    """Puts a build of the page in place of what is there, as if `age` seconds ago."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "assets").mkdir(parents=True)
    index = f'<script type="module" src="/assets/{name}.js"></script>'.encode()
    for path, content in (("index.html", index), (f"assets/{name}.js", name.encode())):
        (folder / path).write_bytes(content)
        (folder / f"{path}.gz").write_bytes(gzip.compress(content))
    wrote(folder, age=age)
    return index


def wrote(folder: Path, *, age: float) -> None:
    then = time.time() - age
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (then, then))


async def test_a_new_build_is_served_without_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    build(folder, "one")
    async with browser(folder) as client:
        first = await client.get("/")
        index = build(folder, "two", age=30)
        second = await client.get("/", headers={"If-None-Match": first.headers["etag"]})
        assert (second.status_code, second.content) == (200, index)
        assert second.headers["content-encoding"] == "gzip"
        assert second.headers["etag"] != first.headers["etag"]
        assert (await client.get("/assets/two.js")).content == b"two"
        assert (await client.get("/assets/one.js")).status_code == 404


@pytest.mark.parametrize("missing", ["index.html", "assets/two.js"])
async def test_the_old_page_goes_on_while_a_new_one_is_in_pieces(
    tmp_path: Path, missing: str
) -> None:
    folder = tmp_path / "static"
    old = build(folder, "one")
    async with browser(folder) as client:
        new = build(folder, "two")
        piece = (folder / missing).read_bytes()
        (folder / missing).unlink()
        wrote(folder, age=30)
        assert (await client.get("/")).content == old
        assert (await client.get("/assets/one.js")).content == b"one"
        (folder / missing).write_bytes(piece)
        wrote(folder, age=20)
        assert (await client.get("/")).content == new


async def test_a_build_that_is_still_being_written_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "static"
    old = build(folder, "one")
    async with browser(folder) as client:
        new = build(folder, "two", age=0)
        written = (folder / "index.html").stat().st_mtime
        monkeypatch.setattr("cipher.web.page.time.time", lambda: written + 0.5)
        assert (await client.get("/")).content == old
        monkeypatch.setattr("cipher.web.page.time.time", lambda: written + 2)
        assert (await client.get("/")).content == new


async def test_a_page_that_is_taken_away_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    old = build(folder, "one")
    async with browser(folder) as client:
        shutil.rmtree(folder)
        for path, content in (("/", old), ("/assets/one.js", b"one")):
            assert (await client.get(path)).content == content


async def test_a_page_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    index = build(folder, "one")
    async with browser(folder) as client:
        # Its bytes change but nothing that a build changes with them: only a reader would notice.
        file = folder / "index.html"
        before = file.stat()
        with file.open("r+b") as writer:
            writer.write(b"X")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        plain = {"Accept-Encoding": "identity"}
        assert (await client.get("/", headers=plain)).content == index


async def test_a_page_that_is_built_later_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    async with browser(folder) as client:
        assert (await client.get("/")).status_code == 503
        index = build(folder, "one")
        assert (await client.get("/")).content == index


async def test_a_page_that_was_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    async with browser(tmp_path / "nothing") as client:
        response = await client.get("/")
        assert response.status_code == 503
        assert response.headers["content-type"].startswith("text/plain")
        assert "make run" in response.text
