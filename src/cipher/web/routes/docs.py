"""The published description of REST: `/openapi.json`, and `/docs` for people.

Owns the merging of the wire's structs into FastAPI's document, and a page that shows it. The usual
documentation pages load scripts from elsewhere, which the content security policy forbids; this one
is plain HTML, made here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, Response

from cipher.sessions.transfer import ImportReport
from cipher.web import requests, wire

_SHAPES: Final[tuple[type[msgspec.Struct], ...]] = (
    requests.CreateSession,
    requests.ChangeSession,
    requests.SendMessage,
    wire.ErrorBody,
    wire.SessionList,
    wire.SessionReply,
    wire.History,
    wire.Loaded,
    wire.Deleted,
    wire.Ack,
    wire.TurnCancelled,
    wire.Stats,
    wire.Models,
    wire.Health,
    ImportReport,
)
_STYLE: Final = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c1c1c; background: #fff; }
h2 { margin: 2rem 0 .25rem; font-size: 1.1rem; }
code, pre { font: 14px/1.5 ui-monospace, monospace; }
pre { background: #f4f4f4; padding: .75rem; overflow-x: auto; border-radius: 6px; }
td, th { text-align: left; padding: .15rem 1rem .15rem 0; vertical-align: top; }
b { display: inline-block; min-width: 4.5rem; }
@media (prefers-color-scheme: dark) {
  body { color: #e8e8e8; background: #161616; } pre { background: #242424; } a { color: #8ab4ff; }
}
"""


class Docs:
    """Made once, at the first request for it."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        app.openapi = self.document  # type: ignore[method-assign]  # FastAPI's way to extend it
        app.add_api_route("/docs", self.page, include_in_schema=False)
        app.add_api_route("/docs/style.css", self.style, include_in_schema=False)

    def document(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document."""
        app = self._app
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                openapi_version=app.openapi_version,
            )
            _, components = msgspec.json.schema_components(
                _SHAPES, ref_template="#/components/schemas/{name}"
            )
            document.setdefault("components", {}).setdefault("schemas", {}).update(components)
            app.openapi_schema = document
        return app.openapi_schema

    async def page(self) -> Response:
        """Every endpoint and every shape."""
        return HTMLResponse("".join(_page(self.document())))

    async def style(self) -> Response:
        """What the page looks like."""
        return Response(_STYLE, media_type="text/css")


def _page(document: dict[str, Any]) -> Iterator[str]:
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    yield (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        f'<link rel="stylesheet" href="/docs/style.css"><h1>{title}</h1>'
        f"<p>{escape(document['info']['description'])}</p>"
        '<p>The same for programs: <a href="/openapi.json">/openapi.json</a></p>'
    )
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _operation(path, method, operation)
    yield "<h1>Shapes</h1>"
    for name, schema in document["components"]["schemas"].items():
        text = escape(json.dumps(schema, indent=2))
        yield f'<h2 id="{escape(name)}">{escape(name)}</h2><pre>{text}</pre>'


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<h2><code><b>{escape(method.upper())}</b>{escape(path)}</code></h2>"
    yield f"<p>{escape(operation.get('description', ''))}</p><table>"
    for parameter in operation.get("parameters", ()):
        about = json.dumps(parameter["schema"])
        yield (
            f"<tr><td><code>{escape(parameter['name'])}</code><td>{escape(parameter['in'])}"
            f"<td><code>{escape(about)}</code>"
        )
    if "requestBody" in operation:
        yield f"<tr><td>body<td>JSON<td>{_shape(operation['requestBody'])}"
    for status, response in operation["responses"].items():
        about = escape(response.get("description", ""))
        yield f"<tr><td>{escape(status)}<td>{_shape(response)}<td>{about}"
    yield "</table>"


def _shape(body: dict[str, Any]) -> str:
    """A link to the shape inside the envelope, if the body has one."""
    schema = body.get("content", {}).get("application/json", {}).get("schema", {})
    fields = schema.get("properties", {})
    inner = fields.get("data") or fields.get("error") or schema
    name = escape(inner.get("$ref", "").rpartition("/")[2])
    return f'<a href="#{name}">{name}</a>' if name else ""
