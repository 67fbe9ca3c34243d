"""The endpoints of sessions: list, create, read, change, load, history, delete, restore.

Owns what these requests may ask and in which words they are answered. Owns no rule about sessions:
`MemAgent` has those, and who is told about a change too.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from functools import partial
from typing import Annotated, Final

import msgspec
from fastapi import FastAPI, Query, Request

from cipher.agent.agent import MemAgent
from cipher.errors import SessionExists, SessionNotFound
from cipher.model import LOCAL_OWNER, Session, SessionPatch, SessionState
from cipher.web.requests import MAX_SEQ, ChangeSession, CreateSession
from cipher.web.routes.answers import (
    Answer,
    IdempotencyKey,
    SessionId,
    answer,
    answers,
    read_body,
    takes,
)
from cipher.web.routes.stale import StaleAnswers
from cipher.web.strict import check_metadata, check_text
from cipher.web.wire import (
    Deleted,
    History,
    Loaded,
    SessionBody,
    SessionList,
    SessionReply,
    history,
    loaded,
    session_body,
)

LIST_LIMIT: Final = 100
HISTORY_LIMIT: Final = 1_000
"""What a list and a history hold when nobody says how much; 1,000 is also the most of both."""

Limit = Annotated[int, Query(ge=1, le=1_000)]
Before = Annotated[int | None, Query(ge=1, le=MAX_SEQ, description="Only messages above this seq.")]
Cursor = Annotated[
    str | None, Query(max_length=200, description="`nextCursor` of the page before.")
]
Words = Annotated[str, Query(max_length=200, description="Only titles that contain this.")]

_create = msgspec.json.Decoder(CreateSession)
_change = msgspec.json.Decoder(ChangeSession)


class SessionRoutes:
    """`/api/sessions` and what is below it, messages and turns left out."""

    def __init__(self, agent: MemAgent, stale: StaleAnswers) -> None:
        self._agent = agent
        self._stale = stale

    def install(self, app: FastAPI) -> None:
        """Put the endpoints into the application."""
        add = partial(app.add_api_route, tags=["sessions"])
        every, one = "/api/sessions", "/api/sessions/{session_id}"
        add(every, self.list, methods=["GET"], **answers(SessionList, "A page of sessions."))
        add(
            every,
            self.create,
            methods=["POST"],
            openapi_extra=takes(CreateSession, required=False),
            **answers(SessionReply, "The new session.", 201),
        )
        add(one, self.get, methods=["GET"], **answers(SessionReply, "The session."))
        add(
            one,
            self.change,
            methods=["PATCH"],
            openapi_extra=takes(ChangeSession, required=True),
            **answers(SessionReply, "The session afterwards."),
        )
        add(one, self.delete, methods=["DELETE"], **answers(Deleted, "It is gone."))
        add(f"{one}/load", self.load, methods=["POST"], **answers(Loaded, "Its newest messages."))
        add(f"{one}/history", self.history, methods=["GET"], **answers(History, "A page of it."))
        add(
            f"{one}/restore", self.restore, methods=["POST"], **answers(SessionReply, "It is back.")
        )

    async def list(
        self,
        limit: Limit = LIST_LIMIT,
        cursor: Cursor = None,
        q: Words = "",
        state: SessionState = "active",
    ) -> Answer:
        """Sessions, newest activity first."""
        check_text("q", q)
        first = state == "active" and cursor is None and not q
        page, stale = await self._stale.read(
            self._agent.list_sessions(
                LOCAL_OWNER, state=state, limit=limit, cursor=cursor, query=q
            ),
            (lambda known: known.sessions(LOCAL_OWNER, limit=limit)) if first else None,
        )
        sessions = tuple(map(self._summary, page.sessions))
        return answer(
            SessionList(
                sessions=sessions,
                count=len(sessions),
                current_session=self._agent.current_session(LOCAL_OWNER),
                next_cursor=page.next_cursor,
                stale=stale,
            )
        )

    async def create(self, request: Request, key: IdempotencyKey = None) -> Answer:
        """Make a session. With an `Idempotency-Key`, asking again returns the session as it is."""
        wish = await read_body(request, _create, absent=b"{}")
        check_text("title", wish.title)
        check_metadata(wish.metadata)
        session_id = wish.session_id or (key and _id_from(key)) or None
        try:
            session = await self._agent.create_session(
                LOCAL_OWNER, session_id, title=wish.title.strip(), metadata=wish.metadata
            )
        except SessionExists:
            if wish.session_id or session_id is None:
                raise
            session = await self._made_before(session_id)
        return answer(self._reply(session), 201)

    async def get(self, session_id: SessionId) -> Answer:
        """One session with its metadata."""
        session, stale = await self._stale.read(
            self._agent.sessions.get(LOCAL_OWNER, session_id),
            lambda known: known.session(LOCAL_OWNER, session_id),
        )
        return answer(self._reply(session, stale=stale))

    async def change(self, request: Request, session_id: SessionId) -> Answer:
        """Change title, pin, archive, metadata, or the branch that is shown."""
        wish = await read_body(request, _change)
        title = wish.title
        if isinstance(title, str):
            check_text("title", title)
            title = title.strip()
        if isinstance(wish.metadata, dict):
            check_metadata(wish.metadata)
        patch = SessionPatch(
            title=title,
            pinned=wish.pinned,
            archived=wish.archived,
            metadata=wish.metadata,
            leaf_seq=wish.leaf_seq,
        )
        session = await self._agent.update_session(LOCAL_OWNER, session_id, patch)
        return answer(self._reply(session))

    async def load(self, session_id: SessionId, limit: Limit = HISTORY_LIMIT) -> Answer:
        """Make a session the current one and return its newest messages."""
        page, stale = await self._stale.read(
            self._agent.load_session(LOCAL_OWNER, session_id, limit=limit),
            lambda known: known.branch(LOCAL_OWNER, session_id, limit=limit),
        )
        return answer(loaded(page, self._agent.current_session(LOCAL_OWNER), stale=stale))

    async def history(
        self, session_id: SessionId, before: Before = None, limit: Limit = HISTORY_LIMIT
    ) -> Answer:
        """A page of the active branch, the newest one first."""
        page, stale = await self._stale.read(
            self._agent.session_history(LOCAL_OWNER, session_id, before=before, limit=limit),
            (lambda known: known.branch(LOCAL_OWNER, session_id, limit=limit))
            if before is None
            else None,
        )
        return answer(history(page, stale=stale))

    async def delete(self, session_id: SessionId, purge: bool = False) -> Answer:
        """Move a session to the trash, or erase it at once."""
        await self._agent.delete_session(LOCAL_OWNER, session_id, purge=purge)
        return answer(Deleted(session_id=session_id, deleted=True, purged=purge))

    async def restore(self, session_id: SessionId) -> Answer:
        """Take a session out of the trash."""
        session = await self._agent.restore_session(LOCAL_OWNER, session_id)
        return answer(self._reply(session))

    def _summary(self, session: Session) -> SessionBody:
        return session_body(session, running=self._agent.is_running(session.id))

    def _reply(self, session: Session, *, stale: bool = False) -> SessionReply:
        running = self._agent.is_running(session.id)
        return SessionReply(session=session_body(session, running=running, whole=True), stale=stale)

    async def _made_before(self, session_id: str) -> Session:
        try:
            return await self._agent.sessions.get(LOCAL_OWNER, session_id)
        except SessionNotFound as error:
            raise SessionExists from error


def _id_from(key: str) -> str:
    """The id of the session that a key made, or will make, so that the key needs no storing."""
    digest = hashlib.sha256(f"session {LOCAL_OWNER} {key}".encode()).digest()
    return urlsafe_b64encode(digest)[:22].decode()
