"""The outermost layer: request ids, the access log, and the last resort for what went wrong.

Owns the request id (`X-Request-Id`, taken over when it is well-formed, else made) and one log line
per request: debug for reading, info for changing, error where the server failed (5xx). Owns no
refusal. Promises that an exception that nobody expected ends as one logged traceback and one
`internal` answer.
"""

from __future__ import annotations

import re
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cipher.errors import CipherError
from cipher.model import is_identifier, new_id
from cipher.web.edge.metrics import Metrics
from cipher.web.wire import failure

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
_QUIET_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _QUIET_METHODS | {"POST", "PUT", "PATCH", "DELETE"}
_CLIENT_GONE = 499
"""The status that is noted where nobody was left to answer, as nginx does."""

log = structlog.get_logger()


class Access:
    """Wraps the application; nothing stands outside of it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if scope["type"] == "http":
                await self._answer(scope, receive, send, request_id)
            else:
                await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        began = time.perf_counter()
        status = 0

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except ClientDisconnect:
            status = _CLIENT_GONE
            log.debug("client went away")
        except Exception:
            log.exception("request failed")
            if not status:
                refusal = Response(failure(CipherError()), 500, media_type="application/json")
                await refusal(scope, receive, send_noted)
        self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "page" if "endpoint" in scope else "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.http_requests.labels(method, route, str(status)).inc()
        self._metrics.http_seconds.labels(route).observe(seconds)
        if status >= 500:
            write = log.error
        else:
            write = log.debug if scope["method"] in _QUIET_METHODS else log.info
        ids = {
            name: value
            for name, value in scope.get("path_params", {}).items()
            if name in ("session_id", "turn_id") and is_identifier(value)
        }
        ms = round(seconds * 1000, 1)
        write("request", method=method, route=route, status=status, ms=ms, **ids)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value.decode())
    return new_id()
