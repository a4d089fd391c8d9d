"""JSON and what it may hold: a small part of JSON Schema (draft 2020-12), checked at the first fault.

The same description is published and checked, so that what is said of a request is what holds. It knows no
server and no model.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

from elman.errors import DataError, nearest

Schema: TypeAlias = dict[str, Any]
"""A description in terms of JSON Schema, of the words that `read` knows."""


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


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
}
_SHOWN = 40


def parse(text: str | bytes, where: str = "body") -> Any:
    """The value of a JSON text; only what the standard allows (RFC 8259: no NaN, no infinity).

    Raises:
        DataError: it is no JSON, or nested too deeply.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        return _DECODER.decode(text)
    except RecursionError:
        raise DataError(where, "JSON that is nested too deeply") from None
    except ValueError as error:  # no UTF-8 and a number of more than 4,300 digits, too
        raise DataError(where, f"no JSON: {_first_line(error)}") from error


def read(schema: Schema, value: Any, where: str = "body") -> Any:
    """A value as its schema describes it: checked, with defaults where nothing is given.

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


def _first_line(error: ValueError) -> str:
    return str(error).splitlines()[0]


def _is(kind: str, value: Any) -> bool:
    if kind == "integer":
        return type(value) is int or (type(value) is float and value.is_integer())
    if kind == "number":
        return type(value) is int or (type(value) is float and math.isfinite(value))
    types = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}
    return isinstance(value, types[kind])


def _kind(schema: Schema, value: Any, where: str) -> str:
    """Which of the types that the schema allows a value has."""
    for kind in _kinds(schema):
        if _is(kind, value):
            return kind
    return _fault(where, value, _words(schema))


def _kinds(schema: Schema) -> list[str]:
    return [schema["type"]] if isinstance(schema["type"], str) else schema["type"]


def _words(schema: Schema) -> str:
    return " or ".join(_WORDS[kind] for kind in _kinds(schema))


def _any(schemas: Sequence[Schema], value: Any, where: str) -> Any:
    """The value as the first schema of its type describes it."""
    for schema in schemas:
        fits = any(_is(kind, value) for kind in _kinds(schema))
        if fits and (not isinstance(value, dict) or set(schema.get("required", ())) <= set(value)):
            return read(schema, value, where)
    return _fault(
        where, value, " or ".join(schema.get("description") or _words(schema) for schema in schemas)
    )


def _object(schema: Schema, value: dict[str, Any], where: str) -> dict[str, Any]:
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
        name: read(inner, value[name], name if where == "body" else f"{where}.{name}")
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
    if items == {"type": "number"} and set(map(type, value)) <= {int}:  # the usual, and it may be long
        return value
    return [read(items, inner, f"{where}[{place}]") for place, inner in enumerate(value)]


def _check_text(schema: Schema, value: str, where: str) -> None:
    if len(value) > schema.get("maxLength", math.inf):
        _fault(where, value, f"at most {schema['maxLength']:,} characters")
    if len(value) < schema.get("minLength", 0):
        _fault(where, value, f"at least {schema['minLength']}")
    if not value.isascii() and _HALVES.search(value):
        raise DataError(where, "half of a surrogate pair", expected="a text that UTF-8 can write")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        _fault(where, value, f"a text such as {schema['pattern']}")


def _check_number(schema: Schema, value: float, where: str) -> None:
    if value < schema.get("minimum", -math.inf):
        _fault(where, value, f"at least {schema['minimum']:g}")
    if value > schema.get("maximum", math.inf):
        _fault(where, value, f"at most {schema['maximum']:g}")
    if value <= schema.get("exclusiveMinimum", -math.inf):
        _fault(where, value, f"above {schema['exclusiveMinimum']:g}")


def _fault(where: str, value: Any, expected: str) -> NoReturn:
    raise DataError(where, _shown(value), expected=expected)


def _shown(value: Any) -> str:
    """A value in a few words, however large it is."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN else f"a text of {len(value):,} characters"
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value):,}"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return repr(value) if isinstance(value, float) or abs(value) < 1e30 else "a number of many digits"
