"""Conversations in and out: what the command line and the REST server share.

Out, over any `DatabaseBackend`, for one owner:

    export_session(database, owner_id, session_id)          lossless JSON, async iterator of bytes
    export_sessions(database, owner_id, ids)                the same for several sessions
    export_markdown(database, owner_id, session_id)         str, the branch that is shown
    export_jsonl(database, owner_id, session_id)            bytes, one OpenAI-style line of it

In, from any binary stream, whatever known format it holds:

    report = await import_stream(database, owner_id, io.BytesIO(body))      an `ImportReport`
    read_session(data, owner_id)                    the one session of our own export, not stored

An import never overwrites, never brings back what was deleted, and adds nothing the second time.
It publishes no events: `report.sessions` names what was added, for whoever has a bus.
"""

from cipher.sessions.transfer.export import (
    export_jsonl,
    export_markdown,
    export_session,
    export_sessions,
    read_branch,
    session_ids,
)
from cipher.sessions.transfer.importer import (
    Importer,
    ImportReport,
    Remark,
    import_stream,
    read_session,
)

__all__ = [
    "ImportReport",
    "Importer",
    "Remark",
    "export_jsonl",
    "export_markdown",
    "export_session",
    "export_sessions",
    "import_stream",
    "read_branch",
    "read_session",
    "session_ids",
]
