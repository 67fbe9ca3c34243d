"""The limit on bodies: nobody makes the server hold more than it asked for.

Owns counting what comes, whether or not its length was declared, and the patience with a body that
stops coming: an upload that hangs must not keep others waiting. Promises that a body over the limit
raises `TooLarge` where it is read, so that the refusal looks like any other. What the client still
sends is thrown away by the HTTP layer, so that it gets to read the refusal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cipher.errors import BadRequest, TooLarge


class BodyLimit:
    """`max_bytes` for every path but those in `exceptions`; `idle_seconds` between two pieces."""

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int,
        exceptions: Mapping[str, int],
        *,
        idle_seconds: float = 30.0,
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._exceptions = exceptions
        self._idle_seconds = idle_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._exceptions.get(scope["path"], self._max_bytes)
        size, complete = 0, False

        async def receive_limited() -> Message:
            nonlocal size, complete
            if _declared(scope) > limit:
                raise TooLarge
            try:
                # After the body comes only the end of the connection, which may take long.
                async with asyncio.timeout(None if complete else self._idle_seconds):
                    message = await receive()
            except TimeoutError:
                raise BadRequest("The body stopped coming.") from None
            complete = not message.get("more_body", False)
            size += len(message.get("body", b""))
            if size > limit:
                raise TooLarge
            return message

        await self._app(scope, receive_limited, send)


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
