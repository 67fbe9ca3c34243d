"""Brief mode: the five events of the brief, for clients that offer no subprotocol.

Owns what such a client gets: news of all sessions, and the assistant's messages, whole, of the
sessions that it sent to on this connection. No acks, no deltas, no resuming: a client that wants to
know what it missed loads the history.
"""

from __future__ import annotations

from starlette.websockets import WebSocket

from cipher.events import (
    Event,
    MessageReceived,
    SessionCreated,
    SessionDeleted,
    SessionLoaded,
    TurnEnded,
)
from cipher.model import Appended
from cipher.web.requests import SendCommand
from cipher.web.socket.connection import Connection, SocketContext
from cipher.web.socket.frames import Command, Frame, Ref, SocketError, reply


class BriefConnection(Connection):
    """A socket in brief mode, which is also the listener of the sessions that it sent to."""

    mode = "brief"
    brief = True

    def __init__(self, websocket: WebSocket, context: SocketContext, owner_id: str) -> None:
        super().__init__(websocket, context, owner_id)
        self._sessions: set[str] = set()

    async def obey(self, command: Command) -> None:
        """Send a message; from then on the session's answers come back here."""
        send: SendCommand = command.payload
        if send.session_id not in self._sessions:
            # Joined before the message is stored: its answer can not be missed.
            await self.agent.sessions.get(self.owner_id, send.session_id)
            self._sessions.add(send.session_id)
            self.context.hub.join(self.owner_id, send.session_id, self)
        self.send(send, command.ref)

    def accepted(self, command: SendCommand, ref: Ref, appended: Appended) -> None:
        """Brief mode knows no acks: the answer says enough."""

    def receive(self, event: Event, frame: Frame) -> None:
        """Pass on what the brief names."""
        match event:
            case SessionCreated() | SessionLoaded():
                self.outbox.put(frame)
            case SessionDeleted():
                self._forget(event.session_id)
                self.outbox.put(frame)
            case MessageReceived() if event.message.role == "assistant":
                self.outbox.put(frame)
            case TurnEnded() if event.reason is not None:
                self.outbox.put(_failure(event))
            case _:
                pass

    def leave(self) -> None:
        for session_id in tuple(self._sessions):
            self._forget(session_id)

    def _forget(self, session_id: str) -> None:
        self._sessions.discard(session_id)
        self.context.hub.leave(self.owner_id, session_id, self)
        self.outbox.drop(session_id, deltas_only=False)


def _failure(event: TurnEnded) -> Frame:
    """Why there is no answer; where clients know turns, `turn:ended` says it."""
    error = SocketError(
        code=event.reason or "internal",
        message=event.message or "",
        retryable=event.retryable,
        session_id=event.session_id,
        turn_id=event.turn_id,
    )
    return reply("error", error, session_id=event.session_id)
