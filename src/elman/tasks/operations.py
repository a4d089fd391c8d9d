"""What can be asked of a model by HTTP: how an operation is described, and the schemas that several share.

What a task can do brings its operations with it; see `elman.tasks.abilities.Ability`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, fields
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from elman.core.json_schema import Schema
from elman.core.settings import Settings
from elman.decoding.options import FROM_THE_RUN
from elman.inputs import payloads

Request: TypeAlias = Mapping[str, Any]
"""The body of a request, as its schema describes it."""
AnyModel = TypeVar("AnyModel")

_MOST = {"temperature": 100, "top_k": 1_000_000, "seed": 2**63 - 1, "beam": 32, "count": 32}
_MOST |= {"length_penalty": 10}
"""The largest values of options that a server takes."""
_TYPES = {"int": "integer", "float": "number", "str": "string"}
_COLD = 0.001
"""Temperatures below this are 0: scores divided by less are beyond what a float32 can be."""
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": 50}
WEIGHTS: Schema = {"type": ["array", "null"], "items": {"type": "array", "items": NUMBER}}
"""Where a model looked at each of its steps: rows of shares."""


class RequestLimits(Protocol):
    """The limits of a request."""

    @property
    def steps(self) -> int:
        """Maximum steps of a sequence, received or generated."""

    @property
    def values(self) -> int:
        """Maximum values per request."""


@dataclass(frozen=True)
class Operation(Generic[AnyModel]):
    """Something that can be asked of a model. It is computed for all who ask the same at the same time.

    Args:
        name: the last part of its path.
        about: what it does, in one sentence.
        takes: the schema of a request, for a model and these limits.
        gives: the schema of a response.
        together: what two requests must have in common to be computed in one batch; None: never are they.
        run: a response to each of some requests, in terms of JSON.
    """

    name: str
    about: str
    takes: Callable[[AnyModel, RequestLimits], Schema]
    gives: Schema
    together: Callable[[Request], Hashable]
    run: Callable[[AnyModel, RequestLimits, Sequence[Request]], list[Any]]


@dataclass(frozen=True)
class StreamingOperation(Generic[AnyModel]):
    """Something that a model writes piece by piece.

    Args:
        name, about, takes: as of an `Operation`.
        gives: the schema of a response, or of a line of it.
        begin: the pieces as they are written.
        whole: whether they are sent as one response, not each as a line when it is there.
    """

    name: str
    about: str
    takes: Callable[[AnyModel, RequestLimits], Schema]
    gives: Schema
    begin: Callable[[AnyModel, Request], Iterator[str]]
    whole: bool


AnyOperation: TypeAlias = Operation[Any] | StreamingOperation[Any]


def object_of(properties: Mapping[str, Schema]) -> Schema:
    """Return the schema of an object, all of whose properties are required that have no default."""
    required = [name for name, schema in properties.items() if "default" not in schema]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def list_of(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def options_of(section: type[Settings], limits: RequestLimits) -> dict[str, Schema]:
    """Return the schema of each option of a section."""
    return {setting.name: _option(setting, limits) for setting in fields(section)}


def _option(setting: Field[Any], limits: RequestLimits) -> Schema:
    meta, kind = setting.metadata, str(setting.type).removesuffix(" | None")
    default = None if setting.name in FROM_THE_RUN else setting.default
    schema = {"type": [_TYPES[kind], "null"] if default is None else _TYPES[kind], "description": meta["doc"]}
    if kind == "str":
        return schema | {"maxLength": limits.steps, "default": default}
    low, high = meta["low"], meta["high"]
    return schema | {
        "minimum": _COLD if low is None else low,
        "maximum": _MOST[setting.name] if high is None else high,
        "default": default,
    }


def warm(request: Request) -> dict[str, Any]:
    """Return a request with a temperature of 0 in place of one that is all but 0."""
    return {**request, "temperature": 0.0 if request["temperature"] < _COLD else request["temperature"]}


def values_of(kind: str, limits: RequestLimits) -> Schema:
    """Return the schema of the values of a request.

    Args:
        kind: what kind of value the model reads.
        limits: of a request.
    """
    items = payloads.schema(kind, limits.steps)
    return {"type": "array", "minItems": 1, "maxItems": limits.values, "items": items}


def received(kind: str, limits: RequestLimits, requests: Sequence[Request]) -> list[Any]:
    """Return the values of all requests as a task reads them.

    Raises:
        DataError: a value cannot be read; the error gives its number within its request.
    """
    return [
        payloads.decode_payload(kind, value, f"value {number}", limits.steps)
        for request in requests
        for number, value in enumerate(request["values"], start=1)
    ]


def by_request(answers: Sequence[Any], requests: Sequence[Request], name: str) -> list[dict[str, Any]]:
    """Return the answers to the values of all requests as one response a request, under this name."""
    rest = iter(answers)
    return [{name: [next(rest) for _ in request["values"]]} for request in requests]


def alone(request: Request) -> Hashable:
    """Compute no two requests in one batch."""
    return None


def all_together(request: Request) -> Hashable:
    """Compute whatever requests come together in one batch."""
    return ()
