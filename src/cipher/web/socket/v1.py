"""`sessions.v1`: the subprotocol with resuming, streaming, acks and turns.

Owns what each of its commands does and which events its client gets: those of all sessions, and of
the inside of those that it is subscribed to. Promises that the ack of a message comes before the
message itself, and both after the commit.
"""

from __future__ import annotations

from functools import partial

import msgspec
from starlette.websockets import WebSocket

from cipher.errors import BadRequest, CipherError
from cipher.events import Event, SessionDeleted
from cipher.model import MAX_CONTENT_CHARS, Appended, Message, new_id, to_ms, utc_now
from cipher.web.requests import Hello, Ping, SendCommand, Subscribe, TurnCommand, Unsubscribe
from cipher.web.socket.connection import BAD_FRAMES, Closing, Connection, SocketContext
from cipher.web.socket.feed import Feed
from cipher.web.socket.frames import Command, Frame, Limits, Pong, Ref, Welcome, refusal, reply
from cipher.web.wire import Ack, Model, ack

SUBPROTOCOL = "sessions.v1"


class V1Connection(Connection):
    """A socket that speaks `sessions.v1`."""

    mode = SUBPROTOCOL
    brief = False

    def __init__(self, websocket: WebSocket, context: SocketContext, owner_id: str) -> None:
        super().__init__(websocket, context, owner_id)
        self.silence_seconds = self.limits.heartbeat_seconds
        self._feeds: dict[str, Feed] = {}
        self._acked: SendCommand | None = None
        """The send that is acked already, because its message came over the bus first."""

    async def begin(self) -> None:
        """Wait for `hello`, answer it, and subscribe to what it asks for."""
        command = await self.next_command(self.limits.hello_seconds)
        hello = command.payload
        if not isinstance(hello, Hello) or hello.v != 1:
            self.outbox.put(refusal(BadRequest("Begin with hello, v 1."), command.ref))
            raise Closing(BAD_FRAMES, "no hello")
        self.outbox.put(reply("welcome", self._welcome(), ref=command.ref))
        for wish in hello.subs:
            self._subscribe(wish, None)

    async def obey(self, command: Command) -> None:
        match command.payload:
            case SendCommand() as send:
                if send.client_msg_id is None:
                    send = msgspec.structs.replace(send, client_msg_id=new_id())
                self.send(send, command.ref)
            case Subscribe() as wish:
                self._subscribe(wish, command.ref)
            case Unsubscribe(session_id=session_id):
                self._unsubscribe(session_id)
            case TurnCommand(session_id=session_id, turn_id=turn_id):
                await self._steer(command.type, session_id, turn_id)
            case Ping(t=t):
                heads = {feed.session_id: feed.head for feed in self._feeds.values()}
                self.outbox.put(reply("pong", Pong(t=t, heads=heads), ref=command.ref))
            case _:
                raise BadRequest("hello was said already.")

    def accepted(self, command: SendCommand, ref: Ref, appended: Appended) -> None:
        if self._acked is not command:
            durability = self.context.storage.database.durability
            self.outbox.put(reply("message:ack", ack(appended, durability), ref=ref))
        self._acked = None

    def receive(self, event: Event, frame: Frame) -> None:
        # Nothing of a deleted session is served, whatever was under way.
        if isinstance(event, SessionDeleted):
            self._unsubscribe(event.session_id)
            self.outbox.drop(event.session_id, deltas_only=False)
        self.outbox.put(frame)

    def leave(self) -> None:
        for session_id in tuple(self._feeds):
            self._unsubscribe(session_id)

    async def _steer(self, what: str, session_id: str, turn_id: str) -> None:
        if what == "turn:cancel":
            await self.agent.cancel(self.owner_id, session_id, turn_id)
        else:
            self.count_send()
            await self.agent.retry(self.owner_id, session_id, turn_id)

    def _subscribe(self, wish: Subscribe, ref: Ref) -> None:
        self._unsubscribe(wish.session_id)
        if len(self._feeds) >= self.limits.subscriptions:
            error = BadRequest(f"At most {self.limits.subscriptions} subscriptions at a time.")
            self.answer_error(error, wish, ref)
            return
        try:
            feed = Feed(
                self.agent,
                self.owner_id,
                wish.session_id,
                self.outbox,
                spawn=self.spawn,
                on_message=self._ack_early,
                on_end=self._end,
            )
        except CipherError as error:
            self.answer_error(error, wish, ref)
            return
        self._feeds[wish.session_id] = feed
        self.context.hub.join(self.owner_id, wish.session_id, feed)
        self.spawn(partial(self._open, feed, wish, ref))

    async def _open(self, feed: Feed, wish: Subscribe, ref: Ref) -> None:
        try:
            await feed.open(wish, max_messages=self.limits.replay_messages, ref=ref)
        except CipherError as error:
            self._end(feed)
            self.answer_error(error, wish, ref)

    def _unsubscribe(self, session_id: str) -> None:
        feed = self._feeds.get(session_id)
        if feed is not None:
            self._end(feed)

    def _end(self, feed: Feed) -> None:
        feed.close()
        self.context.hub.leave(self.owner_id, feed.session_id, feed)
        if self._feeds.get(feed.session_id) is feed:
            del self._feeds[feed.session_id]

    def _ack_early(self, session_id: str, epoch: str, message: Message) -> None:
        """Ack a message that comes over the bus before the call that stored it has returned."""
        if self.sending is None:
            return
        command, ref = self.sending
        if (
            self._acked is command
            or command.session_id != session_id
            or message.client_msg_id != command.client_msg_id
        ):
            return
        self._acked = command
        receipt = Ack(
            session_id=session_id,
            client_msg_id=message.client_msg_id,
            message_id=message.id,
            epoch=epoch,
            seq=message.seq,
            durability=self.context.storage.database.durability,
            duplicate=False,
            turn_id=message.turn_id,
        )
        self.outbox.put(reply("message:ack", receipt, ref=ref))

    def _welcome(self) -> Welcome:
        limits, model = self.limits, self.agent.model
        return Welcome(
            v=1,
            conn_id=self.id,
            server_time=to_ms(utc_now()),
            heartbeat_ms=round(limits.ping_seconds * 1000),
            storage=self.context.storage.state,
            limits=Limits(
                max_frame=limits.max_frame_bytes,
                max_content=MAX_CONTENT_CHARS,
                inflight=limits.inflight,
                per_minute=limits.sends_per_minute,
            ),
            model=Model(id=model.id, demo=model.demo, notice=model.notice),
        )
