"""The page: the built files of `static/`, and how long a browser may keep them.

Owns the files of one build, held in memory by their addresses: no request ever names a path on the
disk, and the page on offer is always of one piece. A new build is noticed when the page is asked
for, and takes over once it is whole and nothing writes to it any more; until then the old one goes
on. Files under `assets/` carry a hash in their name and are kept for good by browsers; all others
are asked about each time (ETag). Copies compressed beforehand are sent to who takes them. A person
at an address that does not exist gets the page too, with status 404; a program gets the refusal.
Promises a plain sentence where the page was not built.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import mimetypes
import re
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

STATIC: Final = Path(__file__).parent / "static"

_INDEX: Final = "index.html"
_ASSETS: Final = "assets"
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
_TYPES: Final = {
    ".js": "text/javascript",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
_NAMED_ASSET: Final = re.compile(rb'(?:src|href)="/(assets/[^"?#]+)"')
_SETTLED_SECONDS: Final = 1.0
"""A build writes its files one by one: so long after the newest of them all are taken as whole."""
_NOT_BUILT: Final = (
    "The page is not built yet. `make run` builds it, or `npm ci && npm run build` in ui/.\n"
    "The API is served all the same: see /docs.\n"
)

_Mark = tuple[tuple[int, int, int] | None, ...]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFile:
    """One built file, with its compressed copies by content coding."""

    plain: bytes | None
    """The content, or None where the gzip copy has it: hardly anybody asks for it as it is."""
    media_type: str
    etag: str
    immutable: bool
    copies: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The content without any coding."""
        return gzip.decompress(self.copies["gzip"]) if self.plain is None else self.plain


class Page:
    """Answers `/`, `/s/{id}`, every built file, and people at addresses that do not exist."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder
        self._files: Mapping[str, PageFile] = {}
        self._mark: _Mark | None = None
        self._reading = asyncio.Lock()
        # Set-up starts the server right behind the build, so this one need not have settled.
        self._read(settled_only=False)

    def install(self, app: Starlette) -> None:
        """Take `/`, `/s/{id}`, and every address that nothing else takes."""
        app.router.routes.append(Route("/", self.index))
        app.router.routes.append(Route("/s/{session_id}", self.index))
        app.router.default = self._fall_back

    async def index(self, request: Request) -> Response:
        """The page itself; which session it shows is its own business."""
        index = (await self._newest()).get(_INDEX)
        if index is None:
            return PlainTextResponse(_NOT_BUILT, 503)
        return _send(request, index)

    async def _fall_back(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        request = Request(scope, receive)
        await (await self._answer(request))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["path"].removeprefix("/")
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(404)
        found = self._files.get(path)
        if found is None or not found.immutable:
            found = (await self._newest()).get(path)
        if found is not None:
            return _send(request, found)
        index = self._files.get(_INDEX)
        if index is None or path.split("/")[0] == "api" or not _is_browsing(request):
            raise HTTPException(404)
        return _send(request, index, 404)

    async def _newest(self) -> Mapping[str, PageFile]:
        """The files of the newest whole build. Looks at the disk; reads it only if it changed."""
        if _mark_of(self._folder) != self._mark:
            async with self._reading:
                if _mark_of(self._folder) != self._mark:
                    await asyncio.to_thread(self._read)
        return self._files

    def _read(self, *, settled_only: bool = True) -> None:
        """Take over what the folder holds if it is a whole build; else keep what there is."""
        self._mark = None
        before = _mark_of(self._folder)
        try:
            # Times ahead of the clock come from another machine's: nothing is being written there.
            settled = not 0 <= time.time() - _last_change(self._folder) < _SETTLED_SECONDS
            files = _find_files(self._folder)
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("page could not be read", error=type(error).__name__)
            return
        if before != _mark_of(self._folder):
            return
        if _is_whole(files) and (settled or not settled_only):
            if self._files and files != self._files:
                log.info("page was built anew")
            self._files = files
        # What is still being written may change unnoticed: it is read again.
        if settled:
            self._mark = before


def _send(request: Request, file: PageFile, status: int = 200) -> Response:
    headers = {
        "etag": file.etag,
        "vary": "accept-encoding",
        "cache-control": "public, max-age=31536000, immutable" if file.immutable else "no-cache",
    }
    if status == 200 and file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    accepted = _accepted(request, "accept-encoding")
    coding = next((coding for coding in file.copies if coding in accepted), None)
    if coding is not None:
        headers["content-encoding"] = coding
    body = file.body if coding is None else file.copies[coding]
    headers["content-length"] = str(len(body))
    content = b"" if request.method == "HEAD" else body
    return Response(content, status, headers, media_type=file.media_type)


def _is_browsing(request: Request) -> bool:
    """Whether a person's browser asks for a page, and not a program or a part of a page."""
    return "text/html" in _accepted(request, "accept")


def _accepted(request: Request, header: str) -> set[str]:
    return {
        choice.partition(";")[0].strip().lower()
        for choice in request.headers.get(header, "").split(",")
        if choice.replace(" ", "").partition(";q=")[2] not in ("0", "0.0")
    }


def _mark_of(folder: Path) -> _Mark:
    """What tells one build from the next, without reading: these stats alone run on the loop.

    The folders tell of files that come, go or are put in place of others.
    """
    return tuple(_stat_of(path) for path in (folder, folder / _ASSETS, folder / _INDEX))


def _stat_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _last_change(folder: Path) -> float:
    """When something in the folder was written last, in seconds since 1970; 0 if nothing is."""
    paths = [folder, *folder.rglob("*")] if folder.is_dir() else []
    return max((path.stat().st_mtime for path in paths), default=0.0)


def _is_whole(files: Mapping[str, PageFile]) -> bool:
    """Whether the page is there, and every asset that it names."""
    index = files.get(_INDEX)
    return index is not None and all(
        name.decode() in files for name in _NAMED_ASSET.findall(index.body)
    )


def _find_files(folder: Path) -> dict[str, PageFile]:
    suffixes = tuple(suffix for _, suffix in _ENCODINGS)
    return {
        path.relative_to(folder).as_posix(): _read_file(path, folder)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(suffixes)
    }


def _read_file(path: Path, folder: Path) -> PageFile:
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    body = path.read_bytes()
    beside = {coding: path.with_name(path.name + suffix) for coding, suffix in _ENCODINGS}
    copies = {coding: copy.read_bytes() for coding, copy in beside.items() if copy.is_file()}
    return PageFile(
        plain=None if _unpacked(copies.get("gzip", b"")) == body else body,
        media_type=media_type or "application/octet-stream",
        etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        immutable=path.relative_to(folder).parts[0] == _ASSETS,
        copies=copies,
    )


def _unpacked(packed: bytes) -> bytes | None:
    try:
        return gzip.decompress(packed) if packed else None
    except (OSError, EOFError, zlib.error):
        return None
