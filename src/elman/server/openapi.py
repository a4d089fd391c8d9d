"""Build the OpenAPI description from the tables that the server itself uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from elman.core.json_schema import Schema
from elman.server.limits import Limits
from elman.server.service import Served
from elman.tasks.operations import AnyOperation, StreamingOperation

_ERROR = {"$ref": "#/components/schemas/Error"}
_REFUSED = {
    "400": "The body is not valid JSON.",
    "401": "The token is missing or wrong.",
    "403": "The page that asks comes from elsewhere.",
    "408": "The body took too long to come.",
    "413": "The body is over the bound.",
    "415": "The content type is not application/json.",
    "422": "The body does not say what is asked for, or the model cannot read it.",
    "500": "A fault of Elman.",
    "503": "Too much is asked for at once, or it took too long; ask again later.",
}
MODEL: Schema = {
    "type": "object",
    "required": ["name", "task", "about", "reads", "streams", "calls", "example"],
    "properties": {
        "name": {"type": "string"},
        "task": {"type": "string"},
        "about": {"type": "array", "items": {"type": "string"}},
        "reads": {"type": "string"},
        "streams": {"type": "string"},
        "calls": {"type": "array", "items": {"type": "string"}},
        "example": {},
    },
}
"""The schema of a model's description."""

_PLAIN: Mapping[str, tuple[str, str, Schema | None]] = {
    "/health": ("Whether the server lives.", "application/json", {"type": "object"}),
    "/metrics": ("Numbers for Prometheus.", "text/plain", None),
    "/models": ("The models.", "application/json", {"type": "array", "items": MODEL}),
}


def describe(
    served: Iterable[Served],
    bounds: Limits,
    *,
    sockets: Mapping[str, Schema],
    guarded: bool,
) -> dict[str, Any]:
    """Describe everything that is asked by HTTP, as OpenAPI 3.1.0.

    Args:
        served: the models.
        bounds: what a request may take.
        sockets: paths of WebSockets -> how a message is written.
        guarded: whether a token is asked for.
    """
    paths = {path: {"get": _plain(*description)} for path, description in _PLAIN.items()}
    for one in served:
        for call in one.model.operations:
            paths[f"/models/{one.name}/{call.name}"] = {"post": _operation(one, call, bounds)}
    error = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    components: dict[str, Any] = {"schemas": {"Error": error}}
    description: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Elman", "version": "1", "description": "Recurrent neural networks at work."},
        "paths": paths,
        "components": components,
        "x-websockets": {path: {"message": schema} for path, schema in sockets.items()},
    }
    if guarded:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        description["security"] = [{"token": []}]
    return description


def _plain(about: str, media: str, schema: Schema | None) -> dict[str, Any]:
    content = {media: {"schema": schema or {"type": "string"}}}
    return {
        "summary": about,
        "responses": {"200": _response("It.", content), **_refusals("401", "403", "503")},
    }


def _operation(served: Served, call: AnyOperation, bounds: Limits) -> dict[str, Any]:
    lines = isinstance(call, StreamingOperation) and not call.whole
    media = "application/jsonl" if lines else "application/json"
    body = {"application/json": {"schema": call.takes(served.model, bounds)}}
    return {
        "operationId": f"{served.name}.{call.name}",
        "summary": call.about,
        "tags": [served.name],
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": _response("The answer.", {media: {"schema": call.gives}}),
            **_refusals(*_REFUSED),
        },
    }


def _refusals(*statuses: str) -> dict[str, Any]:
    content = {"application/json": {"schema": _ERROR}}
    return {status: _response(_REFUSED[status], content) for status in statuses}


def _response(about: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": about, "content": content}
