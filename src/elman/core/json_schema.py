"""JSON and what it may hold: a small part of JSON Schema (draft 2020-12), checked at the first fault.

The same description is published and checked. Independent of server and models.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Annotated, Any, NoReturn, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from elman.core.errors import DataError, ElmanError, RunError, nearest

Schema: TypeAlias = dict[str, Any]
"""A description in terms of JSON Schema, of the words that `read` knows."""


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a valid JSON number")


_DECODER = json.JSONDecoder(parse_constant=_no_number)
_HALVES = re.compile("[\ud800-\udfff]")
_WORDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
    "float": "a number",
}
_SHOWN = 40
_MOST = 2**63 - 1
_LARGEST = 1 << 1023
"""Of a whole number that is still one in floats."""
_TRIES = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, AssertionError)
_Made = TypeVar("_Made")


def parse(text: str | bytes, where: str = "body") -> Any:
    """Return the value of a JSON text; only what the standard allows (RFC 8259: no NaN, no infinity).

    Raises:
        DataError: it is not valid JSON, or nested too deeply.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        return _DECODER.decode(text)
    except RecursionError:
        raise DataError(where, "JSON that is nested too deeply") from None
    except ValueError as error:  # no UTF-8 and a number of more than 4,300 digits, too
        raise DataError(where, f"not valid JSON: {_first_line(error)}") from error


def validate(schema: Schema, value: Any, where: str = "body") -> Any:
    """Check a value against its schema, and fill in defaults where nothing is given.

    Known words: type, enum, anyOf, minimum, maximum, exclusiveMinimum, minLength, maxLength, pattern, items,
    minItems, maxItems, properties, required, additionalProperties, default. An object has the named
    properties and no others, unless `additionalProperties` describes them.

    Raises:
        DataError: the value is not so; where, what was found, what was expected.
    """
    if "anyOf" in schema:
        return _any(schema["anyOf"], value, where)
    kind = _kind(schema, value, where)
    if "enum" in schema and value not in schema["enum"]:
        _fault(where, value, f"one of {', '.join(map(str, schema['enum']))}")
    if kind == "object":
        return _object(schema, value, where)
    if kind == "array":
        return _array(schema, value, where)
    if kind == "string":
        _check_text(schema, value, where)
    elif kind in ("integer", "number"):
        _check_number(schema, value, where)
        return int(value) if kind == "integer" else value
    return value


def build(kind: type[_Made], value: Any, where: str = "value", *, finite: bool = True) -> _Made:
    """Check a value in terms of JSON, then make the object that type hints describe of it.

    Args:
        kind: a dataclass or a `NamedTuple`, whose fields are entries of an object; bool, int, float, str,
            None, unions with None; lists, tuples, mappings of such; `Annotated` with more words of
            `Schema` in pairs, such as ("minimum", 1).
        value: to be read.
        where: what to call it.
        finite: whether numbers must be; else infinity and not-a-number stand as `json` writes them.

    Raises:
        DataError: the value is not so.
    """
    validate(_of(kind, finite), value, where)
    return _made(kind, value)


@contextmanager
def rebuilding(where: object, what: str = "damaged", remedy: str = "") -> Iterator[None]:
    """Report any error in the `with` block, which reads a file back, as damage to that file.

    Args:
        where: the file.
        what: the damage in words.
        remedy: against it; else to restore the file from a copy.

    Raises:
        RunError: something is wrong.
    """
    try:
        yield
    except RunError:
        raise
    except (ElmanError, *_TRIES) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        remedy = remedy or "restore the file from a copy of the run"
        raise RunError(where, f"{what} ({reason[:200]})", remedy=remedy) from error


@cache
def _of(kind: Any, finite: bool) -> Schema:
    """Return the schema of what `build` takes for a type."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _of(inner[0], finite) | dict(inner[1:])
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of(each, finite) for each in inner]}
    if origin is list or (origin is tuple and inner[1:] == (...,)):
        return {"type": "array", "items": _of(inner[0], finite)}
    if origin is tuple:
        return {
            "type": "array",
            "items": _of(inner[0], finite),
            "minItems": len(inner),
            "maxItems": len(inner),
        }
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _of(inner[1], finite)}
    if kind in _PLAIN:
        return _PLAIN[kind] if finite or kind is not float else {"type": ["number", "float"]}
    fields = {name: _of(hint, finite) for name, hint in _hints(kind).items()}
    needed = [name for name in fields if name not in _defaults(kind)]
    return {"type": "object", "properties": fields, "required": needed}


_PLAIN: dict[Any, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": -_MOST, "maximum": _MOST},
    float: {"type": "number"},
    str: {"type": "string", "halves": True},  # which text of files may have, and JSON can write
    types.NoneType: {"type": "null"},
    Any: {"type": ["null", "boolean", "number", "float", "string", "array", "object"], "items": None},
}


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


@cache
def _defaults(kind: Any) -> frozenset[str]:
    """Return the fields of a dataclass or `NamedTuple` that need not be given."""
    if dataclasses.is_dataclass(kind):
        none = dataclasses.MISSING
        fields = dataclasses.fields(kind)
        return frozenset(f.name for f in fields if f.default is not none or f.default_factory is not none)
    return frozenset(kind._field_defaults)


def _made(kind: Any, value: Any) -> Any:
    """Make the object that a checked value stands for."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _made(inner[0], value)
    if origin in (Union, types.UnionType):
        return (
            None
            if value is None
            else _made(next(each for each in inner if each is not types.NoneType), value)
        )
    if origin in (list, tuple):
        made = value if inner[0] in (str, Any) else [_made(inner[0], each) for each in value]
        return origin(made)
    if origin in (dict, Mapping):
        return {name: _made(inner[1], each) for name, each in value.items()}
    if kind in (int, float):
        return kind(value)
    if kind in _PLAIN:
        return value
    return kind(**{name: _made(_hints(kind)[name], each) for name, each in value.items()})


def _first_line(error: ValueError) -> str:
    return str(error).splitlines()[0]


def _is(kind: str, value: Any) -> bool:
    if kind == "integer":
        return type(value) is int or (type(value) is float and value.is_integer())
    if kind == "number":
        return type(value) is int or (type(value) is float and math.isfinite(value))
    return isinstance(value, _TYPES[kind])


_TYPES = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None), "float": float}


def _kind(schema: Schema, value: Any, where: str) -> str:
    """Return which of the types that the schema allows a value has."""
    for kind in _kinds(schema):
        if _is(kind, value):
            return kind
    return _fault(where, value, _words(schema))


def _kinds(schema: Schema) -> list[str]:
    return [schema["type"]] if isinstance(schema["type"], str) else schema["type"]


def _words(schema: Schema) -> str:
    return " or ".join(_WORDS[kind] for kind in _kinds(schema))


def _any(schemas: Sequence[Schema], value: Any, where: str) -> Any:
    """Check a value against the first schema of its type."""
    for schema in schemas:
        fits = any(_is(kind, value) for kind in _kinds(schema))
        if fits and (not isinstance(value, dict) or set(schema.get("required", ())) <= set(value)):
            return validate(schema, value, where)
    return _fault(
        where, value, " or ".join(schema.get("description") or _words(schema) for schema in schemas)
    )


def _object(schema: Schema, value: dict[str, Any], where: str) -> dict[str, Any]:
    if "properties" not in schema and "additionalProperties" not in schema:
        return value
    properties = schema.get("properties", {})
    if others := schema.get("additionalProperties"):
        properties = dict.fromkeys(value, others) | properties
    for name in value:
        if name not in properties:
            raise DataError(where, f"an unknown key {name[:_SHOWN]!r}", remedy=nearest(name, properties))
    for name in schema.get("required", ()):
        if name not in value:
            raise DataError(where, f"no {name!r}", expected=f"an object with {name!r}")
    return {
        name: validate(inner, value[name], name if where == "body" else f"{where}.{name}")
        if name in value
        else inner.get("default")
        for name, inner in properties.items()
    }


def _array(schema: Schema, value: list[Any], where: str) -> list[Any]:
    if len(value) > schema.get("maxItems", math.inf):
        _fault(where, value, f"at most {schema['maxItems']:,}")
    if len(value) < schema.get("minItems", 0):
        _fault(where, value, f"at least {schema['minItems']}")
    items = schema["items"]
    if items is None or _all_fit(items, value):
        return value
    return [validate(items, inner, f"{where}[{place}]") for place, inner in enumerate(value)]


def _all_fit(items: Schema, value: list[Any]) -> bool:
    """Return whether all are ints, floats or texts that fit, without a look at each: a list may be long."""
    if not value or items.keys() - {"type", "minimum", "maximum", "halves"}:
        return not value
    kind, found = items["type"], set(map(type, value))
    if kind == "string":
        return found == {str} and ("halves" in items or not _HALVES.search("\n".join(value)))
    if kind not in ("integer", "number") or found != {int}:
        return False
    return items.get("minimum", -_LARGEST) <= min(value) and max(value) <= items.get("maximum", _LARGEST)


def _check_text(schema: Schema, value: str, where: str) -> None:
    if len(value) > schema.get("maxLength", math.inf):
        _fault(where, value, f"at most {schema['maxLength']:,} characters")
    if len(value) < schema.get("minLength", 0):
        _fault(where, value, f"at least {schema['minLength']}")
    if "halves" not in schema and not value.isascii() and _HALVES.search(value):
        raise DataError(where, "half of a surrogate pair", expected="a text that UTF-8 can write")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        _fault(where, value, f"a text such as {schema['pattern']}")


def _check_number(schema: Schema, value: float, where: str) -> None:
    if abs(value) >= _LARGEST and isinstance(value, int):
        _fault(where, value, "a number below 1e308")
    if value < schema.get("minimum", -math.inf):
        _fault(where, value, f"at least {schema['minimum']:g}")
    if value > schema.get("maximum", math.inf):
        _fault(where, value, f"at most {schema['maximum']:g}")
    if value <= schema.get("exclusiveMinimum", -math.inf):
        _fault(where, value, f"above {schema['exclusiveMinimum']:g}")


def _fault(where: str, value: Any, expected: str) -> NoReturn:
    raise DataError(where, shown(value), expected=expected)


def shown(value: Any) -> str:
    """Show a value in a few words, however large it is."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN else f"a text of {len(value):,} characters"
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value):,}"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a number of many digits"
    return f"{value!r:.60}"
