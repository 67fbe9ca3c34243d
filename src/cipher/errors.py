"""Every error that Cipher raises on purpose.

    CipherError                    internal
    ├── BadRequest                 bad_request       the caller's input is malformed
    │   ├── BadFrame               bad_frame         a socket frame is not a JSON object of ours
    │   ├── UnknownType            unknown_type      a socket frame of a type we do not know
    │   └── TooLarge               too_large         body, frame or content over its limit
    ├── Unauthenticated            unauthenticated
    ├── ForbiddenOrigin            forbidden_origin
    ├── ForbiddenHost              forbidden_host
    ├── NotFound                   not_found
    │   ├── SessionNotFound
    │   ├── MessageNotFound
    │   └── TurnNotFound
    ├── SessionExists              session_exists    the id is taken, or was once
    ├── SessionBusy                session_busy      a turn runs and the caller asked not to wait
    ├── IdempotencyConflict        idempotency_conflict
    ├── RateLimited                rate_limited
    ├── StorageError
    │   ├── StorageUnavailable     storage_unavailable
    │   ├── StorageFull            storage_full
    │   ├── StorageCorrupt         storage_corrupt
    │   └── ReadOnly               read_only
    ├── ModelError
    │   ├── ModelUnavailable       model_unavailable the provider did not answer, or broke off
    │   └── ModelRejected          model_rejected    the provider said no
    ├── Draining                   draining          the server is about to stop
    └── SettingsError              bad_setting       a setting stops the start

The `code` is stable and goes over the wire; the class docstring is the default message and is safe
to show to a person: it never carries a path, SQL, a stack or another user's ids. Which HTTP status
belongs to which code is known to `web/wire.py` alone.
"""

from __future__ import annotations

from typing import ClassVar


class CipherError(Exception):
    """Something went wrong inside Cipher."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str | None = None, *, retry_after_ms: int | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.retry_after_ms = retry_after_ms
        super().__init__(self.message)


class BadRequest(CipherError):
    """The request is malformed."""

    code = "bad_request"


class BadFrame(BadRequest):
    """The frame is not a JSON object with a type and a payload."""

    code = "bad_frame"


class UnknownType(BadRequest):
    """The frame has a type that this server does not know."""

    code = "unknown_type"


class TooLarge(BadRequest):
    """The request is larger than allowed."""

    code = "too_large"


class Unauthenticated(CipherError):
    """Sign in first."""

    code = "unauthenticated"


class ForbiddenOrigin(CipherError):
    """Requests from this origin are not allowed."""

    code = "forbidden_origin"


class ForbiddenHost(CipherError):
    """This server does not answer to that host name."""

    code = "forbidden_host"


class NotFound(CipherError):
    """There is nothing here."""

    code = "not_found"


class SessionNotFound(NotFound):
    """There is no such session."""


class MessageNotFound(NotFound):
    """There is no such message in this session."""


class TurnNotFound(NotFound):
    """There is no such turn in this session."""


class SessionExists(CipherError):
    """A session with this id exists or existed; an id is never used again."""

    code = "session_exists"


class SessionBusy(CipherError):
    """The session is busy with another turn."""

    code = "session_busy"
    retryable = True


class IdempotencyConflict(CipherError):
    """This idempotency key was used before with other content."""

    code = "idempotency_conflict"


class RateLimited(CipherError):
    """Too many requests; slow down."""

    code = "rate_limited"
    retryable = True


class StorageError(CipherError):
    """The storage failed."""

    code = "storage_unavailable"


class StorageUnavailable(StorageError):
    """The storage does not answer; nothing was saved. Try again in a moment."""

    code = "storage_unavailable"
    retryable = True


class StorageFull(StorageError):
    """The disk is full; nothing was saved. Free some space and try again."""

    code = "storage_full"
    retryable = True


class StorageCorrupt(StorageError):
    """The stored data is damaged; it was left untouched."""

    code = "storage_corrupt"


class ReadOnly(StorageError):
    """The storage is read-only right now."""

    code = "read_only"
    retryable = True


class ModelError(CipherError):
    """The language model failed."""

    code = "model_unavailable"


class ModelUnavailable(ModelError):
    """The language model did not answer. Your message is saved; try again."""

    code = "model_unavailable"
    retryable = True


class ModelRejected(ModelError):
    """The language model's provider refused the request. Your message is saved."""

    code = "model_rejected"


class Draining(CipherError):
    """The server is about to restart; try again in a moment."""

    code = "draining"
    retryable = True


class SettingsError(CipherError):
    """A setting has a value that is not allowed."""

    code = "bad_setting"
