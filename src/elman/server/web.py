"""What is asked by HTTP: a request is read within its bounds, computed by the worker, and answered."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from elman.core import errors, json_schema
from elman.core.json_schema import Schema
from elman.data.formats.base import to_json
from elman.server.service import HttpError, Served, Service, fault, refusal
from elman.tasks.operations import AnyOperation, Operation, StreamingOperation

_LONG = 1 << 14
"""Bytes of a body that are read as JSON beside the loop, so that it stays quick."""

_PATIENCE = 0.05
"""Seconds after which it is looked whether an asker has gone."""

_TURN, _PIECES = 0.01, 32
"""Seconds and pieces of a writer's turn, after which others have theirs."""

Endpoint = Callable[[Request], Any]


class _Turn(NamedTuple):
    """What was written in a turn, and whether that was the end."""

    pieces: list[str]
    ended: bool


def endpoint(service: Service, served: Served, call: AnyOperation) -> Endpoint:
    """Return what answers a request for `call` of a model."""
    takes = call.takes(served.model, service.bounds)
    respond = _computed if isinstance(call, Operation) else _written

    async def answer(request: Request) -> Response:
        try:
            asked = await _asked(request, takes, service)
            return await respond(service, served, call, request, asked)  # pyrefly: ignore[bad-argument-type]
        except Exception as error:
            return refusal(fault(error))

    return answer


async def _asked(request: Request, takes: Schema, service: Service) -> Mapping[str, Any]:
    """Read a request as its schema describes it."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HttpError(415, "expected a body of the type application/json")
    body = await _body(request, service)
    if len(body) > _LONG:
        return await asyncio.to_thread(_parsed, body, takes)
    return _parsed(body, takes)


async def _body(request: Request, service: Service) -> bytes:
    most, found = service.bounds.body, bytearray()
    words = f"the body is over the bound of {most:,} bytes"
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > most:
        raise HttpError(413, words)
    try:
        async with asyncio.timeout(service.bounds.seconds):
            async for chunk in request.stream():
                found += chunk
                if len(found) > most:
                    raise HttpError(413, words)
    except TimeoutError:
        raise HttpError(408, "the body took too long to come") from None
    except ClientDisconnect:
        raise HttpError(400, "the body ended early") from None
    return bytes(found)


def _parsed(body: bytes, takes: Schema) -> Mapping[str, Any]:
    try:
        value = json_schema.parse(body)
    except errors.DataError as error:
        raise HttpError(400, str(error)) from error
    return json_schema.validate(takes, value)


async def _computed(
    service: Service, served: Served, call: Operation, request: Request, asked: Mapping[str, Any]
) -> Response:
    alike = call.together(asked)
    key = None if alike is None else (served.name, call.name, alike)

    def run(payloads: list[Any]) -> list[bytes]:
        return [to_json(one).encode() for one in call.run(served.model, service.bounds, payloads)]

    async with asyncio.timeout(service.bounds.seconds) as bound:
        with _attended(request, bound):
            answer = await service.worker.submit(key, run, asked)
    return Response(answer, media_type="application/json")


async def _written(
    service: Service, served: Served, call: StreamingOperation, request: Request, asked: Mapping[str, Any]
) -> Response:
    turns = _turns(service, call.begin(served.model, asked), request if call.whole else None)
    first = await anext(turns)
    if not call.whole:
        return StreamingResponse(_lines(first, turns), media_type="application/jsonl")
    pieces = [*first.pieces, *[piece async for turn in turns for piece in turn.pieces]]
    return Response(to_json({"text": "".join(pieces)}), media_type="application/json")


async def _turns(service: Service, pieces: Iterator[str], request: Request | None) -> AsyncIterator[_Turn]:
    """Yield what is written turn by turn, until its end, that of its time, or until the asker has gone."""
    until = asyncio.get_running_loop().time() + service.bounds.seconds
    ended = False
    while not ended:
        async with asyncio.timeout_at(until) as bound:
            with _attended(request, bound) if request else contextlib.nullcontext():
                turn = await service.worker.submit(None, _turn, pieces)
        yield turn
        ended = turn.ended


@contextlib.contextmanager
def _attended(request: Request, bound: asyncio.Timeout) -> Iterator[None]:
    """End the time within it when the asker has gone; looked at only of what takes a while."""
    loop, watches = asyncio.get_running_loop(), list[asyncio.Task[None]]()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        bound.reschedule(loop.time())

    later = loop.call_later(_PATIENCE, lambda: watches.append(loop.create_task(watch())))
    try:
        yield
    finally:
        later.cancel()
        for task in watches:
            task.cancel()


def _turn(payloads: Sequence[Iterator[str]]) -> list[_Turn]:
    (pieces,) = payloads
    until, found = time.monotonic() + _TURN, list[str]()
    for piece in pieces:
        found.append(piece)
        if len(found) == _PIECES or time.monotonic() > until:
            return [_Turn(found, False)]
    return [_Turn(found, True)]


async def _lines(first: _Turn, turns: AsyncIterator[_Turn]) -> AsyncIterator[str]:
    """Yield a line of JSON for each piece; a last one with an error, if it comes to that."""
    yield _json_lines(first)
    try:
        async for turn in turns:
            yield _json_lines(turn)
    except Exception as error:
        yield to_json({"error": fault(error).words}) + "\n"


def _json_lines(turn: _Turn) -> str:
    return "".join(to_json({"text": piece}) + "\n" for piece in turn.pieces if piece)
