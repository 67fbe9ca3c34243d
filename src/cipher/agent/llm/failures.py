"""What went wrong at a provider, in the two words that the agent knows.

Owns the mapping from everything that the model library and its HTTP client raise to
`ModelUnavailable` and `ModelRejected`, whether asking once more is worth it, and the sentences that
people read. A provider's own words are shown only when it refused the request, shortened and
without keys, addresses and paths. Causes are not chained: they hold prompts and headers, and a
traceback is logged.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import httpx2
from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelTimeoutError,
)

from cipher.errors import ModelError, ModelRejected, ModelUnavailable

ProviderError = AgentRunError | httpx2.HTTPError | httpx2.StreamError | ValueError
PROVIDER_ERRORS = (AgentRunError, httpx2.HTTPError, httpx2.StreamError, ValueError)
"""What an adapter may raise about a provider; anything else is a mistake of ours."""

_AGAIN = "Your message is saved; try again in a moment."
_MAX_REASON_CHARS = 200
_SHORTEST_KEY = 8

_URL = re.compile(r"\b\w+://\S+|\bwww\.\S+")
_PATH = re.compile(r"(?<![\w/])(?:~|[A-Za-z]:)?(?:[/\\][\w.@-]+){2,}")
_SECRET = re.compile(
    r"(?i)\bbearer\s+\S+|\b(?:sk|pk|rk|gsk|xai|key)[-_][\w*.-]{8,}|\bAIza[\w-]{12,}|[\w-]*\*{3,}[\w-]*"
)


class Failure(NamedTuple):
    """The error to raise, and whether the same request may go out again by itself."""

    error: ModelError
    repeatable: bool = False


class Unfinished(AgentRunError):
    """The stream ended, but the answer did not."""


class Silent(AgentRunError):
    """The answer is over and has no text."""


class Withheld(AgentRunError):
    """The provider looked at the answer and kept it."""


def failure_of(error: ProviderError, secret: str) -> Failure:
    """What an adapter's error means; `secret` is the key, and never gets out."""
    match error:
        case ModelQuotaExceededError():
            return Failure(
                ModelRejected("The account at the model's provider has no credit or quota left.")
            )
        case ModelHTTPError():
            return _refusal(error, secret)
        case ModelTimeoutError() | httpx2.TimeoutException():
            return Failure(ModelUnavailable(f"The language model did not answer in time. {_AGAIN}"))
        case ModelConnectionError() | httpx2.TransportError():
            return Failure(
                ModelUnavailable(f"The language model can not be reached, or broke off. {_AGAIN}"),
                repeatable=True,
            )
        case Withheld() | ContentFilterError():
            return Failure(ModelRejected("The model's provider withheld the answer."))
        case Silent():
            return Failure(ModelUnavailable(f"The language model said nothing. {_AGAIN}"))
        case Unfinished():
            return Failure(ModelUnavailable(f"The language model broke off. {_AGAIN}"))
        case _:
            return Failure(
                ModelUnavailable(f"The model's provider sent something unreadable. {_AGAIN}")
            )


def _refusal(error: ModelHTTPError, secret: str) -> Failure:
    status = error.status_code
    after = error.retry_after
    if status in (401, 403):
        return Failure(
            ModelRejected("The model's provider does not accept the key. Check LLM_API_KEY.")
        )
    if status == 429:
        return Failure(
            ModelUnavailable(
                f"The model's provider is busy or limits how often it is asked. {_AGAIN}",
                retry_after_ms=None if after is None else max(0, int(after * 1000)),
            ),
            repeatable=True,
        )
    if status >= 500 or status in (408, 425):
        return Failure(
            ModelUnavailable(
                f"The model's provider has a fault. {_AGAIN}",
                retry_after_ms=None if after is None else max(0, int(after * 1000)),
            ),
            repeatable=True,
        )
    reason = shown_reason(error.body, secret)
    if status == 404 and not reason:
        reason = "it does not know this model. Check LLM_MODEL and LLM_BASE_URL"
    return Failure(
        ModelRejected(
            f"The model's provider refused the request: {reason}."
            if reason
            else f"The model's provider refused the request (HTTP {status})."
        )
    )


def shown_reason(body: object, secret: str) -> str:
    """A provider's message as one short line, without keys, addresses and paths; may be empty."""
    text = _message_in(body)
    if len(secret) >= _SHORTEST_KEY:
        text = text.replace(secret, "…")
    if "<" in text and ">" in text:
        return ""
    for pattern in (_URL, _SECRET, _PATH):
        text = pattern.sub("…", text)
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if len(text) > _MAX_REASON_CHARS:
        text = text[:_MAX_REASON_CHARS].rsplit(" ", 1)[0] + "…"
    return text.rstrip(".")


def _message_in(body: object) -> str:
    """The words in `{"error": {"message": …}}` and its relatives."""
    match body:
        case str():
            return body
        case list() if body:
            return _message_in(body[0])
        case dict():
            for name in ("error", "message", "detail", "msg"):
                if found := _message_in(body.get(name)):
                    return found
        case _:
            pass
    return ""
