"""The endpoints of messages and turns: send, cancel, retry.

Owns their words and the limit on sends per caller. Owns no rule about turns: `MemAgent` has those.
A message that is acknowledged here is on disk; its answer is read from the history or the socket.
"""

from __future__ import annotations

import time
from functools import partial

import msgspec
from fastapi import FastAPI, Request

from cipher.agent.agent import MemAgent
from cipher.errors import BadRequest
from cipher.model import LOCAL_OWNER, Appended, Durability
from cipher.web.edge.metrics import Metrics
from cipher.web.edge.rate import SendRates
from cipher.web.requests import SendMessage
from cipher.web.routes.answers import (
    Answer,
    IdempotencyKey,
    SessionId,
    TurnId,
    answer,
    answers,
    read_body,
    takes,
)
from cipher.web.strict import check_content
from cipher.web.wire import Ack, TurnCancelled, ack

_send = msgspec.json.Decoder(SendMessage)


class TurnRoutes:
    """What makes a session speak, and what stops it."""

    def __init__(
        self, agent: MemAgent, durability: Durability, metrics: Metrics, *, sends_per_minute: int
    ) -> None:
        self._agent = agent
        self._durability = durability
        self._metrics = metrics
        self._rates = SendRates(sends_per_minute, time.monotonic)

    def install(self, app: FastAPI) -> None:
        """Put the endpoints into the application."""
        add = partial(app.add_api_route, tags=["turns"])
        session = "/api/sessions/{session_id}"
        add(
            f"{session}/messages",
            self.send,
            methods=["POST"],
            openapi_extra=takes(SendMessage, required=True),
            **answers(Ack, "The message is stored and will be answered.", 202),
        )
        add(
            f"{session}/turns/{{turn_id}}/cancel",
            self.cancel,
            methods=["POST"],
            **answers(TurnCancelled, "The turn is over."),
        )
        add(
            f"{session}/turns/{{turn_id}}/retry",
            self.retry,
            methods=["POST"],
            **answers(Ack, "The message will be answered once more.", 202),
        )

    async def send(
        self, request: Request, session_id: SessionId, key: IdempotencyKey = None
    ) -> Answer:
        """Store a user message and have it answered. `Idempotency-Key` is its `clientMsgId`."""
        wish = await read_body(request, _send)
        check_content(wish.content)
        if key is not None and wish.client_msg_id not in (None, key):
            raise BadRequest("clientMsgId and Idempotency-Key say different things.")
        self._count(request)
        began = time.perf_counter()
        appended = await self._agent.send(
            LOCAL_OWNER,
            session_id,
            wish.content,
            client_msg_id=wish.client_msg_id or key,
            parent_seq=wish.parent_seq,
            when_busy=wish.when_busy,
        )
        self._metrics.append.observe(time.perf_counter() - began)
        return self._accepted(appended)

    async def cancel(self, session_id: SessionId, turn_id: TurnId) -> Answer:
        """Stop a turn, running or waiting; what it said so far is kept."""
        await self._agent.cancel(LOCAL_OWNER, session_id, turn_id)
        return answer(TurnCancelled(session_id=session_id, turn_id=turn_id, cancelled=True))

    async def retry(self, request: Request, session_id: SessionId, turn_id: TurnId) -> Answer:
        """Answer a turn's message once more, beside its last answer."""
        self._count(request)
        return self._accepted(await self._agent.retry(LOCAL_OWNER, session_id, turn_id))

    def _count(self, request: Request) -> None:
        self._rates.take(request.client.host if request.client else "")

    def _accepted(self, appended: Appended) -> Answer:
        return answer(ack(appended, self._durability), 202)
