"""The limit on bodies: nobody makes the server hold more than it asked for.

Owns counting what comes, whether or not its length was declared. Promises that a body over the
limit raises `TooLarge` where it is read, so that the refusal looks like any other. What the client
still sends is thrown away by the HTTP layer, so that it gets to read the refusal.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cipher.errors import TooLarge


class BodyLimit:
    """`max_bytes` for every path but those in `exceptions`."""

    def __init__(self, app: ASGIApp, max_bytes: int, exceptions: Mapping[str, int]) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._exceptions = exceptions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._exceptions.get(scope["path"], self._max_bytes)
        size = 0

        async def receive_limited() -> Message:
            nonlocal size
            if _declared(scope) > limit:
                raise TooLarge
            message = await receive()
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
