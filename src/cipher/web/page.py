"""The page: the built files of `static/`, and how long a browser may keep them.

Owns the files that exist when the server starts, by their addresses, so that no request ever names
a path on the disk. Files under `assets/` carry a hash in their name and are kept for good; all
others are asked about each time (ETag). Copies compressed beforehand are sent to who takes them.
Promises a plain sentence where the page was not built.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

STATIC: Final = Path(__file__).parent / "static"

_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
_TYPES: Final = {
    ".js": "text/javascript",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
_NOT_BUILT: Final = (
    "The page is not built yet. `make run` builds it, or `npm ci && npm run build` in ui/.\n"
    "The API is served all the same: see /docs.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFile:
    """One built file, with its compressed copies by content coding."""

    path: Path
    media_type: str
    etag: str
    immutable: bool
    copies: dict[str, Path] = field(default_factory=dict)


class Page:
    """Answers `/`, `/s/{id}` and every built file."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._files = _find_files(folder)

    def install(self, app: Starlette) -> None:
        """Take `/`, `/s/{id}`, and every address that nothing else takes."""
        app.router.routes.append(Route("/", self.index))
        app.router.routes.append(Route("/s/{session_id}", self.index))
        app.router.default = self._fall_back

    async def index(self, request: Request) -> Response:
        """The page itself; which session it shows is its own business."""
        index = self._files.get("index.html")
        if index is None:
            return PlainTextResponse(_NOT_BUILT, 503)
        return _send(request, index)

    async def _fall_back(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        request = Request(scope, receive)
        found = self._files.get(scope["path"].removeprefix("/"))
        if found is None or request.method not in ("GET", "HEAD"):
            raise HTTPException(404)
        await _send(request, found)(scope, receive, send)


def _send(request: Request, file: PageFile) -> Response:
    headers = {
        "etag": file.etag,
        "vary": "accept-encoding",
        "cache-control": "public, max-age=31536000, immutable" if file.immutable else "no-cache",
    }
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    accepted = {
        coding.partition(";")[0].strip()
        for coding in request.headers.get("accept-encoding", "").split(",")
        if coding.replace(" ", "").partition(";q=")[2] not in ("0", "0.0")
    }
    for coding, copy in file.copies.items():
        if coding in accepted:
            headers["content-encoding"] = coding
            return FileResponse(copy, headers=headers, media_type=file.media_type)
    return FileResponse(file.path, headers=headers, media_type=file.media_type)


def _find_files(folder: Path) -> dict[str, PageFile]:
    suffixes = tuple(suffix for _, suffix in _ENCODINGS)
    return {
        path.relative_to(folder).as_posix(): _describe(path, folder)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(suffixes)
    }


def _describe(path: Path, folder: Path) -> PageFile:
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    copies = {coding: path.with_name(path.name + suffix) for coding, suffix in _ENCODINGS}
    return PageFile(
        path=path,
        media_type=media_type or "application/octet-stream",
        etag=f'"{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}"',
        immutable=path.relative_to(folder).parts[0] == "assets",
        copies={coding: copy for coding, copy in copies.items() if copy.is_file()},
    )
