"""`/ws`: which mode a socket speaks, or why it is not accepted.

Owns the choice by the subprotocols that the client offers. Host and Origin were checked before.
"""

from __future__ import annotations

from starlette.websockets import WebSocket

from cipher.errors import Draining
from cipher.model import LOCAL_OWNER
from cipher.web.routes.answers import refuse
from cipher.web.socket.brief import BriefConnection
from cipher.web.socket.connection import SocketContext
from cipher.web.socket.v1 import SUBPROTOCOL, V1Connection


class SocketEndpoint:
    """Serves `/ws`."""

    def __init__(self, context: SocketContext) -> None:
        self._context = context

    async def serve(self, websocket: WebSocket) -> None:
        """One socket, from its handshake to its end."""
        if self._context.agent.draining:
            await websocket.send_denial_response(refuse(Draining()))
            return
        gauge = self._context.metrics.sockets
        with gauge.track_inprogress():
            if SUBPROTOCOL in websocket.scope["subprotocols"]:
                await V1Connection(websocket, self._context, LOCAL_OWNER).run(SUBPROTOCOL)
            else:
                await BriefConnection(websocket, self._context, LOCAL_OWNER).run(None)
