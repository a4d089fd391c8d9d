"""JSON lines: one object a line, its keys the fields, its values as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, final

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import Format, from_json, has_suffix, read_text, to_json

_KINDS = {list: "a list", str: "text", bool: "true or false", type(None): "null"}


@final
class JsonLines(Format):
    """A file of JSON lines: the fields are the keys of each object; values stay numbers, lists, text, ..."""

    name = "jsonlines"
    suffixes = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")

    def takes(self, source: str) -> bool:
        """Whether its suffix is one of JSON lines."""
        return has_suffix(source, self.suffixes)

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The objects in the order of the file; empty lines are left out.

        Raises:
            DataError: a line is not valid JSON, or no object.
        """
        path = Path(source)
        for line, text in enumerate(read_text(path, encoding).split("\n"), 1):
            if text.strip():
                where = f"{path}:{line}"
                yield Record(_object(text, where), where)

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """The objects as they were read, with the keys of the answer added."""
        for record, answer in rows:
            out.write(to_json({**record.fields, **answer}) + "\n")
            out.flush()


def _object(text: str, where: str) -> dict[str, Any]:
    value = from_json(text, where)
    if not isinstance(value, dict):
        got = _KINDS.get(type(value), "a number")
        raise DataError(where, got, expected='an object, such as {"text": "...", "label": "..."}')
    if not value:
        raise DataError(where, "an object without a key", remedy="fill it in, or leave the line out")
    return value
