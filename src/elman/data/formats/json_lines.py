"""JSON: one object a line, or a file that is one array of objects or one table; its keys are the fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, final

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import Format, from_json, has_suffix, head, read_text, to_json
from elman.data.formats.text import TextFormat

_KINDS = {list: "a list", str: "text", bool: "true or false", type(None): "null"}
_LINES = (".jsonl", ".ndjson")
_ARRAY = re.compile(r"\s*\[\s*\{")
_OBJECT_LINES = re.compile(r"\s*\{[^\n]*\}[ \t\r]*\n\s*\{")


@final
class JsonLines(Format):
    """A file of JSON lines: the fields are the keys of each object; values stay numbers, lists, text, ...

    A file that is one JSON value serves too, if that is an array of objects, an object that has one such
    array, or a table by columns, as pandas writes it: {"text": {"0": ..., "1": ...}} or {"text": [...]}.
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
                yield Record(_object(from_json(each, where), where), where)

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """The objects as they were read, with the keys of the answer added."""
        for record, answer in rows:
            out.write(to_json({**record.fields, **answer}) + "\n")
            out.flush()


def _is_records(source: str, begin: str) -> bool:
    """Whether a `.json` file holds records; one object is read whole to tell."""
    if _ARRAY.match(begin) or _OBJECT_LINES.match(begin):
        return True
    if not begin.lstrip().startswith("{"):
        return False
    try:
        return _rows(from_json(read_text(Path(source), "auto"), source)) is not None
    except DataError:
        return False


def _whole(path: Path, text: str) -> Iterator[Record]:
    """The records of a file that is one JSON value."""
    try:
        value = from_json(text, path)
    except DataError as error:
        if not isinstance(cause := error.__cause__, json.JSONDecodeError):
            raise
        raise DataError(f"{path}:{cause.lineno}", error.got, remedy="mend the file") from cause
    rows = _rows(value)
    if rows is None:
        expected = "an array of objects, or one object a line"
        raise DataError(path, "JSON of another form", expected=expected, remedy="or say --format text")
    for number, row in enumerate(rows, 1):
        where = f"{path}:item {number}"
        yield Record(_object(row, where), where)


def _rows(value: Any) -> list[Any] | None:
    """The rows of a value: an array of objects, the one such array in an object, or a table's columns."""
    if isinstance(value, list):
        return value if value and all(isinstance(row, dict) for row in value) else None
    if not isinstance(value, dict) or not value:
        return None
    columns = [[*c.values()] if isinstance(c, dict) else c for c in value.values()]
    keys = {tuple(c) if isinstance(c, dict) else None for c in value.values()}
    if len(keys) == 1 and all(isinstance(c, list) and c for c in columns):
        by_row = isinstance(columns[0][0], dict)
        if not by_row and len({*map(len, columns)}) == 1 and (None in keys or _counts(*keys)):
            return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    inner = [found for each in value.values() if isinstance(each, list) and (found := _rows(each))]
    return inner[0] if len(inner) == 1 else None


def _counts(keys: tuple[str, ...] | None) -> bool:
    return keys is not None and all(key.isdecimal() for key in keys)


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        got = _KINDS.get(type(value), "a number")
        raise DataError(where, got, expected='an object, such as {"text": "...", "label": "..."}')
    if not value:
        raise DataError(where, "an object without a key", remedy="fill it in, or leave the line out")
    return value
