"""Who may ask: whoever has the token; where there is none, whoever is on this machine, from no other page."""

from __future__ import annotations

import secrets
import time
from collections.abc import Set
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from elman.server.service import HttpError, ServerMetrics, refusal

OPEN = frozenset({"/", "/health"})
"""What needs no token: it says nothing of the models."""

PROTOCOL, _TOKEN = "elman", "token."
"""The WebSocket's protocol; a page, which cannot set headers, names its token as another one."""

_HERE = ("127.0.0.1", "localhost", "::1")
_OTHER = "other"


class AuthMiddleware:
    """Lets through what may pass, and counts it.

    Without a token the server listens on this machine alone. There a page of the web, which a browser on this
    machine shows, could still ask; so the request must name this machine as its host, and no other page as
    its origin.

    Args:
        app: what answers.
        token: what must be known; empty: nothing.
        metrics: where requests are counted.
        paths: those that are counted by their names.
    """

    def __init__(self, app: ASGIApp, token: str, metrics: ServerMetrics, paths: Set[str]) -> None:
        self._app, self._token, self._metrics, self._paths = app, token.encode(), metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `starlette.types.ASGIApp`."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else _OTHER
        begun = time.monotonic()

        async def counted(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                self._metrics.requests.labels(path, str(message["status"])).inc()
                self._metrics.seconds.observe(time.monotonic() - begun)
            await send(message)

        if fault := self._fault(scope):
            await refusal(fault)(scope, receive, counted)
        elif scope["type"] == "websocket":  # whose messages are many, and counted by the streams
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, counted)

    def _fault(self, scope: Scope) -> HttpError | None:
        headers = Headers(scope=scope)
        if self._token:
            known = scope["path"] in OPEN or self._knows(scope, headers)
            return (
                None
                if known
                else HttpError(401, "the token is missing or wrong; send Authorization: Bearer TOKEN")
            )
        host, origin = headers.get("host", ""), headers.get("origin")
        if _name(f"//{host}") not in _HERE:
            return HttpError(
                403, f"asked for as {host[:100]!r}; without a token this server answers to localhost only"
            )
        if origin is not None and urlsplit(origin).netloc != host:
            return HttpError(
                403, "asked by a page from elsewhere; serve with --token, and let the page send it"
            )
        return None

    def _knows(self, scope: Scope, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = [token.strip()] if scheme.lower() == "bearer" else []
        given += [one.removeprefix(_TOKEN) for one in scope.get("subprotocols", []) if one.startswith(_TOKEN)]
        return any(secrets.compare_digest(one.encode(), self._token) for one in given)


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
