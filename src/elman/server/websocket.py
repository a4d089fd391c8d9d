"""Streams over WebSockets: each has a state of its own; the steps of all who wait are computed together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from elman.core import json_schema
from elman.data.formats.base import to_json
from elman.server import messages
from elman.server.messages import FORK, OPS, StreamReply, StreamRequest
from elman.server.service import OURS, HttpError, Served, fault, refusal
from elman.server.sessions import Session, SessionManager

PROTOCOL = "elman"

_LOG = logging.getLogger("uvicorn.error")
_ENCODER = json.JSONEncoder(allow_nan=False)
_SHORT = 1000
"""Characters of a step that needs no look at the schema."""


class Socket:
    """The WebSocket of a model, as an ASGI application. A message is an object of JSON, and answered by one.

    Args:
        house: all streams.
        served: the model.
    """

    def __init__(self, house: SessionManager, served: Served) -> None:
        self._house, self._served, self._name = house, served, served.name
        self._steps = house.service.metrics.steps.labels(served.name)
        self._worker = house.service.worker
        self._takes = messages.schema(served.model, house.service.bounds.steps)
        self._kind, self._engine = messages.kind(served.model), house.engines.get(served.name)
        self._quick = self._kind in messages.TEXTS
        if self._engine is not None:
            self._runs = {name: messages.run(self._engine, op) for name, op in OPS.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `starlette.types.ASGIApp`."""
        await receive()  # that a client would like to connect
        try:
            asked = parse_qs(scope["query_string"].decode("latin-1")[:_SHORT])
            names = asked.get("stream", [""])[0], asked.get("start", [""])[0]
            name, held = await self._house.begin(self._served, *names)
        except Exception as error:
            await refusal(fault(error))(scope, receive, send)
            return
        try:
            offered = PROTOCOL if PROTOCOL in scope.get("subprotocols", ()) else None
            await send({"type": "websocket.accept", "subprotocol": offered})
            await self._talk(name, held, receive, send)
        except OSError:
            return  # the client has hung up
        except asyncio.CancelledError:
            if not held.ended or held.task is None or held.task.uncancel():
                raise
        finally:
            waits = held.waits
            self._house.release(name)
        if held.ended:
            reason = f"it was {waits} for too long"
            with contextlib.suppress(OSError):
                await send({"type": "websocket.close", "code": 1008, "reason": reason})

    async def _talk(self, name: str, held: Session, receive: Receive, send: Send) -> None:
        """Answer messages one by one until the client hangs up."""
        engine, now = self._engine, asyncio.get_running_loop().time
        assert engine is not None
        assert held.key is not None
        answer = to_json({"stream": name, "model": self._name, "steps": engine.steps(held.key)})
        while True:
            held.since, held.waits = now(), "slow"
            try:
                await send({"type": "websocket.send", "text": answer})
            except RuntimeError as error:  # what uvicorn says where it has closed the connection itself
                raise ConnectionResetError from error
            held.since, held.waits = now(), "idle"
            event = await receive()
            if event["type"] == "websocket.disconnect":
                return
            held.since, held.waits = now(), "late"
            try:
                answer = await self._answer(held, self._read(event))
            except Exception as error:
                answer = to_json({"error": _words(error), "steps": engine.steps(held.key)})

    def _read(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """What a message says, as its schema describes it."""
        text = event.get("text")
        if text is None:
            raise HttpError(422, "expected a message of text, got bytes")
        said = json_schema.parse(text, "message")
        if self._quick and type(said) is dict and len(said) == 1:
            x = said.get("step")
            if type(x) is str and len(x) < _SHORT and x.isascii():
                return said  # the usual
        found = json_schema.validate(self._takes, said, "message")
        return {name: found[name] for name in said}

    async def _answer(self, held: Session, said: dict[str, Any]) -> str:
        asked = [name for name in said if name in OPS or name == FORK]
        if len(asked) != 1:
            raise HttpError(422, f"message: expected one of {', '.join(OPS)}, {FORK}")
        (name,) = asked
        if name == FORK:
            return to_json({"fork": await self._house.fork(held)})
        op, outputs, state = OPS[name], list[str](), None
        single = op.single or said.get("last", False)
        served = self._worker.quick if op.single else self._worker.order
        for part in op.parts(self._kind, said[name]):
            payload = StreamRequest(held.key or 0, part, said.get("state", False))
            told: StreamReply = await served(
                (self._name, name), self._runs[name], payload, group=self._engine
            )
            self._steps.inc(max(0, told.steps - held.steps))
            held.steps, state = told.steps, told.state
            if told.outputs and single:
                outputs = [_json(told.outputs[-1])]
            elif told.outputs:
                outputs.append(_json(told.outputs)[1:-1])  # as text at once, which is a tenth as large
        found = f'"output": {"".join(outputs) or "null"}' if single else f'"outputs": [{", ".join(outputs)}]'
        hidden = "" if state is None else f', "state": {_json(state)}'
        return f'{{{found}, "steps": {held.steps}{hidden}}}'


def _words(error: Exception) -> str:
    """Return the message for an error; one that is our own fault is also logged."""
    try:
        return fault(error).words
    except Exception:
        _LOG.exception("a message of a stream")
        return OURS


def _json(answer: Any) -> str:
    """As `to_json`, which looks at every number, only where that is needed."""
    try:
        return _ENCODER.encode(answer)
    except (TypeError, ValueError):
        return to_json(answer)
