"""`MemAgent`: the sessions, the model, and the turns that bring them together.

Owns the life of a turn: it opens with the user message in one commit, runs on its own task whatever
becomes of the connection that asked, and ends in exactly one terminal message per attempt. Turns of
one session run one after the other, sessions side by side. Owns the brief's session API with its
"current session" per owner. Knows no HTTP and no model library.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

import structlog

from cipher.agent.llm import LanguageModel, ModelInfo
from cipher.agent.turns import TurnRunner
from cipher.errors import Draining, StorageCorrupt, StorageError, TurnNotFound
from cipher.events import MessageReceived, SessionLoaded
from cipher.model import (
    Appended,
    MessagePage,
    NewMessage,
    Session,
    SessionPage,
    SessionPatch,
    SessionState,
    Turn,
    new_id,
    text_parts,
    utc_now,
)
from cipher.sessions.bus import Bus
from cipher.sessions.manager import SessionManager
from cipher.sessions.session import ConversationSession, LiveTurn
from cipher.storage.base import DatabaseBackend, OpenTurn

WhenBusy = Literal["enqueue", "reject", "interrupt"]
T = TypeVar("T")
_WATCH_SECONDS = 5.0
_NOTHING_TO_RETRY = (
    "There is no such turn in this session. Imported messages have none: send the question again."
)

logger = structlog.get_logger(__name__)


class MemAgent:
    """Coordinates sessions, turns and the language model of one process."""

    def __init__(
        self,
        sessions: SessionManager,
        database: DatabaseBackend,
        model: LanguageModel,
        bus: Bus,
        *,
        system_prompt: str = "",
    ) -> None:
        self.sessions = sessions
        self.bus = bus
        self._database = database
        self._model = model
        self._turns = TurnRunner(sessions, model, bus, system_prompt=system_prompt)
        self._current: dict[str, str] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._draining = False

    @property
    def model(self) -> ModelInfo:
        """The language model that answers."""
        return self._model.info

    @property
    def draining(self) -> bool:
        """Whether new messages are refused because the process is about to stop."""
        return self._draining

    @property
    def running_turns(self) -> int:
        """How many answers are being made now."""
        return self._turns.running

    async def start(self) -> None:
        """Close what a dead process left running, go on with what it left waiting.

        The interrupted answers keep what was checkpointed of them. What belongs to a session whose
        rows are damaged is left as it is. Raises: StorageError.
        """
        await self._recover()
        self._watcher = asyncio.create_task(self._watch(), name="turn-watcher")

    async def close(self, *, drain: timedelta = timedelta(seconds=25)) -> int:
        """Refuse new messages, let running turns finish for a while, then interrupt them.

        Returns how many were interrupted. Every running turn has its terminal message when this
        returns, unless the storage is away: then the next start ends it. Waiting ones stay queued
        in the database for the next start.
        """
        self._draining = True
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        await asyncio.gather(*self._tasks, return_exceptions=True)
        interrupted = await self._turns.close(drain)
        await self._model.close()
        return interrupted

    # Sessions

    async def create_session(
        self,
        owner_id: str,
        session_id: str | None = None,
        *,
        title: str = "",
        metadata: dict[str, Any] | None = None,
    ) -> Session:
        """See `SessionManager.create`."""
        return await self._in_own_task(
            self.sessions.create(owner_id, session_id, title=title, metadata=metadata)
        )

    async def load_session(self, owner_id: str, session_id: str, *, limit: int = 50) -> MessagePage:
        """Make a session the owner's current one and return its newest messages."""
        session = self.sessions.handle(owner_id, session_id)
        page = await session.history(limit=limit)
        self.sessions.hold(session)
        self._current[owner_id] = session_id
        logger.info("session loaded", session_id=session_id, messages=page.session.message_count)
        self.bus.publish(
            owner_id,
            SessionLoaded(session_id=session_id, message_count=page.session.message_count),
        )
        return page

    def current_session(self, owner_id: str) -> str | None:
        """The session that the owner loaded last."""
        return self._current.get(owner_id)

    async def list_sessions(
        self,
        owner_id: str,
        *,
        state: SessionState = "active",
        limit: int = 50,
        cursor: str | None = None,
        query: str = "",
    ) -> SessionPage:
        """See `SessionManager.list`."""
        return await self.sessions.list(
            owner_id, state=state, limit=limit, cursor=cursor, query=query
        )

    async def session_history(
        self, owner_id: str, session_id: str, *, before: int | None = None, limit: int = 50
    ) -> MessagePage:
        """A page of the active branch; loads nothing and changes nothing."""
        return await self.sessions.handle(owner_id, session_id).history(before=before, limit=limit)

    async def update_session(self, owner_id: str, session_id: str, patch: SessionPatch) -> Session:
        """See `SessionManager.update`."""
        return await self._in_own_task(self.sessions.update(owner_id, session_id, patch))

    async def delete_session(self, owner_id: str, session_id: str, *, purge: bool = False) -> None:
        """Move a session to the trash, or erase it; what runs or waits in it is cancelled."""
        await self._in_own_task(self._delete(owner_id, session_id, purge))

    async def _delete(self, owner_id: str, session_id: str, purge: bool) -> None:
        await self.sessions.remove(owner_id, session_id, purge=purge)
        if self._current.get(owner_id) == session_id:
            del self._current[owner_id]
        await self._turns.cancel_all(self.sessions.handle(owner_id, session_id))
        self.sessions.forget(session_id)

    async def restore_session(self, owner_id: str, session_id: str) -> Session:
        """See `SessionManager.restore`."""
        return await self._in_own_task(self.sessions.restore(owner_id, session_id))

    # Turns

    async def send(
        self,
        owner_id: str,
        session_id: str,
        content: str,
        *,
        client_msg_id: str | None = None,
        parent_seq: int | None = None,
        when_busy: WhenBusy = "enqueue",
    ) -> Appended:
        """Store a user message and have it answered; returns once the message is on disk.

        The same `client_msg_id` again adds nothing and returns what it did the first time. A caller
        that is cancelled meanwhile has still sent.

        Raises: SessionNotFound, MessageNotFound, SessionBusy (`when_busy="reject"`),
        IdempotencyConflict, Draining, StorageError.
        """
        if self._draining:
            raise Draining
        message = NewMessage(
            id=new_id(),
            role="user",
            parts=text_parts(content),
            timestamp=utc_now(),
            parent_seq=parent_seq,
            client_msg_id=client_msg_id,
        )
        return await self._in_own_task(self._send(owner_id, session_id, message, when_busy))

    async def _send(
        self, owner_id: str, session_id: str, message: NewMessage, when_busy: WhenBusy
    ) -> Appended:
        session = self.sessions.handle(owner_id, session_id)
        if when_busy == "interrupt":
            await self._turns.cancel_all(session)
        wish = OpenTurn(
            turn_id=new_id(),
            lease=self._turns.lease(),
            when_busy="reject" if when_busy == "reject" else "enqueue",
        )
        appended = await session.append(message, turn=wish)
        session = self.sessions.hold(session)
        if not appended.duplicate and appended.turn is not None:
            self.bus.publish(
                owner_id,
                MessageReceived(
                    session_id=session_id, epoch=appended.session.epoch, message=appended.message
                ),
            )
            self._turns.wake(session, appended.turn)
            self.sessions.announce(appended.session)
        return appended

    async def cancel(self, owner_id: str, session_id: str, turn_id: str) -> None:
        """Stop a turn, running or waiting; what it said so far is kept. Cancelling twice is fine.

        Raises: SessionNotFound, TurnNotFound, StorageError.
        """
        turn = await self._database.get_turn(owner_id, session_id, turn_id)
        session = self.sessions.handle(owner_id, session_id)
        await self._in_own_task(self._turns.cancel(session, turn))

    async def retry(self, owner_id: str, session_id: str, turn_id: str) -> Appended:
        """Answer a turn's message once more, beside its last answer.

        Raises: SessionNotFound, TurnNotFound, Draining, StorageError.
        """
        if self._draining:
            raise Draining
        return await self._in_own_task(self._retry(owner_id, session_id, turn_id))

    async def _retry(self, owner_id: str, session_id: str, turn_id: str) -> Appended:
        session = self.sessions.handle(owner_id, session_id)
        try:
            appended = await session.retry_turn(turn_id, self._turns.lease())
        except TurnNotFound as error:
            raise TurnNotFound(_NOTHING_TO_RETRY) from error
        session = self.sessions.hold(session)
        if not appended.duplicate and appended.turn is not None:
            self._turns.wake(session, appended.turn)
            self.sessions.announce(appended.session)
        return appended

    def live_turn(self, session_id: str) -> LiveTurn | None:
        """The attempt that runs in a session now. The caller has authorised the session."""
        session = self.sessions.held(session_id)
        return session.live if session is not None else None

    def is_running(self, session_id: str) -> bool:
        """Whether a turn runs or waits in a session."""
        session = self.sessions.held(session_id)
        return session is not None and session.running

    async def _in_own_task(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end even if the caller goes away in the middle: a commit must be followed by
        what it promised."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        with self.sessions.storage.timed():
            return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Its caller may be gone; then nobody else asks, and asyncio would complain.
            task.exception()

    # Recovery

    async def _watch(self) -> None:
        """Pick up turns whose worker died, and queued ones that nobody started."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                await self._recover()
            except StorageError as error:
                self.sessions.storage.suspect()
                logger.warning("looking for lost turns failed", code=error.code)
            except Exception:
                logger.exception("looking for lost turns failed")

    async def _recover(self) -> None:
        now = utc_now()
        for owned in await self._database.unfinished_turns():
            try:
                await self._take_up(owned.owner_id, owned.turn, now)
            except StorageCorrupt:
                logger.error("turn of a damaged session", session_id=owned.turn.session_id)

    async def _take_up(self, owner_id: str, turn: Turn, now: datetime) -> None:
        session = self.sessions.handle(owner_id, turn.session_id)
        if turn.status == "queued":
            self._turns.wake(self.sessions.hold(session), turn)
        elif self._is_lost(session, turn, now):
            await self._turns.interrupt_lost(session, turn)

    def _is_lost(self, session: ConversationSession, turn: Turn, now: datetime) -> bool:
        """Whether nobody runs a running turn: its worker is dead, or it is ours and fell down."""
        expired = turn.lease_until is None or turn.lease_until < now
        if turn.lease_owner == self._turns.worker_id:
            # A message may just have been stored whose sender has not come to run its turn yet.
            return expired and not session.has(turn)
        return expired or self._database.sole_runner
