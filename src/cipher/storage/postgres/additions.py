"""What a batch adds to the tables, as rows and as the one statement that writes them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cipher.model import Session, Turn, to_ms
from cipher.storage.postgres import messages
from cipher.storage.postgres.connections import Connection
from cipher.storage.postgres.messages import Said
from cipher.storage.postgres.recordset import encoded, names, recordset


class Opened(msgspec.Struct, frozen=True):
    """A new turn, which may have ended in the same batch."""

    session_id: str
    id: str
    owner_id: str
    user_seq: int
    position: int
    attempt: int
    status: str
    answer_seq: int | None
    lease_owner: str | None
    lease_until: int | None

    @classmethod
    def of(cls, turn: Turn, session: Session, position: int, answer_seq: int | None) -> Opened:
        """The row of a turn at a place in its session's queue."""
        return cls(
            session_id=turn.session_id,
            id=turn.id,
            owner_id=session.owner_id,
            user_seq=turn.user_seq,
            position=position,
            attempt=turn.attempt,
            status=turn.status,
            answer_seq=answer_seq,
            lease_owner=turn.lease_owner,
            lease_until=None if turn.lease_until is None else to_ms(turn.lease_until),
        )


class Closed(msgspec.Struct, frozen=True):
    """A turn that was there before and has ended."""

    session_id: str
    id: str
    status: str
    answer_seq: int | None

    @classmethod
    def of(cls, turn: Turn, answer_seq: int | None) -> Closed:
        """What changes in the row of a turn."""
        return cls(turn.session_id, turn.id, turn.status, answer_seq)


class Moved(msgspec.Struct, frozen=True):
    """A session whose log has grown."""

    id: str
    title: str
    folded_title: str
    head_seq: int
    leaf_seq: int
    message_count: int
    last_activity: int

    @classmethod
    def of(cls, session: Session) -> Moved:
        """What changes in the row of a session."""
        return cls(
            id=session.id,
            title=session.title,
            folded_title=session.title.casefold(),
            head_seq=session.head_seq,
            leaf_seq=session.leaf_seq,
            message_count=session.message_count,
            last_activity=to_ms(session.last_activity),
        )


_WRITE = f"""
WITH added AS ({messages.INSERT}),
begun AS (INSERT INTO turns ({names(Opened)}) SELECT * FROM {recordset(Opened, 2)}),
ended AS (
    UPDATE turns SET status = closed.status, answer_seq = closed.answer_seq, partial = '""',
                     lease_owner = NULL, lease_until = NULL
    FROM {recordset(Closed, 3)}
    WHERE turns.session_id = closed.session_id AND turns.id = closed.id)
UPDATE sessions SET title = moved.title, folded_title = moved.folded_title,
    head_seq = moved.head_seq, leaf_seq = moved.leaf_seq, message_count = moved.message_count,
    last_activity = moved.last_activity
FROM {recordset(Moved, 4)}
WHERE sessions.id = moved.id
"""


async def write(
    connection: Connection,
    said: Sequence[Said],
    opened: Sequence[Opened],
    closed: Sequence[Closed],
    moved: Sequence[Moved],
) -> None:
    """Write all of it in one statement."""
    await connection.execute(
        _WRITE, encoded(said), encoded(opened), encoded(closed), encoded(moved)
    )
