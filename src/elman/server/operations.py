"""What can be asked of a model by HTTP: the table that routes, checks and the description are made of.

Everything here runs in the thread that computes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import Field, fields
from typing import Any

from elman.core.errors import DataError
from elman.core.json_schema import Schema
from elman.core.records import Record
from elman.core.settings import Settings
from elman.decoding.options import FROM_THE_RUN, SamplingOptions, SearchOptions
from elman.metrics.forecasting import LEVELS
from elman.server import payloads
from elman.server.limits import Limits
from elman.server.service import Operation, StreamingOperation
from elman.tasks.abilities import Drawer, Forecaster, PredictsRecords, Translator, Writer
from elman.tasks.draw.result import GeneratedSequence
from elman.tasks.forecast.result import SeriesForecast
from elman.tasks.model import Model
from elman.tasks.seq2seq.result import GeneratedText

Asked = Mapping[str, Any]

_LARGEST_SEED = 2**63 - 1
_MOST = {"temperature": 100, "top_k": 1_000_000, "seed": _LARGEST_SEED, "beam": 32, "count": 32}
_MOST |= {"length_penalty": 10}
"""The largest values of options that a server takes."""
_TYPES = {"int": "integer", "float": "number", "str": "string"}
_COUNT = {"type": "integer", "minimum": 1, "maximum": 50}
_COLD = 0.001
"""Temperatures below this are 0: scores divided by less are beyond what a float32 can be."""
_LARGEST = 1e100  # of a number in a table
_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}


def reads(model: Model) -> str:
    """What kind of value the model reads; empty for one that reads none."""
    return model.task.reads if isinstance(model.task, PredictsRecords) else ""


def object_of(properties: Mapping[str, Schema]) -> Schema:
    """An object, all of whose properties must be there that have no default."""
    required = [name for name, schema in properties.items() if "default" not in schema]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _options(section: type[Settings], bounds: Limits) -> dict[str, Schema]:
    """How the options of a section are written."""
    return {setting.name: _option(setting, bounds) for setting in fields(section)}


def _option(setting: Field[Any], bounds: Limits) -> Schema:
    meta, kind = setting.metadata, str(setting.type).removesuffix(" | None")
    default = None if setting.name in FROM_THE_RUN else setting.default
    schema = {"type": [_TYPES[kind], "null"] if default is None else _TYPES[kind], "description": meta["doc"]}
    if kind == "str":
        return schema | {"maxLength": bounds.steps, "default": default}
    low, high = meta["low"], meta["high"]
    least = _COLD if low is None else low
    return schema | {
        "minimum": least,
        "maximum": _MOST[setting.name] if high is None else high,
        "default": default,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _values(model: Model, bounds: Limits) -> Schema:
    items = payloads.schema(reads(model), bounds.steps)
    return {"type": "array", "minItems": 1, "maxItems": bounds.values, "items": items}


def _received(model: Model, bounds: Limits, sent: Sequence[Any]) -> list[Any]:
    """The values of a request as the task reads them."""
    kind, steps = reads(model), bounds.steps
    return [payloads.decode_payload(kind, one, f"value {i}", steps) for i, one in enumerate(sent, start=1)]


def _joined(answers: list[Any], asked: Sequence[Asked], name: str) -> list[dict[str, Any]]:
    """The answers to the values of all requests, given back to each."""
    given, rest = [], iter(answers)
    for one in asked:
        given.append({name: [next(rest) for _ in one["values"]]})
    return given


def _predicts(model: Model) -> bool:
    return bool(reads(model))


def _predict(model: Model, bounds: Limits, asked: Sequence[Asked]) -> list[Any]:
    values = [value for one in asked for value in _received(model, bounds, one["values"])]
    return _joined(model.predict(values), asked, "answers")


def _writes(model: Model) -> bool:
    return isinstance(model.task, Writer)


def _to_write(model: Model, bounds: Limits) -> Schema:
    prompt = {
        "type": "string",
        "maxLength": bounds.steps,
        "default": "",
        "description": "what it begins with",
    }
    length = {"type": "integer", "minimum": 0, "maximum": bounds.steps, "default": min(400, bounds.steps)}
    length |= {"description": "symbols to write"}
    return object_of({"prompt": prompt, "length": length, **_options(SamplingOptions, bounds)})


def _write(model: Model, asked: Asked) -> Iterator[str]:
    return model.write(**_warm(asked))


def _warm(asked: Asked) -> dict[str, Any]:
    """What was asked, at no temperature that is all but 0."""
    return {**asked, "temperature": 0.0 if asked["temperature"] < _COLD else asked["temperature"]}


def _to_complete(model: Model, bounds: Limits) -> Schema:
    text = {"type": "string", "maxLength": bounds.steps, "description": "what was typed"}
    return object_of({"text": text, "count": _COUNT | {"default": 5, "description": "how many words"}})


def _complete(model: Model, bounds: Limits, asked: Sequence[Asked]) -> list[Any]:
    return [
        {
            "words": [
                {"word": word, "probability": round(probability, 6)}
                for word, probability in model.complete(one["text"], one["count"])
            ]
        }
        for one in asked
    ]


def _translates(model: Model) -> bool:
    return isinstance(model.task, Translator)


def _to_translate(model: Model, bounds: Limits) -> Schema:
    return object_of({"values": _values(model, bounds), **_options(SearchOptions, bounds)})


def _settings(asked: Asked) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name != "values"}


def _like_translations(asked: Asked) -> Hashable:
    """Lines that are looked for by the same search; what is drawn is drawn alone, so that a seed holds."""
    return None if asked["temperature"] else tuple(_settings(asked).values())


def _translate(model: Model, bounds: Limits, asked: Sequence[Asked]) -> list[Any]:
    values = [value for one in asked for value in _received(model, bounds, one["values"])]
    found = model.translate(values, **_warm(_settings(asked[0])))
    return _joined([[_line(line) for line in lines] for lines in found], asked, "translations")


def _line(line: GeneratedText) -> dict[str, Any]:
    is_text = line.map is None and all(isinstance(symbol, str) for symbol in line.source)
    return {
        "text": line.text,
        "logp": round(line.logp, 4),
        "score": round(line.score, 4),
        "symbols": list(line.symbols),
        "source": list(line.source) if is_text else None,
        "looks": None if line.looks is None else line.looks.round(4).tolist(),
        "map": None if line.map is None else list(line.map),
    }


_LINE = object_of(
    {
        "text": _TEXT,
        "logp": _NUMBER,
        "score": _NUMBER,
        "symbols": _list(_TEXT),
        "source": {"type": ["array", "null"], "items": _TEXT},
        "looks": {"type": ["array", "null"], "items": _list(_NUMBER)},
        "map": {"type": ["array", "null"], "items": {"type": "integer"}},
    }
)


def _forecasts(model: Model) -> bool:
    return isinstance(model.task, Forecaster)


def _to_forecast(model: Model, bounds: Limits) -> Schema:
    number = {"type": ["number", "null"], "minimum": -_LARGEST, "maximum": _LARGEST}
    cell = {"anyOf": [number, {"type": "string", "maxLength": 200}]}
    row = {"type": "object", "additionalProperties": cell}
    about = "rows of a table with the columns that the model learnt from, in the order of time"
    rows = {"type": "array", "minItems": 1, "maxItems": bounds.steps, "items": row, "description": about}
    horizon = {"type": "integer", "minimum": 0, "maximum": bounds.steps, "default": 0}
    return object_of({"rows": rows, "horizon": horizon | {"description": "steps; 0: as many as it learnt"}})


def _forecast(model: Model, bounds: Limits, asked: Sequence[Asked]) -> list[Any]:
    return [
        {"forecasts": [_future(one) for one in model.futures(_records(ask["rows"]), horizon=ask["horizon"])]}
        for ask in asked
    ]


def _records(rows: Sequence[Mapping[str, Any]]) -> list[Record]:
    """The rows of a request, all with the columns of the first one."""
    for number, row in enumerate(rows, start=1):
        if set(row) != set(rows[0]) or not row:
            got, expected = f"columns {', '.join(row)[:200]!r}", "those of row 1, one at least"
            raise DataError(f"row {number}", got, expected=expected)
    return [Record(row, f"row {number}") for number, row in enumerate(rows, start=1)]


def _future(future: SeriesForecast) -> dict[str, Any]:
    outlook = future.outlook
    return {
        "name": future.name,
        "times": list(future.times),
        "mean": outlook.mean.tolist(),
        "median": outlook.median.tolist(),
        "quantiles": {f"{level:g}": outlook.quantiles[:, at].tolist() for at, level in enumerate(LEVELS)},
        "past": future.past.tolist(),
    }


_GAPPED = _list({"type": ["number", "null"]})
_FUTURE = object_of(
    {
        "name": _TEXT,
        "times": _list(_TEXT),
        "mean": _GAPPED,
        "median": _GAPPED,
        "quantiles": {"type": "object", "additionalProperties": _GAPPED},
        "past": _GAPPED,
    }
)


def _draws(model: Model) -> bool:
    return isinstance(model.task, Drawer)


def _to_draw(model: Model, bounds: Limits) -> Schema:
    prefix = {"anyOf": [{"type": "null"}, payloads.schema("steps", bounds.steps)], "default": None}
    start = {"type": "string", "maxLength": min(bounds.steps, 1000), "default": ""}
    sampling = _options(SamplingOptions, bounds)
    return object_of(
        {
            "count": _COUNT | {"default": 1, "description": "how many"},
            "length": {"type": "integer", "minimum": 1, "maximum": bounds.steps, "default": 400},
            "start": start | {"description": "a class or a text that they start from"},
            "prefix": prefix | {"description": "steps to go on from"},
            "temperature": sampling["temperature"],
            "seed": sampling["seed"],
        }
    )


def _draw(model: Model, bounds: Limits, asked: Sequence[Asked]) -> list[Any]:
    return [{"drawings": [_drawing(one) for one in model.draw(**_with_prefix(ask, bounds))]} for ask in asked]


def _with_prefix(ask: Asked, bounds: Limits) -> dict[str, Any]:
    prefix = ask["prefix"]
    if prefix is not None:
        prefix = payloads.decode_payload("steps", prefix, "prefix", bounds.steps)
    return {**_warm(ask), "prefix": prefix}


def _drawing(drawing: GeneratedSequence) -> dict[str, Any]:
    looks = None if drawing.looks is None else drawing.looks.round(4).tolist()
    return {
        "field": drawing.field,
        "steps": drawing.steps.tolist(),
        "start": drawing.start,
        "looks": looks,
    }


_DRAWING = object_of(
    {
        "field": {"type": "string", "description": "what its steps are: strokes, notes, series"},
        "steps": _list(_list(_NUMBER)),
        "start": _TEXT,
        "looks": {"type": ["array", "null"], "items": _list(_NUMBER)},
    }
)


def _alone(asked: Asked) -> Hashable:
    return None


def _all(asked: Asked) -> Hashable:
    return ()


_ANSWER: Schema = {"type": "object", "description": "the prediction, and what goes with it"}
_WORD = object_of({"word": _TEXT, "probability": _NUMBER})
_SAMPLE = object_of({"text": {"type": "string", "description": "what follows the prompt"}})
_PIECE = object_of({"text": {"type": "string", "description": "the next piece; empty at the end"}})

CALLS: tuple[Operation | StreamingOperation, ...] = (
    Operation(
        name="predict",
        about="Predict for some values.",
        serves=_predicts,
        takes=lambda model, bounds: object_of({"values": _values(model, bounds)}),
        gives=object_of({"answers": _list(_ANSWER)}),
        together=_all,
        run=_predict,
    ),
    Operation(
        name="complete",
        about="Tell the likeliest next words.",
        serves=_writes,
        takes=_to_complete,
        gives=object_of({"words": _list(_WORD)}),
        together=_all,
        run=_complete,
    ),
    StreamingOperation(
        name="sample",
        about="Write a text, and send it whole.",
        serves=_writes,
        takes=_to_write,
        gives=_SAMPLE,
        begin=_write,
        whole=True,
    ),
    StreamingOperation(
        name="write",
        about="Write a text, and send each piece as it is there: a line of JSON each.",
        serves=_writes,
        takes=_to_write,
        gives=_PIECE,
        begin=_write,
        whole=False,
    ),
    Operation(
        name="translate",
        about="Write a sequence for each value: a translation, a caption.",
        serves=_translates,
        takes=_to_translate,
        gives=object_of({"translations": _list(_list(_LINE))}),
        together=_like_translations,
        run=_translate,
    ),
    Operation(
        name="forecast",
        about="Tell the future of each series in the rows of a table.",
        serves=_forecasts,
        takes=_to_forecast,
        gives=object_of({"forecasts": _list(_FUTURE)}),
        together=_alone,
        run=_forecast,
    ),
    Operation(
        name="draw",
        about="Draw, make music, make other sequences of numbers.",
        serves=_draws,
        takes=_to_draw,
        gives=object_of({"drawings": _list(_DRAWING)}),
        together=_alone,
        run=_draw,
    ),
)
"""Each is POST /models/NAME/CALL of every model that serves it."""
