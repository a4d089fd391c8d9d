"""What a message can ask of a stream: how it is written, and how it is computed for all who ask the same.

    {"step": x}  {"steps": [x, ...]}  {"feed": piece}  {"finish": true}  {"reset": true}  {"fork": true}

One of these a message; with "state": true the answer also has the hidden state, with "last": true of several
outputs only the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from elman.core.json_schema import Schema
from elman.core.records import Sound
from elman.inputs import payloads
from elman.inputs.signals.audio import HOP
from elman.server.batch_worker import Run
from elman.streaming.streams import Streams
from elman.tasks.abilities import Ability
from elman.tasks.model import Model

_PIECE = 256
"""Steps of a piece that is computed at once; then others have their turn."""
_LONGEST = 1000
"""Characters of one step."""
TEXTS = ("text", "tokens")
"""Kinds whose steps are texts."""
_PLAIN = ("text", "tokens", "observations")
"""Kinds that streams read as they are; no stream reads a file."""
_TRUE: Schema = {"type": "boolean", "enum": [True]}
_FLAG: Schema = {"type": "boolean", "default": False}

Given = Mapping[int, Any]
"""The key of a stream -> what it is given."""


class StreamRequest(NamedTuple):
    """A request to a stream: its key, a part of the input, and whether to return the state."""

    key: int
    part: Any
    state: bool


class StreamReply(NamedTuple):
    """A stream's reply: its answers as JSON, the number of its steps, and its state or None."""

    outputs: list[Any]
    steps: int
    state: Any


class StreamOp(NamedTuple):
    """Something that a stream can be asked.

    Args:
        parts: what came, in parts of a turn's length each; given the kind of values.
        run: the outputs of each stream, a list; or the error of one that refused what it was given.
        single: whether it has one output, not a list.
    """

    parts: Callable[[str, Any], Iterator[Any]]
    run: Callable[[Streams, Given], Mapping[int, Any]]
    single: bool = False


def kind(model: Model) -> str:
    """Return what kind of value a stream of the model reads."""
    return model.task.stream_kind if isinstance(model.task, Ability) else "observations"


def schema(model: Model, steps: int) -> Schema:
    """Return the schema of a message.

    Args:
        model: the model.
        steps: most steps of a message.
    """
    one, many = _values(kind(model), steps)
    listed = {"type": "array", "minItems": 1, "maxItems": steps, "items": one}
    asked = {"step": one, "steps": listed, "feed": many, "finish": _TRUE, "reset": _TRUE, "fork": _TRUE}
    properties = asked | {"state": _FLAG, "last": _FLAG}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def run(engine: Streams, op: StreamOp) -> Run:
    """Return a function that computes an op for some streams: a reply or an error for each."""

    def computed(payloads: Sequence[StreamRequest]) -> list[StreamReply | Exception]:
        found = op.run(engine, {asked.key: asked.part for asked in payloads})
        answered = _answers(
            engine, {key: outputs for key, outputs in found.items() if isinstance(outputs, list)}
        )
        return [_reply(engine, asked, answered.get(asked.key, found[asked.key])) for asked in payloads]

    return computed


def _answers(engine: Streams, found: Mapping[int, list[Any]]) -> dict[int, list[Any] | Exception]:
    """Return the answers of each stream; or the error, if one of its outputs cannot be expressed."""
    due = [out for outputs in found.values() for out in outputs if out is not None]
    try:
        answers = iter(engine.answers(due))
        return {
            key: [None if out is None else next(answers) for out in outputs] for key, outputs in found.items()
        }
    except Exception as error:  # of whatever kind, it is the fault of one of them
        if len(found) == 1:
            return dict.fromkeys(found, error)
        return {
            key: one
            for mine, outputs in found.items()
            for key, one in _answers(engine, {mine: outputs}).items()
        }


def _reply(engine: Streams, asked: StreamRequest, answers: list[Any] | Exception) -> StreamReply | Exception:
    if isinstance(answers, Exception):
        return answers
    hidden = engine.state(asked.key) if asked.state else ()
    state = hidden[0][:, 0].tolist() if hidden else [] if asked.state else None
    return StreamReply(answers, engine.steps(asked.key), state)


def _values(of: str, steps: int) -> tuple[Schema, Schema]:
    """Return the schemas of one step, and of a piece of any length."""
    if of in TEXTS:
        return {"type": "string", "maxLength": _LONGEST}, {"type": "string", "maxLength": steps}
    if of == "sound":
        return payloads.schema(of, steps), payloads.schema(of, steps)
    number = {"type": ["number", "null"]}
    if of == "observations":  # of a series: numbers, pairs of time and number, or rows of a table
        cell = {"anyOf": [number, {"type": "string", "maxLength": 200}]}
        pair = {"type": "array", "minItems": 2, "maxItems": 2, "items": cell}
        one = {"anyOf": [number, pair, {"type": "object", "additionalProperties": cell}]}
        return one, {"type": "array", "minItems": 1, "maxItems": steps, "items": one}
    row = {"type": "array", "minItems": 1, "maxItems": 10_000, "items": number}
    return {"anyOf": [number, row]}, payloads.schema("series", steps)


def _step(of: str, x: Any) -> Iterator[Any]:
    yield _one(of, x)


def _steps(of: str, xs: Sequence[Any]) -> Iterator[Any]:
    for start in range(0, len(xs), _PIECE):
        yield [_one(of, x) for x in xs[start : start + _PIECE]]


def _one(of: str, x: Any) -> Any:
    if of in _PLAIN:
        return tuple(x) if isinstance(x, list) else x
    return payloads.decode_payload("sound" if of == "sound" else "series", x, "step", _LONGEST)


def _feed(of: str, chunk: Any) -> Iterator[Any]:
    """Cut a piece of any length into pieces of a turn's."""
    if of in _PLAIN:
        yield from (chunk[at : at + _PIECE] for at in range(0, len(chunk), _PIECE))
    elif of == "sound":
        samples, rate = payloads.decode_payload(of, chunk, "feed", 1 << 20)
        size = max(1, int(_PIECE * HOP * rate))
        yield from (Sound(samples[at : at + size], rate) for at in range(0, len(samples), size))
    else:
        rows = payloads.decode_payload("series", chunk, "feed", len(chunk))
        yield from (rows[at : at + _PIECE] for at in range(0, len(rows), _PIECE))


def _true(of: str, true: bool) -> Iterator[Any]:
    yield true


def _run_step(engine: Streams, given: Given) -> Mapping[int, Any]:
    found = engine.step(given)
    return {key: output if isinstance(output, Exception) else [output] for key, output in found.items()}


def _run_steps(engine: Streams, given: Given) -> Mapping[int, Any]:
    """Run the steps of each stream, one after the other, up to the first of a stream that is refused."""
    outputs: dict[int, Any] = {key: [] for key in given}
    for at in range(max(map(len, given.values()))):
        now = {
            key: xs[at]
            for key, xs in given.items()
            if at < len(xs) and not isinstance(outputs[key], Exception)
        }
        for key, output in engine.step(now).items():
            if isinstance(output, Exception):
                outputs[key] = output
            else:
                outputs[key].append(output)
    return outputs


def _run_feed(engine: Streams, given: Given) -> Mapping[int, Any]:
    return engine.feed(given)


def _run_finish(engine: Streams, given: Given) -> Mapping[int, Any]:
    return engine.finish(given)


def _run_reset(engine: Streams, given: Given) -> Mapping[int, Any]:
    for key in given:
        engine.reset(key)
    return {key: [] for key in given}


OPS: Mapping[str, StreamOp] = {
    "step": StreamOp(_step, _run_step, single=True),
    "steps": StreamOp(_steps, _run_steps),
    "feed": StreamOp(_feed, _run_feed),
    "finish": StreamOp(_true, _run_finish),
    "reset": StreamOp(_true, _run_reset),
}
FORK = "fork"
