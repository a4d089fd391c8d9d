"""What the server's parts have in common: bounds, models under their names, metrics, refusals."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector
from prometheus_client import generate_latest as exposition
from starlette.responses import JSONResponse

from elman.core.errors import ConfigError, ElmanError
from elman.server.batch_worker import BatchWorker, BusyError
from elman.server.limits import Limits
from elman.tasks.model import Model

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    408: {"Connection": "close"},  # the rest of the body is not waited for
    413: {"Connection": "close"},
    503: {"Retry-After": "1"},
}
OURS = "a fault of Elman; the server's log tells it"
"""The answer to an error that no client has caused."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class HttpError(Exception):
    """A request that is refused, with the status of HTTP (RFC 9110) and one line that says why."""

    def __init__(self, status: int, words: str) -> None:
        self.status, self.words = status, words
        super().__init__(words)


@dataclass(frozen=True)
class Served:
    """A model under the name that it is asked by."""

    name: str
    model: Model


def named(models: Mapping[str, Model]) -> dict[str, Served]:
    """Return the models, each under its name.

    Raises:
        ConfigError: a name that cannot stand in an address.
    """
    for name in models:
        if not _NAME.fullmatch(name):
            expected = "letters, digits, dots, - and _, such as a run folder is called"
            raise ConfigError("a model's name", repr(name), expected=expected, remedy="rename the folder")
    return {name: Served(name, model) for name, model in models.items()}


class ServerMetrics:
    """What is counted of a server, for Prometheus; memory and processor time of the process beside it."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self.requests = Counter(
            "elman_requests_total", "Requests by path and status.", ["path", "status"], registry=registry
        )
        self.seconds = Histogram(
            "elman_request_seconds", "Time from request to response.", buckets=_SECONDS, registry=registry
        )
        self.batches = Histogram(
            "elman_batch_size", "Requests computed together.", buckets=_SIZES, registry=registry
        )
        self.steps = Counter("elman_stream_steps_total", "Steps of streams.", ["model"], registry=registry)
        self.dropped = Counter(
            "elman_streams_dropped_total",
            "Streams that the server ended, by reason.",
            ["why"],
            registry=registry,
        )

    def watch(self, name: str, about: str, value: Callable[[], float]) -> None:
        """Show a value that goes up and down."""
        Gauge(name, about, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        return exposition(self._registry)


@dataclass(frozen=True)
class Service:
    """What answers: models, bounds, the thread that computes, and what is counted."""

    served: Mapping[str, Served]
    bounds: Limits
    worker: BatchWorker
    metrics: ServerMetrics


def refusal(fault: HttpError) -> JSONResponse:
    """Return the answer to a request that is refused."""
    return JSONResponse({"error": fault.words}, fault.status, _HEADERS.get(fault.status))


def fault(error: Exception) -> HttpError:
    """Return the answer where something went wrong; raise again what is nobody's fault but ours."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, BusyError):
        return HttpError(503, "too many requests wait; ask again in a second")
    if isinstance(error, TimeoutError):
        return HttpError(503, "it took too long; ask for less, or again later")
    if isinstance(error, ElmanError):
        return HttpError(422, str(error))
    raise error
