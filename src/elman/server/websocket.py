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
        sessions: all streams.
        served: the model.
    """

    def __init__(self, sessions: SessionManager, served: Served) -> None:
        self._sessions, self._served, self._name = sessions, served, served.name
        self._steps = sessions.service.metrics.steps.labels(served.name)
        self._worker = sessions.service.worker
        self._takes = messages.schema(served.model, sessions.service.bounds.steps)
        self._kind, self._engine = messages.kind(served.model), sessions.engines.get(served.name)
        self._quick = self._kind in messages.TEXTS
        if self._engine is not None:
            self._runs = {name: messages.run(self._engine, op) for name, op in OPS.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `starlette.types.ASGIApp`."""
        await receive()  # that a client would like to connect
        try:
            asked = parse_qs(scope["query_string"].decode("latin-1")[:_SHORT])
            names = asked.get("stream", [""])[0], asked.get("start", [""])[0]
            name, session = await self._sessions.begin(self._served, *names)
        except Exception as error:
            await refusal(fault(error))(scope, receive, send)
            return
        try:
            offered = PROTOCOL if PROTOCOL in scope.get("subprotocols", ()) else None
            await send({"type": "websocket.accept", "subprotocol": offered})
            await self._talk(name, session, receive, send)
        except OSError:
            return  # the client has hung up
        except asyncio.CancelledError:
            if not session.ended or session.task is None or session.task.uncancel():
                raise
        finally:
            waits = session.waits
            self._sessions.release(name)
        if session.ended:
            reason = f"it was {waits} for too long"
            with contextlib.suppress(OSError):
                await send({"type": "websocket.close", "code": 1008, "reason": reason})

    async def _talk(self, name: str, session: Session, receive: Receive, send: Send) -> None:
        """Answer messages one by one until the client hangs up."""
        engine, now = self._engine, asyncio.get_running_loop().time
        assert engine is not None
        assert session.key is not None
        answer = to_json({"stream": name, "model": self._name, "steps": engine.steps(session.key)})
        while True:
            session.since, session.waits = now(), "slow"
            try:
                await send({"type": "websocket.send", "text": answer})
            except RuntimeError as error:  # what uvicorn says where it has closed the connection itself
                raise ConnectionResetError from error
            session.since, session.waits = now(), "idle"
            event = await receive()
            if event["type"] == "websocket.disconnect":
                return
            session.since, session.waits = now(), "late"
            try:
                answer = await self._answer(session, self._read(event))
            except Exception as error:
                answer = to_json({"error": _words(error), "steps": engine.steps(session.key)})

    def _read(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Read a message as its schema describes it."""
        text = event.get("text")
        if text is None:
            raise HttpError(422, "expected a message of text, got bytes")
        message = json_schema.parse(text, "message")
        if self._quick and type(message) is dict and len(message) == 1:
            x = message.get("step")
            if type(x) is str and len(x) < _SHORT and x.isascii():
                return message  # the usual
        found = json_schema.validate(self._takes, message, "message")
        return {name: found[name] for name in message}

    async def _answer(self, session: Session, message: dict[str, Any]) -> str:
        asked = [name for name in message if name in OPS or name == FORK]
        if len(asked) != 1:
            raise HttpError(422, f"message: expected one of {', '.join(OPS)}, {FORK}")
        (name,) = asked
        if name == FORK:
            return to_json({"fork": await self._sessions.fork(session)})
        op, outputs, state = OPS[name], list[str](), None
        single = op.single or message.get("last", False)
        served = self._worker.run_inline if op.single else self._worker.submit_unbounded
        for part in op.parts(self._kind, message[name]):
            payload = StreamRequest(session.key or 0, part, message.get("state", False))
            reply: StreamReply = await served(
                (self._name, name), self._runs[name], payload, group=self._engine
            )
            self._steps.inc(max(0, reply.steps - session.steps))
            session.steps, state = reply.steps, reply.state
            if reply.outputs and single:
                outputs = [_json(reply.outputs[-1])]
            elif reply.outputs:
                outputs.append(_json(reply.outputs)[1:-1])  # as text at once, which is a tenth as large
        found = f'"output": {"".join(outputs) or "null"}' if single else f'"outputs": [{", ".join(outputs)}]'
        hidden = "" if state is None else f', "state": {_json(state)}'
        return f'{{{found}, "steps": {session.steps}{hidden}}}'


def _words(error: Exception) -> str:
    """Return the message for an error; one that is our own fault is also logged."""
    try:
        return fault(error).words
    except Exception:
        _LOG.exception("a message of a stream")
        return OURS


def _json(answer: Any) -> str:
    """Write as `to_json` does, which looks at every number, only where that is needed."""
    try:
        return _ENCODER.encode(answer)
    except (TypeError, ValueError):
        return to_json(answer)
