"""`TurnRunner`: one turn after the other in each session, from the prompt to the terminal message.

Owns the tasks that run turns, their leases and checkpoints, and what is told about them on the bus.
Deltas go to the bus, never to storage; what an answer has so far is checkpointed every half
second or every 2 KiB; the finished answer is one append. A turn whose storage fails at the end
keeps trying to store its answer for as long as the process lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import TypeVar

import structlog
from msgspec.structs import replace

from cipher.agent.context import history_for
from cipher.agent.insistence import insist
from cipher.agent.llm import LanguageModel, ReasoningDelta, TextDelta, UsageReport
from cipher.errors import CipherError, NotFound, StorageError, StorageUnavailable
from cipher.events import DeltaKind, MessageDelta, MessageReceived, TurnEnded, TurnStarted
from cipher.model import (
    Answer,
    Failure,
    Finished,
    Session,
    SessionPatch,
    TerminalStatus,
    Turn,
    Usage,
    new_id,
    text_parts,
    utc_now,
)
from cipher.sessions.bus import Bus
from cipher.sessions.manager import SessionManager
from cipher.sessions.session import ConversationSession, LiveTurn, StopReason
from cipher.storage.base import Lease

LEASE = timedelta(seconds=15)
CHECKPOINT_SECONDS = 0.5
CHECKPOINT_CHARS = 2_048
STOP_SECONDS = 5.0

T = TypeVar("T")

logger = structlog.get_logger(__name__)


class TurnRunner:
    """Runs turns for one process, which is known to others by `worker_id`."""

    def __init__(
        self, sessions: SessionManager, model: LanguageModel, bus: Bus, *, system_prompt: str
    ) -> None:
        self.worker_id = new_id()
        self._sessions = sessions
        self._model = model
        self._bus = bus
        self._system_prompt = system_prompt
        self._runners: dict[asyncio.Task[None], ConversationSession] = {}
        self._closing = False
        self._stopping = False

    def lease(self) -> Lease:
        """A lease of this worker from now on."""
        return Lease(owner=self.worker_id, until=utc_now() + LEASE)

    def wake(self, session: ConversationSession, turn: Turn) -> None:
        """Have a turn run that is running or queued in the database. Waking twice is fine."""
        if self._closing:
            return
        session.enqueue(turn)
        if session.waiting and (session.runner is None or session.runner.done()):
            session.runner = asyncio.create_task(
                self._run_waiting(session), name=f"turns-{session.id}"
            )
            self._runners[session.runner] = session
            session.runner.add_done_callback(self._runners.pop)

    async def cancel(self, session: ConversationSession, turn: Turn) -> None:
        """Stop one turn; waits until its terminal message is stored."""
        live = session.live
        if live is not None and live.runs(turn):
            live.stop("cancelled")
            await self._ended(live)
        elif turn.status in ("queued", "running"):
            await self._cancel_waiting(session, [turn])

    async def cancel_all(self, session: ConversationSession) -> None:
        """Stop everything that runs or waits in a session."""
        live = session.live
        try:
            await self._cancel_waiting(session, list(session.waiting))
        finally:
            # After the others, so that none of them begins in between.
            if live is not None:
                live.stop("cancelled")
        if live is not None:
            await self._ended(live)

    async def _cancel_waiting(self, session: ConversationSession, turns: list[Turn]) -> None:
        waited = [turn for turn in turns if session.has(turn)]
        for turn in waited:
            session.dequeue(turn)
        try:
            for turn in turns:
                await self._end_unstarted(session, turn, "cancelled")
                waited = [other for other in waited if other is not turn]
        finally:
            # What the storage did not let end waits on.
            for turn in waited:
                self.wake(session, turn)

    async def interrupt_lost(self, session: ConversationSession, turn: Turn) -> None:
        """Give a turn whose process died its terminal message, with what was checkpointed."""
        logger.warning(
            "turn interrupted", session_id=session.id, turn_id=turn.id, attempt=turn.attempt
        )
        await self._end_unstarted(session, turn, "interrupted")

    @property
    def running(self) -> int:
        """How many turns run now."""
        return sum(session.live is not None for session in self._runners.values())

    async def close(self, drain: timedelta) -> int:
        """Give running turns time to finish, then interrupt them; none is running afterwards.

        Queued turns stay queued in the database for whoever runs next. Returns how many were
        interrupted.
        """
        self._closing = True
        for session in self._runners.values():
            for turn in [turn for turn in session.waiting if turn.status == "queued"]:
                session.dequeue(turn)
        if self._runners:
            await asyncio.wait(set(self._runners), timeout=drain.total_seconds())
        self._stopping = True
        interrupted = self.running
        for session in self._runners.values():
            if session.live is not None:
                session.live.stop("interrupted")
        await asyncio.gather(*self._runners, return_exceptions=True)
        return interrupted

    # One session

    async def _run_waiting(self, session: ConversationSession) -> None:
        while session.waiting:
            turn = await self._next(session)
            if turn is None:
                await self._tell_idle(session)
                continue
            live = session.live = LiveTurn(turn)
            row: Session | None = None
            try:
                row = await self._run(session, live)
            finally:
                session.live = None
                live.ended.set()
            if row is not None:
                self._sessions.announce(row)

    async def _next(self, session: ConversationSession) -> Turn | None:
        """Take the turn that is next off the queue; None if the storage has none to start."""
        first = session.waiting[0]
        if first.status == "running":
            session.dequeue(first)
            return first
        started = await self._insist(
            lambda: self._start(session, first),
            logger.bind(session_id=session.id, turn_id=first.id),
            "turn waits for storage",
        )
        # Which one waited longest is for the storage to say; others may have changed the queue.
        session.dequeue(started or first)
        return started

    async def _start(self, session: ConversationSession, first: Turn) -> Turn | None:
        try:
            return await session.start_turn(self.lease())
        except NotFound:
            # Nothing begins in the trash, and nothing is left to wait for there.
            await self._end_unstarted(session, first, "cancelled")
            return None

    async def _tell_idle(self, session: ConversationSession) -> None:
        """What waited had ended already: tell so, for it was told that something waits."""
        if not session.waiting:
            with suppress(NotFound, StorageError):
                await self._sessions.update(session.owner_id, session.id, SessionPatch())

    async def _insist(
        self,
        verb: Callable[[], Awaitable[T | None]],
        log: structlog.stdlib.BoundLogger,
        complaint: str,
    ) -> T | None:
        """See `insist`; a process that stops gives up, and the next start goes on from there."""

        def on_trouble(error: StorageError) -> None:
            log.error(complaint, code=error.code)

        storage = self._sessions.storage
        return await insist(verb, storage, on_trouble, gives_up=lambda: self._closing)

    async def _run(self, session: ConversationSession, live: LiveTurn) -> Session | None:
        """One attempt: whatever happens becomes its terminal message. The session afterwards."""
        log = logger.bind(session_id=session.id, turn_id=live.turn_id, attempt=live.attempt)
        log.info("turn started")
        self._bus.publish(
            session.owner_id,
            TurnStarted(
                session_id=session.id,
                turn_id=live.turn_id,
                attempt=live.attempt,
                in_reply_to=live.in_reply_to,
            ),
        )
        usage: list[Usage] = []
        live.task = asyncio.create_task(self._stream(session, live, usage))
        if self._stopping:
            live.stop("interrupted")
        keeper = asyncio.create_task(self._keep_checkpoints(session, live))
        await asyncio.wait({live.task})
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        status, failure = _outcome(live, live.task, log)
        answer = Answer(
            message_id=new_id(),
            parts=live.parts(),
            status=status,
            timestamp=utc_now(),
            usage=usage[-1] if usage else None,
            error=failure,
        )
        finished = await self._finish(session, live, answer)
        if finished is None:
            return None
        ended = finished.message
        log.info("turn ended", status=ended.status, reason=ended.error and ended.error.code)
        return finished.session

    async def _stream(
        self, session: ConversationSession, live: LiveTurn, usage: list[Usage]
    ) -> None:
        turn = Turn(
            id=live.turn_id,
            session_id=session.id,
            user_seq=live.in_reply_to,
            attempt=live.attempt,
            status="running",
        )
        history = await history_for(session, turn)
        stream = self._model.stream(history, system_prompt=self._system_prompt)
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                if isinstance(piece, UsageReport):
                    usage.append(piece.usage)
                else:
                    self._tell(session, live, piece)

    def _tell(
        self, session: ConversationSession, live: LiveTurn, piece: TextDelta | ReasoningDelta
    ) -> None:
        kind: DeltaKind = "text" if isinstance(piece, TextDelta) else "reasoning"
        offset = live.add(kind, piece.text)
        self._bus.publish(
            session.owner_id,
            MessageDelta(
                session_id=session.id,
                turn_id=live.turn_id,
                attempt=live.attempt,
                off=offset,
                text=piece.text,
                kind=kind,
            ),
        )

    async def _keep_checkpoints(self, session: ConversationSession, live: LiveTurn) -> None:
        """Write down what the attempt has while it grows, else renew its lease in time."""
        # Not by the wall clock, which may be set back.
        now, pause = asyncio.get_running_loop().time, LEASE.total_seconds() / 3
        kept, renew_at = 0, now() + pause
        while True:
            try:
                await asyncio.wait_for(live.grown_by(CHECKPOINT_CHARS, kept), CHECKPOINT_SECONDS)
            except TimeoutError:
                if live.off == kept and now() < renew_at:
                    continue
            kept, renew_at = live.off, now() + pause
            try:
                with self._sessions.storage.timed():
                    ours = await session.checkpoint(live, self.lease())
            except StorageError as error:
                self._sessions.storage.suspect()
                logger.warning(
                    "checkpoint failed",
                    session_id=session.id,
                    turn_id=live.turn_id,
                    code=error.code,
                )
                continue
            if not ours:
                # Somebody ended it, or erased its session: there is nothing to add to.
                live.stop("interrupted")
                return

    async def _finish(
        self, session: ConversationSession, live: LiveTurn, answer: Answer
    ) -> Finished | None:
        """Store the terminal message of a running attempt; see `_insist`."""
        log = logger.bind(session_id=session.id, turn_id=live.turn_id)

        async def store() -> Finished:
            try:
                return await self._store(session, live.turn_id, live.attempt, answer)
            except (NotFound, StorageError):
                raise
            except Exception:
                log.exception("answer can not be kept")
                broken = replace(answer, parts=(), usage=None, status="failed", error=_internal())
                return await self._store(session, live.turn_id, live.attempt, broken)

        return await self._insist(store, log, "answer waits for storage")

    async def _store(
        self, session: ConversationSession, turn_id: str, attempt: int, answer: Answer
    ) -> Finished:
        """Store a terminal message, and tell everyone unless another one ended the attempt: whoever
        stored that has told."""
        finished = await session.finish_turn(turn_id, attempt, answer)
        if finished.message.id != answer.message_id:
            return finished
        self._bus.publish(
            session.owner_id,
            MessageReceived(
                session_id=session.id, epoch=finished.session.epoch, message=finished.message
            ),
        )
        failure = answer.error
        self._bus.publish(
            session.owner_id,
            TurnEnded(
                session_id=session.id,
                turn_id=turn_id,
                attempt=attempt,
                status=answer.status,
                retryable=answer.status != "complete",
                reason=failure.code if failure else None,
                message=failure.message if failure else None,
                usage=answer.usage,
            ),
        )
        return finished

    async def _end_unstarted(
        self, session: ConversationSession, turn: Turn, reason: StopReason
    ) -> None:
        """End a turn that does not run here, with what was checkpointed of it.

        A session that was erased meanwhile has nothing left to end. Raises: StorageError.
        """
        answer = Answer(
            message_id=new_id(),
            parts=text_parts(turn.partial),
            status=reason,
            timestamp=utc_now(),
        )
        try:
            finished = await self._store(session, turn.id, turn.attempt, answer)
        except NotFound:
            return
        if session.live is not None and session.live.runs(turn):
            # It was queued when we looked and started while we ended it; its end is announced.
            session.live.stop(reason)
        else:
            self._sessions.announce(finished.session)

    async def _ended(self, live: LiveTurn) -> None:
        try:
            await asyncio.wait_for(live.ended.wait(), STOP_SECONDS)
        except TimeoutError as error:
            raise StorageUnavailable(
                "The answer was stopped, but the storage does not answer; it is kept once it does."
            ) from error


def _outcome(
    live: LiveTurn, task: asyncio.Task[None], log: structlog.stdlib.BoundLogger
) -> tuple[TerminalStatus, Failure | None]:
    """How an attempt ended."""
    if task.cancelled():
        return live.stop_reason or "interrupted", None
    error = task.exception()
    if error is None:
        return "complete", None
    if isinstance(error, NotFound):
        return "cancelled", None
    if isinstance(error, CipherError):
        log.warning("turn failed", code=error.code)
        return "failed", Failure(code=error.code, message=error.message)
    log.error("turn failed", code=CipherError.code, exc_info=error)
    return "failed", _internal()


def _internal() -> Failure:
    return Failure(code=CipherError.code, message=CipherError().message)
