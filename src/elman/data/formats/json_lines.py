"""JSON: one object a line, or a file that is one array of objects or one table; its keys are the fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, final

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import Format, ReadingHints, from_json, has_suffix, head, read_text, to_json
from elman.data.formats.table_head import is_head
from elman.data.formats.text import TextFormat

_KINDS = {list: "a list", str: "text", bool: "true or false", type(None): "null"}
_LINES = (".jsonl", ".ndjson")
_ARRAY = re.compile(r"\s*\[\s*\{")
_BEGIN = re.compile(r"\s*[\[{]")
_SOUND = {"array", "sampling_rate"}
_SAMPLED = 100
"""Rows that tell whether the first array names the columns."""
_OBJECT_LINES = re.compile(r"\s*\{[^\n]*\}[ \t\r]*\n\s*\{")


@final
class JsonLines(Format):
    """A file of JSON lines: the fields are the keys of each object; values stay numbers, lists, text, ...

    An object in a record gives a field for each of its keys: {"doc": {"text": "a"}} has the field `doc.text`.

    A file that is one JSON value serves too, if that is an array of objects, an object that has one such
    array, or a table as pandas writes it: {"text": {"0": ..., "1": ...}}, {"text": [...]} or {"columns":
    [...], "data": [[...], ...]}; or an array of texts, the field `text`, or of arrays, the rows of a table.
    """

    name = "jsonlines"
    suffixes = _LINES

    def takes(self, source: str) -> bool:
        """Whether its suffix is one of JSON lines; or its content, of `.json` or no known suffix."""
        if has_suffix(source, _LINES):
            return True
        begin = head(source).decode("utf-8-sig", "replace")
        if has_suffix(source, (".json",)):
            return _is_records(source, begin)
        return not has_suffix(source, TextFormat.suffixes) and bool(_OBJECT_LINES.match(begin))

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The objects in the order of the file; empty lines are left out.

        Raises:
            DataError: a line is not valid JSON, or no object.
        """
        path = Path(source)
        text = read_text(path, encoding)
        if _ARRAY.match(text) or (has_suffix(source, (".json",)) and not _OBJECT_LINES.match(text)):
            yield from _whole(path, text)
            return
        for line, each in enumerate(text.split("\n"), 1):
            if each.strip():
                where = f"{path}:{line}"
                yield Record(_fields(from_json(each, where), where), where)

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """The objects as they were read, with the keys of the answer added."""
        for record, answer in rows:
            whole = record.fields.whole if isinstance(record.fields, Item) else record.fields
            out.write(to_json({**whole, **answer}) + "\n")
            out.flush()


class Item(dict[str, Any]):
    """The fields of an object, those of objects in it among them.

    Attributes:
        whole: the object as it was written.
    """

    whole: dict[str, Any]


def _fields(value: Any, where: str) -> dict[str, Any]:
    whole = _object(value, where)
    if not any(map(_is_inner, whole.values())):
        return whole
    found = Item(_flat(whole, ""))
    found.whole = whole
    return found


def _is_inner(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and not set(value) >= _SOUND


def _flat(value: dict[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if _is_inner(inner):
            yield from _flat(inner, f"{above}{name}.")
        else:
            yield above + name, inner


def _is_records(source: str, begin: str) -> bool:
    """Whether a `.json` file holds records; one value is read whole to tell."""
    if _ARRAY.match(begin) or _OBJECT_LINES.match(begin):
        return True
    if not _BEGIN.match(begin):
        return False
    try:
        value = from_json(read_text(Path(source), "auto"), source)
    except DataError:
        return False
    return _rows(value) is not None or len(_lists(value)) > 1


def _whole(path: Path, text: str) -> Iterator[Record]:
    """The records of a file that is one JSON value."""
    try:
        value = from_json(text, path)
    except DataError as error:
        if not isinstance(cause := error.__cause__, json.JSONDecodeError):
            raise
        raise DataError(f"{path}:{cause.lineno}", error.got, remedy="mend the file") from cause
    rows = _rows(value)
    if rows is None and len(several := _lists(value)) > 1:
        got = f"lists of records in {', '.join(map(repr, several))}"
        remedy = "write each to a file of its own, such as train.json and test.json in one folder"
        raise DataError(path, got, expected="one", remedy=remedy)
    if rows is None:
        expected = "an array of objects, or one object a line"
        raise DataError(path, "JSON of another form", expected=expected, remedy="or say --format text")
    for number, row in enumerate(rows, 1):
        where = f"{path}:item {number}"
        yield Record(_fields(row, where), where)


def _rows(value: Any) -> list[Any] | None:
    """The rows of a value: an array of objects, the one such array in an object, or a table's columns."""
    if isinstance(value, list):
        return _listed(value)
    if not isinstance(value, dict) or not value:
        return None
    if isinstance(names := value.get("columns"), list) and isinstance(rows := value.get("data"), list):
        return _listed([names, *rows])
    columns = [[*c.values()] if isinstance(c, dict) else c for c in value.values()]
    keys = {tuple(c) if isinstance(c, dict) else None for c in value.values()}
    if len(keys) == 1 and all(isinstance(c, list) and c for c in columns):
        by_row = isinstance(columns[0][0], dict)
        if not by_row and len({*map(len, columns)}) == 1 and (None in keys or _counts(*keys)):
            return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    inner = [*_lists(value).values()]
    return inner[0] if len(inner) == 1 else None


def _lists(value: Any) -> dict[str, list[Any]]:
    """The rows in each value of an object that has some."""
    inner = value.items() if isinstance(value, dict) else ()
    return {str(name): found for name, each in inner if (found := _rows(each))}


def _listed(value: list[Any]) -> list[Any] | None:
    """The rows that an array holds: objects, texts, or arrays of as many values each."""
    if not value or not all(isinstance(row, type(value[0])) for row in value):
        return None
    if isinstance(value[0], str):
        return [{"text": row} for row in value]
    if not isinstance(value[0], list):
        return value if isinstance(value[0], dict) else None
    width = len(value[0])
    if width < 2 or any(len(row) != width or any(isinstance(c, list | dict) for c in row) for row in value):
        return None
    cells = [[_cell(cell) for cell in row] for row in value[: 1 + _SAMPLED]]
    named = all(isinstance(cell, str) for cell in value[0]) and is_head(cells[0], cells[1:], ReadingHints())
    names = value[0] if named else [str(place) for place in range(1, width + 1)]
    return [dict(zip(names, row, strict=True)) for row in value[named:]] or None


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _counts(keys: tuple[str, ...] | None) -> bool:
    return keys is not None and all(key.isdecimal() for key in keys)


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        got = _KINDS.get(type(value), "a number")
        raise DataError(where, got, expected='an object, such as {"text": "...", "label": "..."}')
    if not value:
        raise DataError(where, "an object without a key", remedy="fill it in, or leave the line out")
    return value
