"""A text file of which each line is an input, such as one predicts for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, final

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import Format, has_suffix, read_text, write_json_lines
from elman.data.formats.table import has_tabs, is_of_numbers


@final
class TextLines(Format):
    """The lines of a `.txt` file that are not blank: the field `text`.

    As a file of such a name is a text to most tasks, only those that ask for lines get them.
    """

    name = "lines"
    suffixes = ()

    def takes(self, source: str) -> bool:
        """Whether it is a `.txt` file without the columns of a table."""
        is_table = has_tabs(source) or is_of_numbers(source)
        return has_suffix(source, (".txt", ".text")) and not is_table

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """A record a line.

        Raises:
            DataError: the file cannot be read, or has blank lines alone.
        """
        found = False
        for number, line in enumerate(read_text(Path(source), encoding).split("\n"), 1):
            if text := line.strip():
                found = True
                yield Record({"text": text}, f"{source}:{number}")
        if not found:
            raise DataError(source, "blank lines alone", remedy="write an input in each line")

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines: the text and the answer."""
        write_json_lines(rows, out)
