"""What the verbs about messages do inside a transaction: the log and the branch through it.

`message_data` is JSON of the parts, the usage and the failure of a message; the rest are columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from cipher.errors import IdempotencyConflict, MessageNotFound, StorageCorrupt
from cipher.model import (
    Appended,
    Message,
    MessagePage,
    NewMessage,
    Session,
    Turn,
    to_ms,
)
from cipher.storage.base import OpenTurn, grown, imported
from cipher.storage.rows import MESSAGE, message_from, row_of_message
from cipher.storage.sqlite import sessions, turns

_INSERT = (
    f"INSERT INTO messages ({MESSAGE}, session_id, owner_id) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (owner_id, session_id, client_msg_id) WHERE client_msg_id IS NOT NULL DO NOTHING"
)


def store(connection: apsw.Connection, session: Session, message: Message) -> bool:
    """Insert a row into `messages`; the caller has chosen its `seq`.

    False, and nothing is written, if the session has a message of the same `client_msg_id`.
    """
    connection.execute(_INSERT, (*row_of_message(message), session.id, session.owner_id))
    return connection.changes() == 1


def append(
    connection: apsw.Connection,
    owner_id: str,
    session_id: str,
    new: NewMessage,
    turn: OpenTurn | None,
) -> Appended:
    """Give a message the next `seq`, store it, open its turn and move the session on."""
    session = sessions.get(connection, owner_id, session_id)
    parent_seq = session.leaf_seq if new.parent_seq is None else new.parent_seq
    message = Message(
        id=new.id,
        seq=session.head_seq + 1,
        parent_seq=parent_seq,
        role=new.role,
        parts=new.parts,
        timestamp=new.timestamp,
        turn_id=turn.turn_id if turn else None,
        client_msg_id=new.client_msg_id,
    )
    reachable = 0 <= parent_seq <= session.head_seq
    if not (reachable and store(connection, session, message)):
        return _sent_before(connection, session, new)
    opened = turns.open_turn(connection, session, message.seq, turn) if turn else None
    return Appended(
        message=message, session=advance(connection, session, message, leaf=True), turn=opened
    )


def _sent_before(connection: apsw.Connection, session: Session, new: NewMessage) -> Appended:
    """What the first sending of a message brought. Raises: MessageNotFound, IdempotencyConflict."""
    row = connection.execute(
        f"SELECT {MESSAGE} FROM messages "
        "WHERE owner_id = ? AND session_id = ? AND client_msg_id = ?",
        (session.owner_id, session.id, new.client_msg_id),
    ).fetchone()
    if row is None:
        raise MessageNotFound
    message = message_from(row)
    if message.parts != new.parts or message.role != new.role:
        raise IdempotencyConflict
    turn = turns.find(connection, session.id, message.turn_id) if message.turn_id else None
    return Appended(message=message, session=session, turn=turn, duplicate=True)


def advance(
    connection: apsw.Connection, session: Session, message: Message, *, leaf: bool
) -> Session:
    """Count a message that was stored at the head; `leaf` makes it the tip of the branch."""
    moved = grown(session, message, leaf=leaf)
    connection.execute(
        "UPDATE sessions SET title = ?, head_seq = ?, leaf_seq = ?, message_count = ?, "
        "last_activity = ? WHERE id = ?",
        (
            moved.title,
            moved.head_seq,
            moved.leaf_seq,
            moved.message_count,
            to_ms(moved.last_activity),
            session.id,
        ),
    )
    return moved


def get(connection: apsw.Connection, session_id: str, seq: int) -> Message:
    """The message at a `seq`. Raises: MessageNotFound."""
    row = connection.execute(
        f"SELECT {MESSAGE} FROM messages WHERE session_id = ? AND seq = ?", (session_id, seq)
    ).fetchone()
    if row is None:
        raise MessageNotFound
    return message_from(row)


def answer_of(connection: apsw.Connection, turn: Turn, attempt: int) -> Message:
    """The message that ended an attempt of a turn. Raises: MessageNotFound."""
    row = connection.execute(
        f"SELECT {MESSAGE} FROM messages "
        "WHERE session_id = ? AND seq > ? AND turn_id = ? AND attempt = ?",
        (turn.session_id, turn.user_seq, turn.id, attempt),
    ).fetchone()
    if row is None:
        raise MessageNotFound
    return message_from(row)


def branch(
    connection: apsw.Connection, owner_id: str, session_id: str, before: int | None, limit: int
) -> MessagePage:
    """Walk from the leaf, or from above `before`, towards the root.

    Reads runs of rows and follows `parent_seq` through them: a branch without forks above it is one
    range scan, and each fork costs one more. Raises: StorageCorrupt where a message of the branch
    is missing, or its parent does not stand above it.
    """
    session = _counted(connection, owner_id, session_id)
    wanted = session.leaf_seq
    if before is not None:
        if not 0 < before <= session.head_seq:
            raise MessageNotFound
        wanted = _present(connection, session, before).parent_seq
    found: list[Message] = []
    while wanted and len(found) < limit:
        run = connection.execute(
            f"SELECT {MESSAGE} FROM messages WHERE session_id = ? AND seq <= ? "
            "ORDER BY seq DESC LIMIT ?",
            (session_id, wanted, limit - len(found)),
        )
        reached = wanted
        for row in run:
            if row[0] == wanted:
                found.append(message_from(row))
                wanted = row[1]
                if not 0 <= wanted < row[0]:
                    raise StorageCorrupt
        if wanted == reached:
            raise StorageCorrupt
    found.reverse()
    return MessagePage(
        session=session,
        messages=tuple(found),
        has_more=wanted > 0,
        turns=turns.unfinished(connection, session_id),
    )


def _counted(connection: apsw.Connection, owner_id: str, session_id: str) -> Session:
    """A session whose count agrees with its head: no verb takes a message out of a log.

    Raises: SessionNotFound, StorageCorrupt.
    """
    session = sessions.get(connection, owner_id, session_id)
    if session.message_count != session.head_seq:
        raise StorageCorrupt
    return session


def _present(connection: apsw.Connection, session: Session, seq: int) -> Message:
    """The message at a `seq` up to the head, where one must be. Raises: StorageCorrupt."""
    try:
        return get(connection, session.id, seq)
    except MessageNotFound as error:
        raise StorageCorrupt from error


def log(
    connection: apsw.Connection, owner_id: str, session_id: str, after: int, limit: int
) -> MessagePage:
    """The rows after a `seq`, all branches.

    Raises: StorageCorrupt where the numbers have a gap, end before the head or go beyond it.
    """
    session = _counted(connection, owner_id, session_id)
    start = max(0, min(after, session.head_seq))
    rows = connection.execute(
        f"SELECT {MESSAGE} FROM messages WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        (session_id, start, limit),
    )
    found = tuple(map(message_from, rows))
    end = min(start + limit, session.head_seq)
    if [message.seq for message in found] != list(range(start + 1, end + 1)):
        raise StorageCorrupt
    return MessagePage(
        session=session,
        messages=found,
        has_more=bool(found) and found[-1].seq < session.head_seq,
        turns=turns.unfinished(connection, session_id),
    )


def import_session(connection: apsw.Connection, session: Session, log: Sequence[Message]) -> bool:
    """Insert a session and its whole log; counts and head follow from the log."""
    whole = imported(session, log)
    if not sessions.insert(connection, whole):
        return False
    for message in log:
        store(connection, whole, message)
    return True
