"""Labelled lines as fastText reads them: `__label__good so good it was`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, final

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import Format, has_suffix, head, nul, read_text, write_json_lines

_LABEL = "__label__"
_LABELS = re.compile(rf"(?:\s*{_LABEL}\S+)*")


@final
class FastText(Format):
    """A text a line, with its labels before it: the fields `text` and `label`.

    The label is a list in all records, if some line has several.
    """

    name = "fasttext"
    suffixes = (".ft", ".fasttext")

    def takes(self, source: str) -> bool:
        """Whether its suffix says so, or it is a text of which all first lines begin with a label."""
        return has_suffix(source, self.suffixes) or (
            has_suffix(source, (".txt", ".text", ".train", ".valid", ".test")) and _looks_like_labels(source)
        )

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The lines that are not blank.

        Raises:
            DataError: the file cannot be read, or no line has a label.
        """
        lines = [
            (number, *_parted(line))
            for number, line in enumerate(read_text(Path(source), encoding).split("\n"), 1)
            if line.strip()
        ]
        most = max((len(labels) for _, labels, _ in lines), default=0)
        if not most:
            raise DataError(source, "no line with a label", expected=f"lines such as {_LABEL}good so good")
        for number, labels, text in lines:
            label = labels if most > 1 else next(iter(labels), None)
            yield Record({"text": text, "label": label}, f"{source}:{number}")

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines: the text, the label and the answer."""
        write_json_lines(rows, out)


def _parted(line: str) -> tuple[list[str], str]:
    """The labels of a line, and its text."""
    match = _LABELS.match(line)
    assert match is not None
    labels = [part.removeprefix(_LABEL) for part in match[0].split()]
    return labels, line[match.end() :].strip()


def _looks_like_labels(source: str) -> bool:
    begin = head(source)
    lines = [] if nul(begin, "ascii") >= 0 else begin.split(b"\n")
    filled = [line for line in (lines[:-1] or lines) if line.strip()]
    return bool(filled) and all(line.lstrip().startswith(_LABEL.encode()) for line in filled)
