"""What the server's parts have in common: bounds, models under their names, what can be asked of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector
from prometheus_client import generate_latest as exposition
from starlette.responses import JSONResponse

from elman.core.errors import ConfigError, ElmanError
from elman.core.json_schema import Schema
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
"""What is told of an error that nobody who asks has caused."""
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


@dataclass(frozen=True)
class Operation:
    """Something that can be asked of a model. It is computed for all who ask the same at the same time.

    Args:
        name: the last part of its path.
        about: what it does, in one sentence.
        serves: whether a model does it.
        takes: how a request is written, for a model and these bounds.
        gives: how an answer is written.
        together: what two requests must have in common to be computed in one batch; None: never are they.
        run: an answer to each of some requests, in terms of JSON.
    """

    name: str
    about: str
    serves: Callable[[Model], bool]
    takes: Callable[[Model, Limits], Schema]
    gives: Schema
    together: Callable[[Mapping[str, Any]], Hashable]
    run: Callable[[Model, Limits, Sequence[Any]], list[Any]]


@dataclass(frozen=True)
class StreamingOperation:
    """Something that a model writes piece by piece.

    Args:
        name, about, serves, takes: as of a `Call`.
        gives: how an answer is written, or a line of it.
        begin: the pieces as they are written.
        whole: whether they are sent as one answer, not each as a line when it is there.
    """

    name: str
    about: str
    serves: Callable[[Model], bool]
    takes: Callable[[Model, Limits], Schema]
    gives: Schema
    begin: Callable[[Model, Mapping[str, Any]], Iterator[str]]
    whole: bool


def named(models: Mapping[str, Model]) -> dict[str, Served]:
    """The models, each under its name.

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
        """All of it in Prometheus's text format."""
        return exposition(self._registry)


@dataclass(frozen=True)
class Service:
    """What answers: models, bounds, the thread that computes, and what is counted."""

    served: Mapping[str, Served]
    bounds: Limits
    worker: BatchWorker
    metrics: ServerMetrics


def refusal(fault: HttpError) -> JSONResponse:
    """The answer to a request that is refused."""
    return JSONResponse({"error": fault.words}, fault.status, _HEADERS.get(fault.status))


def fault(error: Exception) -> HttpError:
    """What is answered where something went wrong; what is nobody's fault but ours is raised again."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, BusyError):
        return HttpError(503, "too many requests wait; ask again in a second")
    if isinstance(error, TimeoutError):
        return HttpError(503, "it took too long; ask for less, or again later")
    if isinstance(error, ElmanError):
        return HttpError(422, str(error))
    raise error
