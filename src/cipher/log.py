"""Logging: one line per event, with ids and never with content.

Owns how log lines look (for people or as JSON), where they go (standard error) and from which level
on. Libraries that log through the standard library come out in the same form. Owns no event: rooms
log by `structlog.get_logger()`, name what happened in a few words, and pass ids as fields
(`session_id`, `turn_id`, `request_id`), never what a person or a model wrote.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

    from cipher.config import LogFormat, LogLevel

_CHATTY = ("uvicorn", "uvicorn.error", "asyncio", "httpx2", "httpcore2", "websockets")
"""Libraries whose info lines say nothing that ours do not."""

_OURS = "cipher"


def set_up_logging(level: LogLevel, form: LogFormat) -> None:
    """Send all logging of this process, ours and the libraries', to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, _without_none, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(allow=[])],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(form),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # The debug lines of libraries hold frames, prompts and keys, so only ours are ever shown.
    root.setLevel("INFO" if level == "debug" else level.upper())
    logging.getLogger(_OURS).setLevel(level.upper())
    for name in _CHATTY:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(logging.ERROR if level == "error" else logging.WARNING)


def _without_none(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    """A field that says nothing is left out, so that rooms need not ask before they log."""
    return {name: value for name, value in fields.items() if value is not None}


def _rendering(form: LogFormat) -> list[Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # The default formatter of tracebacks shows local variables, and those hold what people wrote.
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    return [console]
