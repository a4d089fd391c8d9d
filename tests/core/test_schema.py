"""JSON is read by its description, and the first fault is told."""

from __future__ import annotations

import pytest

from elman.core import json_schema
from elman.core.errors import DataError

ROW = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "seed": {"type": ["integer", "null"], "default": None},
        "list": {"type": "array", "items": {"type": "number"}, "maxItems": 3, "default": []},
    },
    "required": ["name"],
    "additionalProperties": False,
}


def test_what_is_not_given_has_its_default():
    assert json_schema.validate(ROW, {"name": "a"}) == {"name": "a", "count": 3, "seed": None, "list": []}
    assert json_schema.validate(ROW, {"name": "a", "count": 4.0, "list": [1, 2.5]})["count"] == 4


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "body: expected an object, got a list of 0"),
        ({}, "body: expected an object with 'name', got no 'name'"),
        ({"nme": "a"}, "body: an unknown key 'nme'; did you mean 'name'?"),
        ({"name": 3}, "name: expected a text, got 3"),
        ({"name": "abcdef"}, "name: expected at most 5 characters, got 'abcdef'"),
        ({"name": "a" * 90}, "name: expected at most 5 characters, got a text of 90 characters"),
        ({"name": "\ud800"}, "name: expected a text that UTF-8 can write, got half of a surrogate pair"),
        ({"name": "a", "count": 0}, "count: expected at least 1, got 0"),
        ({"name": "a", "count": 10}, "count: expected at most 9, got 10"),
        ({"name": "a", "count": 1.5}, "count: expected a whole number, got 1.5"),
        ({"name": "a", "count": True}, "count: expected a whole number, got true"),
        ({"name": "a", "seed": "x"}, "seed: expected a whole number or null, got 'x'"),
        ({"name": "a", "list": [1, 2, 3, 4]}, "list: expected at most 3, got a list of 4"),
        ({"name": "a", "list": [1, "x"]}, "list[1]: expected a number, got 'x'"),
        ({"name": "a", "list": [float("inf")]}, "list[0]: expected a number, got inf"),
    ],
)
def test_the_first_fault_is_told(value, words):
    with pytest.raises(DataError) as error:
        json_schema.validate(ROW, value)
    assert str(error.value) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "body: not valid JSON"),
        (b"{", "body: not valid JSON"),
        (b"NaN", "body: not valid JSON: NaN is not a valid JSON number"),
        (b"[Infinity]", "body: not valid JSON: Infinity is not a valid JSON number"),
        (b"\xff", "body: not valid JSON"),
        (b"[" * 100_000, "body: JSON that is nested too deeply"),
        (b"1" * 5_000, "body: not valid JSON"),
    ],
)
def test_what_is_no_json_is_told(text, words):
    with pytest.raises(DataError) as error:
        json_schema.parse(text)
    assert str(error.value).startswith(words)


def test_one_of_several_is_chosen_by_its_type_and_its_properties():
    one = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    other = {"type": "object", "properties": {"b": {"type": "number"}}, "required": ["b"]}
    either = {"anyOf": [one, other, {"type": ["number", "null"]}]}
    assert json_schema.validate(either, {"b": 1}) == {"b": 1}
    assert json_schema.validate(either, None) is None
    with pytest.raises(DataError, match="expected an object or an object or a number or null, got 'x'"):
        json_schema.validate(either, "x")
