"""Conversations out of a database, for files and for `GET …/export`.

Owns reading a session whole, page by page, while others write to it: what comes out is the session
as it was at the first page. Formats are in `formats/`. Promises: memory is bounded by one page of
messages for JSON, by one session for the others; SessionNotFound is raised before the first byte.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

import msgspec

from cipher.errors import SessionNotFound
from cipher.model import Message, MessagePage, SessionState, conversation_order
from cipher.sessions.transfer.formats import document
from cipher.sessions.transfer.formats.markdown import write_markdown
from cipher.sessions.transfer.formats.openai import write_openai
from cipher.storage.base import DatabaseBackend

PAGE = 500


async def export_session(
    database: DatabaseBackend, owner_id: str, session_id: str
) -> AsyncIterator[bytes]:
    """The lossless JSON export of one session, in pieces. Raises: SessionNotFound."""
    lead = document.HEAD
    async for piece in _session(database, owner_id, session_id):
        yield lead + piece
        lead = b""
    yield document.TAIL


async def export_sessions(
    database: DatabaseBackend, owner_id: str, session_ids: AsyncIterable[str]
) -> AsyncIterator[bytes]:
    """The lossless JSON export of several sessions, in pieces; those that are gone are left out."""
    yield document.HEAD
    between = b""
    async for session_id in session_ids:
        pieces = _session(database, owner_id, session_id)
        try:
            first = await anext(pieces)
        except SessionNotFound:
            continue
        yield between + first
        async for piece in pieces:
            yield piece
        between = b","
    yield document.TAIL


async def export_jsonl(database: DatabaseBackend, owner_id: str, session_id: str) -> bytes:
    """One line in the shape of `formats.openai`: the branch that is shown, text and tools."""
    page = await read_branch(database, owner_id, session_id)
    return write_openai(page.session, page.messages) + b"\n"


async def export_markdown(database: DatabaseBackend, owner_id: str, session_id: str) -> str:
    """A markdown document of the branch that is shown. Raises: SessionNotFound."""
    page = await read_branch(database, owner_id, session_id)
    return write_markdown(page.session, page.messages)


async def read_branch(
    database: DatabaseBackend, owner_id: str, session_id: str, *, limit: int | None = None
) -> MessagePage:
    """The last `limit` messages of the branch that is shown, in the order in which it reads.

    Raises: SessionNotFound.
    """
    first = page = await database.branch(owner_id, session_id, limit=_next_page(limit, 0))
    pages, count = [page.messages], len(page.messages)
    while page.has_more and (limit is None or count < limit):
        above, wanted = page.messages[0].seq, _next_page(limit, count)
        page = await database.branch(owner_id, session_id, before=above, limit=wanted)
        pages.append(page.messages)
        count += len(page.messages)
    path = [message for messages in reversed(pages) for message in messages]
    return MessagePage(
        session=first.session,
        messages=tuple(conversation_order(path)),
        has_more=page.has_more,
        turns=first.turns,
    )


def _next_page(limit: int | None, count: int) -> int:
    return PAGE if limit is None else min(limit - count, PAGE)


async def session_ids(
    database: DatabaseBackend, owner_id: str, states: tuple[SessionState, ...]
) -> AsyncIterator[str]:
    """The ids of all of an owner's sessions in the given states, newest activity first."""
    for state in states:
        cursor: str | None = None
        while True:
            page = await database.list_sessions(owner_id, state=state, limit=PAGE, cursor=cursor)
            for session in page.sessions:
                yield session.id
            cursor = page.next_cursor
            if cursor is None:
                break


async def _session(
    database: DatabaseBackend, owner_id: str, session_id: str
) -> AsyncIterator[bytes]:
    page = await database.log(owner_id, session_id, limit=PAGE)
    session = page.session
    yield document.opening(session) + document.entries(page.messages)
    while page.has_more and page.messages[-1].seq < session.head_seq:
        page = await database.log(owner_id, session_id, after=page.messages[-1].seq, limit=PAGE)
        known = [message for message in page.messages if message.seq <= session.head_seq]
        yield b"," + document.entries(known)
    yield document.CLOSING


def message_object(message: Message) -> dict[str, object]:
    """A message as scripts read it: the stored fields and the plain `content`."""
    told: dict[str, object] = msgspec.to_builtins(message)
    return {**told, "content": message.content}
