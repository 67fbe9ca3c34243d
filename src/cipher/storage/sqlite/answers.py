"""What ends an attempt and what opens the next one: turn and log change in one transaction."""

from __future__ import annotations

import apsw
import msgspec

from cipher.errors import TurnNotFound
from cipher.model import Answer, Appended, Finished, Message, Session, to_ms
from cipher.storage.base import Lease
from cipher.storage.rows import turn_from
from cipher.storage.sqlite import messages, sessions, turns


def finish(
    connection: apsw.Connection,
    owner_id: str,
    session_id: str,
    turn_id: str,
    attempt: int,
    answer: Answer,
) -> Finished:
    """Store the terminal message of an attempt and close it; see `DatabaseBackend`."""
    session = sessions.get(connection, owner_id, session_id, trashed=None)
    turn = turns.get(connection, session_id, turn_id)
    if not 0 < attempt <= turn.attempt:
        raise TurnNotFound
    if attempt < turn.attempt or turn.status not in ("queued", "running"):
        ended = messages.answer_of(connection, turn, attempt)
        return Finished(message=ended, session=session, turn=turn)
    follows = _descends(connection, session, turn.user_seq)
    message = Message(
        id=answer.message_id,
        seq=session.head_seq + 1,
        parent_seq=session.leaf_seq if follows else turn.user_seq,
        role="assistant",
        parts=answer.parts,
        timestamp=answer.timestamp,
        status=answer.status,
        turn_id=turn_id,
        attempt=attempt,
        usage=answer.usage,
        error=answer.error,
    )
    messages.store(connection, session, message)
    connection.execute(
        "UPDATE turns SET status = ?, answer_seq = ?, lease_owner = NULL, lease_until = NULL, "
        "partial = '' WHERE session_id = ? AND id = ?",
        (answer.status, message.seq, session_id, turn_id),
    )
    return Finished(
        message=message,
        session=messages.advance(connection, session, message, leaf=follows),
        turn=msgspec.structs.replace(
            turn, status=answer.status, partial="", lease_owner=None, lease_until=None
        ),
    )


def _descends(connection: apsw.Connection, session: Session, ancestor: int) -> bool:
    """Whether the session's leaf is the ancestor or lies below it.

    Nearly always it is the ancestor itself, which saves a recursive query of a quarter of the turn.
    """
    if session.leaf_seq == ancestor:
        return True
    reached = connection.execute(
        "WITH RECURSIVE path (seq) AS (SELECT ?1 UNION ALL "
        "SELECT parent_seq FROM path JOIN messages ON session_id = ?2 AND messages.seq = path.seq "
        "WHERE path.seq > ?3) SELECT min(seq) FROM path",
        (session.leaf_seq, session.id, ancestor),
    ).get
    return bool(reached == ancestor)


def retry(
    connection: apsw.Connection, owner_id: str, session_id: str, turn_id: str, lease: Lease
) -> Appended:
    """Open the next attempt beside the last answer; see `DatabaseBackend`."""
    session = sessions.get(connection, owner_id, session_id)
    *_, answer_seq = row = turns.row_of(connection, session_id, turn_id)
    turn = turn_from(row)
    message = messages.get(connection, session_id, turn.user_seq)
    if turn.status in ("queued", "running"):
        return Appended(message=message, session=session, turn=turn, duplicate=True)
    busy = turns.is_busy(connection, session_id)
    opened = msgspec.structs.replace(
        turn,
        attempt=turn.attempt + 1,
        status="queued" if busy else "running",
        lease_owner=None if busy else lease.owner,
        lease_until=None if busy else lease.until,
    )
    connection.execute(
        "UPDATE turns SET attempt = ?, status = ?, position = ?, lease_owner = ?, lease_until = ?, "
        "partial = '' WHERE session_id = ? AND id = ?",
        (
            opened.attempt,
            opened.status,
            turns.next_position(connection, session_id),
            opened.lease_owner,
            opened.lease_until and to_ms(opened.lease_until),
            session_id,
            turn_id,
        ),
    )
    parent = messages.get(connection, session_id, answer_seq).parent_seq
    connection.execute("UPDATE sessions SET leaf_seq = ? WHERE id = ?", (parent, session_id))
    return Appended(
        message=message, session=msgspec.structs.replace(session, leaf_seq=parent), turn=opened
    )
