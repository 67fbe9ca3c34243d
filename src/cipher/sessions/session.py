"""`ConversationSession`: one conversation while it is held in memory.

Owns the running turn and the queue of those behind it, and gives one conversation's verbs of the
database a home. Owns no messages: the log is in the database, and a session that is dropped from
memory (evicted) loses nothing. `MemAgent` runs the turns; this says which one is next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime, timedelta
from typing import Literal

from cipher.errors import SessionExists
from cipher.events import DeltaKind, utf16_length
from cipher.model import (
    Answer,
    Appended,
    Finished,
    MessagePage,
    NewMessage,
    Part,
    ReasoningPart,
    Session,
    TextPart,
    Turn,
    utc_now,
)
from cipher.sessions.history import DatabaseHistoryProvider
from cipher.sessions.transfer import export_session, read_session
from cipher.storage.base import DatabaseBackend, Lease, OpenTurn

StopReason = Literal["cancelled", "interrupted"]


class LiveTurn:
    """The attempt that runs now, with everything it has said so far."""

    def __init__(self, turn: Turn) -> None:
        self.turn_id = turn.id
        self.attempt = turn.attempt
        self.in_reply_to = turn.user_seq
        self.started_at: datetime = utc_now()
        self.stop_reason: StopReason | None = None
        self.task: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        self._grown = asyncio.Event()
        self._pieces: dict[DeltaKind, list[str]] = {"text": [], "reasoning": []}
        self._offsets: dict[DeltaKind, int] = {"text": 0, "reasoning": 0}

    def add(self, kind: DeltaKind, text: str) -> int:
        """Take the next piece; returns its offset in UTF-16 code units."""
        offset = self._offsets[kind]
        self._pieces[kind].append(text)
        self._offsets[kind] = offset + utf16_length(text)
        self._grown.set()
        return offset

    async def grown_by(self, length: int, since: int) -> None:
        """Wait until the text is `length` UTF-16 code units longer than it was at `since`."""
        while self.off - since < length:
            self._grown.clear()
            await self._grown.wait()

    def runs(self, turn: Turn) -> bool:
        """Whether this is the attempt that the turn has come to."""
        return (self.turn_id, self.attempt) == (turn.id, turn.attempt)

    @property
    def text(self) -> str:
        """All text so far."""
        return self._joined("text")

    @property
    def reasoning(self) -> str:
        """All reasoning so far."""
        return self._joined("reasoning")

    @property
    def off(self) -> int:
        """The length of `text` in UTF-16 code units: where the next delta starts."""
        return self._offsets["text"]

    def parts(self) -> tuple[Part, ...]:
        """What was said so far, as the parts of a message."""
        said: list[Part] = []
        if self.reasoning:
            said.append(ReasoningPart(text=self.reasoning))
        if self.text:
            said.append(TextPart(text=self.text))
        return tuple(said)

    def stop(self, reason: StopReason) -> None:
        """End the attempt as soon as possible; the first reason wins."""
        if self.stop_reason is None:
            self.stop_reason = reason
            if self.task is not None:
                self.task.cancel()

    def _joined(self, kind: DeltaKind) -> str:
        pieces = self._pieces[kind]
        if len(pieces) > 1:
            pieces[:] = ["".join(pieces)]
        return pieces[0] if pieces else ""


class ConversationSession:
    """One conversation of one owner: append, read, and the order in which its turns run.

    Every verb raises what the verb of `DatabaseBackend` of the same name raises.
    """

    def __init__(self, database: DatabaseBackend, owner_id: str, session_id: str) -> None:
        self.id = session_id
        self.owner_id = owner_id
        self.messages = DatabaseHistoryProvider(database, owner_id, session_id)
        self.last_used: datetime = utc_now()
        self.live: LiveTurn | None = None
        self.waiting: deque[Turn] = deque()
        self.runner: asyncio.Task[None] | None = None
        self._database = database

    @property
    def running(self) -> bool:
        """Whether a turn runs or waits to run."""
        return self.live is not None or bool(self.waiting)

    @property
    def evictable(self) -> bool:
        """Whether nobody works with this object, so that another may take its place."""
        return not self.running and (self.runner is None or self.runner.done())

    def has(self, turn: Turn) -> bool:
        """Whether this attempt of a turn runs here, or waits to."""
        if self.live is not None and self.live.runs(turn):
            return True
        return any(_same_attempt(waiting, turn) for waiting in self.waiting)

    def enqueue(self, turn: Turn) -> None:
        """Let a turn wait until it runs here, if it does neither yet."""
        if not self.has(turn):
            self.waiting.append(turn)

    def dequeue(self, turn: Turn) -> None:
        """Let a turn wait no longer. Twice is fine."""
        self.waiting = deque(w for w in self.waiting if not _same_attempt(w, turn))

    async def info(self) -> Session:
        """The session's row."""
        return await self._database.get_session(self.owner_id, self.id)

    async def append(self, message: NewMessage, *, turn: OpenTurn | None = None) -> Appended:
        """Store a message; on disk when this returns. With `turn`, open its turn with it."""
        self.last_used = utc_now()
        return await self._database.append(self.owner_id, self.id, message, turn=turn)

    async def history(self, *, before: int | None = None, limit: int = 50) -> MessagePage:
        """A page of the active branch, the newest first, in order of `seq`."""
        self.last_used = utc_now()
        return await self._database.branch(self.owner_id, self.id, before=before, limit=limit)

    async def log(self, *, after: int = 0, limit: int = 500) -> MessagePage:
        """A page of the whole log after a `seq`."""
        return await self._database.log(self.owner_id, self.id, after=after, limit=limit)

    async def serialize(self) -> bytes:
        """The whole conversation, all branches, as the JSON export that an import takes."""
        pieces = export_session(self._database, self.owner_id, self.id)
        return b"".join([piece async for piece in pieces])

    @classmethod
    async def deserialize(
        cls, database: DatabaseBackend, owner_id: str, data: bytes
    ) -> ConversationSession:
        """Store what `serialize` gave, under the id that it had; on disk when this returns.

        It belongs to `owner_id` then, and its log has a new epoch. Raises: SessionExists for an id
        that is or was taken, BadRequest for other data.
        """
        stored = await asyncio.to_thread(read_session, data, owner_id)
        if not await database.import_session(stored.session, stored.messages):
            raise SessionExists
        return cls(database, owner_id, stored.session.id)

    async def start_turn(self, lease: Lease) -> Turn | None:
        """Take the oldest waiting turn under a lease; None if there is none to take."""
        return await self._database.start_turn(self.owner_id, self.id, lease)

    async def retry_turn(self, turn_id: str, lease: Lease) -> Appended:
        """Open the next attempt of a turn that has ended."""
        return await self._database.retry_turn(self.owner_id, self.id, turn_id, lease)

    async def checkpoint(self, live: LiveTurn, lease: Lease) -> bool:
        """Keep what the running attempt has said, and renew its lease; False if it was lost."""
        return await self._database.checkpoint_turn(
            self.id, live.turn_id, live.attempt, partial=live.text, lease=lease
        )

    async def finish_turn(self, turn_id: str, attempt: int, answer: Answer) -> Finished:
        """Store the terminal message of an attempt."""
        return await self._database.finish_turn(self.owner_id, self.id, turn_id, attempt, answer)

    def idle_for(self, now: datetime) -> timedelta:
        """How long nobody used the session."""
        return now - self.last_used


def _same_attempt(one: Turn, other: Turn) -> bool:
    return (one.id, one.attempt) == (other.id, other.attempt)
