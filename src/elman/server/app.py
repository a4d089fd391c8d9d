"""Models at work for others: HTTP, a WebSocket per stream, and a page to try them.

    page, health, metrics, models, openapi.json        GET
    models/NAME/predict, complete, translate, ...      POST, the model's operations
    models/NAME/stream                                 a WebSocket

The loop reads, checks, sends, and computes single steps; one thread computes the rest. What arrives together
is computed together.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from elman.data.formats.base import to_json
from elman.server import messages, openapi, process
from elman.server.auth import AuthMiddleware
from elman.server.batch_worker import BatchWorker
from elman.server.limits import Limits
from elman.server.service import OURS, HttpError, Served, ServerMetrics, Service, named, refusal
from elman.server.sessions import SessionManager
from elman.server.web import endpoint
from elman.server.websocket import Socket
from elman.tasks.abilities import Ability
from elman.tasks.model import Model

_PAGE = Path(__file__).with_name("page.html")


class Application:
    """What answers for some models, as an ASGI application.

    Args:
        models: each under the name that it is asked by.
        bounds: what a request may take; None: the defaults.
        token: what must be known to ask; empty: nothing, and only this machine is answered.
        state_dir: where streams are kept while the server is down; None: nowhere.

    Raises:
        ConfigError: a name that cannot stand in an address.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        *,
        bounds: Limits | None = None,
        token: str = "",
        state_dir: Path | None = None,
    ) -> None:
        self.bounds, metrics = bounds or Limits(), ServerMetrics()
        worker = BatchWorker(self.bounds.queue, self.bounds.together, metrics.batches.observe)
        metrics.watch("elman_queue", "Requests that wait for their turn.", lambda: worker.waiting)
        self._service = Service(named(models), self.bounds, worker, metrics)
        self._sessions = SessionManager(self._service, state_dir)
        metrics.watch("elman_streams", "Streams that are open.", lambda: len(self._sessions))
        routes = [
            *_plain(self._service, self._sessions, guarded=bool(token)),
            *_asked(self._service),
            *_streams(self._service, self._sessions),
        ]
        handlers = {HTTPException: _not_there, Exception: _our_fault}
        app = Starlette(routes=routes, lifespan=self._living, exception_handlers=handlers)
        self._app = AuthMiddleware(app, token, metrics, frozenset(route.path for route in routes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `starlette.types.ASGIApp`."""
        await self._app(scope, receive, send)

    def end(self) -> None:
        """Know that the server ends: streams that break off now are kept."""
        self._sessions.ending = True

    @asynccontextmanager
    async def _living(self, app: Starlette) -> AsyncIterator[None]:
        self._service.worker.start()
        watch = asyncio.create_task(self._sessions.watch())
        try:
            yield
        finally:
            watch.cancel()
            await self._sessions.keep()
            self._service.worker.stop()


def serve(app: Application, listening: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM, which lets requests be answered first; a second Ctrl-C ends at once.

    Args:
        app: what answers.
        listening: where; it is closed in the end.
    """
    process.serve(app, listening, app.bounds, ending=app.end)


def _plain(service: Service, sessions: SessionManager, *, guarded: bool) -> list[Route]:
    """Return the routes of GET."""
    page = _PAGE.read_bytes()
    models = to_json([_model(one, sessions) for one in service.served.values()])
    sockets = {
        _socket(service.served[name]): messages.schema(service.served[name].model, service.bounds.steps)
        for name in sessions.engines
    }
    description = to_json(
        openapi.describe(service.served.values(), service.bounds, sockets=sockets, guarded=guarded)
    )

    async def shown(request: Request) -> Response:
        return Response(page, media_type="text/html", headers={"Content-Security-Policy": _policy(page)})

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics(request: Request) -> Response:
        return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def listed(request: Request) -> Response:
        return Response(models, media_type="application/json")

    async def described(request: Request) -> Response:
        return Response(description, media_type="application/json")

    answers = {
        "/": shown,
        "/health": health,
        "/metrics": metrics,
        "/models": listed,
        "/openapi.json": described,
    }
    return [Route(path, answer, methods=["GET"]) for path, answer in answers.items()]


def _asked(service: Service) -> list[Route]:
    """Return the routes of POST."""
    return [
        Route(f"/models/{one.name}/{call.name}", endpoint(service, one, call), methods=["POST"])
        for one in service.served.values()
        for call in one.model.operations
    ]


def _streams(service: Service, sessions: SessionManager) -> list[WebSocketRoute]:
    """Return the routes of WebSockets."""
    return [WebSocketRoute(_socket(one), Socket(sessions, one)) for one in service.served.values()]


def _socket(served: Served) -> str:
    return f"/models/{served.name}/stream"


def _model(served: Served, sessions: SessionManager) -> dict[str, object]:
    """Describe a model."""
    model, task = served.model, served.model.task
    return {
        "name": served.name,
        "task": model.config.task,
        "about": [f"{name}: {words}" for name, words in task.describe().items()],
        "reads": model.reads,
        "streams": sessions.reasons.get(served.name, ""),
        "calls": [call.name for call in model.operations],
        "example": task.example() if isinstance(task, Ability) else None,
    }


def _policy(page: bytes) -> str:
    """Return what the page may do: run its own script, and ask this server."""
    script = page.split(b"<script>")[1].split(b"</script>")[0]
    known = b64encode(hashlib.sha256(script).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{known}'; style-src 'unsafe-inline'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


async def _not_there(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = "GET /models tells the models and what each can be asked"
    words = f"nothing is there; {known}" if error.status_code == 404 else f"{error.detail}; {known}"
    answer = refusal(HttpError(error.status_code, words))
    answer.headers.update(error.headers or {})
    return answer


async def _our_fault(request: Request, error: Exception) -> Response:
    return refusal(HttpError(500, OURS))
