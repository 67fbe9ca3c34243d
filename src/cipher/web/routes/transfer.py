"""The endpoints that take conversations out and in.

Owns the answers' form: an export is a file, not an envelope, so that what was saved can be imported
again as it is. Owns no format: `cipher.sessions.transfer` has those, for the command line too.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Final, Literal

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response, StreamingResponse

from cipher.agent.agent import MemAgent
from cipher.errors import BadRequest, SessionNotFound
from cipher.events import SessionCreated
from cipher.model import LOCAL_OWNER
from cipher.sessions.transfer import (
    ImportReport,
    export_markdown,
    export_session,
    import_stream,
)
from cipher.storage.base import DatabaseBackend
from cipher.web.routes.answers import Answer, SessionId, answer, answers, sends_file

IMPORT_PATH: Final = "/api/import"
MAX_IMPORT_BYTES: Final = 64 * 1024 * 1024
_MAX_NEWS: Final = 100
"""As many sessions of one import are announced to open pages as a list shows."""

Form = Annotated[Literal["json", "markdown"], Query(alias="format")]

_UPLOAD = {
    "requestBody": {
        "required": True,
        "description": "An export of ours, OpenAI-style JSONL, ShareGPT, or ChatGPT's export.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "minLength": 1}}},
    }
}


class TransferRoutes:
    """Export and import."""

    def __init__(self, agent: MemAgent, database: DatabaseBackend) -> None:
        self._agent = agent
        self._database = database
        self._one_at_a_time = asyncio.Lock()

    def install(self, app: FastAPI) -> None:
        """Put the endpoints into the application."""
        add = partial(app.add_api_route, tags=["transfer"])
        add(
            "/api/sessions/{session_id}/export",
            self.export,
            **sends_file("The session.", "application/json", "text/markdown"),
        )
        add(
            IMPORT_PATH,
            self.take,
            methods=["POST"],
            openapi_extra=_UPLOAD,
            **answers(ImportReport, "What became of each conversation."),
        )

    async def export(self, session_id: SessionId, form: Form = "json") -> Response:
        """One session as a file: everything as JSON, or the shown branch as markdown."""
        if form == "markdown":
            text = await export_markdown(self._database, LOCAL_OWNER, session_id)
            return Response(text, media_type="text/markdown", headers=_as_file(f"{session_id}.md"))
        pieces = export_session(self._database, LOCAL_OWNER, session_id)
        # The first piece is fetched here, where what is missing still becomes a 404.
        first = await anext(pieces)
        return StreamingResponse(
            _rest(first, pieces),
            media_type="application/json",
            headers=_as_file(f"{session_id}.json"),
        )

    async def take(self, request: Request) -> Answer:
        """Import a file; what is there already is left as it is."""
        async with self._one_at_a_time:
            body = io.BytesIO(await request.body())
            report = await import_stream(self._database, LOCAL_OWNER, body)
        if report.in_vain:
            why = report.skipped[0].reason if report.skipped else "the file is empty"
            raise BadRequest(f"There is no conversation in this file: {why.rstrip('.')}.")
        await self._announce(report.sessions[:_MAX_NEWS])
        return answer(report)

    async def _announce(self, session_ids: tuple[str, ...]) -> None:
        for session_id in session_ids:
            try:
                session = await self._agent.sessions.get(LOCAL_OWNER, session_id)
            except SessionNotFound:
                continue
            self._agent.bus.publish(
                LOCAL_OWNER, SessionCreated(session=session, timestamp=session.created_at)
            )


async def _rest(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


def _as_file(name: str) -> dict[str, str]:
    # Session ids hold nothing that a header would have to quote.
    return {"content-disposition": f'attachment; filename="cipher-{name}"'}
