"""How every endpoint reads, answers and is documented.

Owns the envelope around answers and refusals, the limits on bodies, and the pieces of OpenAPI that
the endpoints share. Answers are encoded once by msgspec and sent as they are; the same structs make
the published schema. Owns no endpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec
import structlog
from fastapi import FastAPI, Header, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Route

from cipher.errors import BadRequest, CipherError, NotFound, StorageError
from cipher.web.strict import read_json
from cipher.web.wire import ErrorBody, failure, status_of, success

ID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,64}$"
MAX_BODY_BYTES: Final = 1_048_576

SessionId = Annotated[str, Path(pattern=ID_PATTERN)]
TurnId = Annotated[str, Path(pattern=ID_PATTERN)]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", pattern=ID_PATTERN, description="Safe to retry.")
]
Shape = TypeVar("Shape")

log = structlog.get_logger()


class Answer(Response):
    """JSON bytes that are ready to go."""

    media_type = "application/json"


def answer(data: object, status: int = 200) -> Answer:
    """A success in its envelope."""
    return Answer(success(data), status)


def refuse(error: CipherError) -> Answer:
    """A refusal in its envelope; says when to come back where that is known."""
    refusal = Answer(failure(error), status_of(error))
    if error.retry_after_ms is not None:
        refusal.headers["retry-after"] = str(-(-error.retry_after_ms // 1000))
    return refusal


async def read_body(
    request: Request, decoder: msgspec.json.Decoder[Shape], *, absent: bytes = b""
) -> Shape:
    """The request's JSON body, `absent` where there is none. Raises: BadRequest, TooLarge."""
    return read_json(await request.body() or absent, decoder)


_REFUSAL: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "A refusal; `code` says which.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["success", "error"],
                    "properties": {
                        "success": {"const": False},
                        "error": {"$ref": f"#/components/schemas/{ErrorBody.__name__}"},
                    },
                }
            }
        },
    }
}


def answers(shape: type[msgspec.Struct], description: str, status: int = 200) -> dict[str, Any]:
    """The OpenAPI arguments of an endpoint that answers with `shape`."""
    data = {"$ref": f"#/components/schemas/{shape.__name__}"}
    envelope = {
        "type": "object",
        "required": ["success", "data"],
        "properties": {"success": {"const": True}, "data": data},
    }
    content = {"application/json": {"schema": envelope}}
    return {
        "status_code": status,
        "response_class": Answer,
        "response_model": None,
        "responses": {status: {"description": description, "content": content}, **_REFUSAL},
    }


def sends_file(description: str, *media_types: str) -> dict[str, Any]:
    """The OpenAPI arguments of an endpoint that answers with bytes of its own kind."""
    content: dict[str, Any] = {media_type: {} for media_type in media_types}
    return {
        "response_class": Response,
        "response_model": None,
        "responses": {200: {"description": description, "content": content}, **_REFUSAL},
    }


def takes(shape: type[msgspec.Struct], *, required: bool) -> dict[str, Any]:
    """The OpenAPI arguments of an endpoint whose body is `shape`."""
    schema = {"$ref": f"#/components/schemas/{shape.__name__}"}
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}
    }


def install_refusals(app: FastAPI, suspect: Callable[[], None]) -> None:
    """Give every error its envelope; `suspect` is called when the storage failed."""

    async def on_error(request: Request, error: Exception) -> Answer:
        if isinstance(error, StorageError):
            suspect()
            log.error("storage failed", code=error.code, exc_info=error.__cause__)
        if isinstance(error, CipherError):
            return refuse(error)
        if isinstance(error, RequestValidationError):
            first = error.errors()[0]
            return refuse(BadRequest(f"{first['loc'][-1]}: {first['msg']}."))
        if isinstance(error, HTTPException) and error.status_code == 405:
            return _refuse_method(app, request)
        if isinstance(error, HTTPException):
            # The framework itself raises nothing else but "no such address".
            return refuse(NotFound())
        # What nobody expected is raised again after this answer, and logged by `Access`.
        return refuse(CipherError())

    for kind in (CipherError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, on_error)


def _refuse_method(app: FastAPI, request: Request) -> Answer:
    taken = {
        method
        for route in app.routes
        if isinstance(route, Route) and route.path_regex.match(request.scope["path"])
        for method in route.methods or ()
    }
    refusal = refuse(BadRequest("This address does not take that method."))
    refusal.status_code = 405
    refusal.headers["allow"] = ", ".join(sorted(taken))
    return refusal
