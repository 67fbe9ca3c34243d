"""The guard: which hosts and origins are answered, and the headers that every answer carries.

Owns the two allow-lists of the protocol. A Host that is not ours means DNS rebinding, an Origin
that is not ours means another site's page: both are refused before anything else looks at the
request, on the socket too. Owns no sign-in. Promises that every HTTP response, an error or a file
alike, carries the content security policy and its companions.
"""

from __future__ import annotations

from typing import Final

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cipher.config import Settings
from cipher.errors import CipherError, ForbiddenHost, ForbiddenOrigin, TooLarge
from cipher.web.wire import failure, status_of

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; manifest-src 'self'"
)
MAX_TARGET_BYTES: Final = 16_384

SECURITY_HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}

log = structlog.get_logger()


class AllowList:
    """The names that this server goes by.

    Its own names (loopback and `API_HOST`) count with the port that it listens on, and in a Host
    header also without one. A name from `API_ALLOWED_HOSTS` counts as it is written, and, written
    without a port, also with the port that the server listens on.
    """

    def __init__(self, settings: Settings) -> None:
        host = settings.api_host.lower()
        self._own = {"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host}
        self._further = {
            entry.strip().lower()
            for entry in settings.api_allowed_hosts.split(",")
            if entry.strip()
        }

    def has_host(self, header: str, port: int | None) -> bool:
        """Whether a Host header names this server."""
        host = header.lower()
        return host in self._own or host in self._further or self._with_port(host, port)

    def has_origin(self, header: str, port: int | None) -> bool:
        """Whether an Origin header names a page of this server."""
        scheme, _, host = header.lower().partition("://")
        if scheme not in _DEFAULT_PORTS:
            return False
        if host in self._further or self._with_port(host, port):
            return True
        # Browsers leave out a scheme's own port, so a bare name means that port and no other.
        return host in self._own and _DEFAULT_PORTS[scheme] == port

    def _with_port(self, host: str, port: int | None) -> bool:
        name, colon, given = host.rpartition(":")
        return bool(colon) and given == str(port) and (name in self._own or name in self._further)


class SecurityHeaders:
    """Puts the security headers on every response that passes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_signed(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
            await send(message)

        await self._app(scope, receive, send_signed)


class Guard:
    """Refuses requests that are addressed to, or come from, somewhere else."""

    def __init__(self, app: ASGIApp, allowed: AllowList) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            try:
                self._check(scope)
            except CipherError as error:
                log.warning("request refused", code=error.code)
                refusal = Response(failure(error), status_of(error), media_type="application/json")
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > MAX_TARGET_BYTES:
            raise TooLarge("The address is too long.")
        server = scope.get("server")
        port = server[1] if server else None
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or not self._allowed.has_host(hosts[0], port):
            raise ForbiddenHost
        if scope["type"] == "http" and scope["method"] in _SAFE_METHODS:
            return
        origins = _values(scope, b"origin")
        # Programs send no Origin; browsers always do where it matters.
        if origins and not (len(origins) == 1 and self._allowed.has_origin(origins[0], port)):
            raise ForbiddenOrigin


def _values(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
