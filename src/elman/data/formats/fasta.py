"""FASTA: sequences of DNA, RNA or protein, each below a line `>name description`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, final

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import Format, has_suffix, read_text, write_json_lines

_ENDS = (".fasta", ".fa", ".fna", ".faa", ".ffn")
_OTHER = re.compile(r"[^A-Za-z*-]")
_LABEL = re.compile(r"(?:^|[\s|;,])(?:label|class)=([^\s|;,]+)", re.IGNORECASE)


@final
class Fasta(Format):
    """A FASTA file: the fields `id`, `description`, `sequence`, and `label`, where the description has one.

    The label is what follows `label=` or `class=`, or the description itself if that is a single word.
    """

    name = "fasta"
    suffixes = (*_ENDS, *(f"{end}.gz" for end in _ENDS))

    def takes(self, source: str) -> bool:
        """Whether its suffix is one of FASTA's."""
        return has_suffix(source, self.suffixes)

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The sequences in the order of the file, each in one piece, small letters as they are.

        Raises:
            DataError: a sequence without a name, a name without a sequence, or a character that is none of a
                sequence: it has letters, `*` and `-`.
        """
        path = Path(source)
        title, where, pieces = "", "", []
        for line, text in enumerate(read_text(path, encoding).split("\n"), 1):
            if text.startswith(">"):
                if where:
                    yield _record(title, pieces, where)
                title, where, pieces = text[1:].strip(), f"{path}:{line}", []
            elif piece := text.strip():
                pieces.append(_piece(piece, bool(where), f"{path}:{line}"))
        if where:
            yield _record(title, pieces, where)

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines."""
        write_json_lines(rows, out)


def _piece(text: str, named: bool, where: str) -> str:
    if not named:
        raise DataError(where, f"{text[:30]!r}", expected="a line >name before the first sequence")
    if other := _OTHER.search(text):
        got = f"{other[0]!r} at column {other.start() + 1}"
        raise DataError(where, got, expected="letters, * and - of a sequence")
    return text


def _record(title: str, pieces: list[str], where: str) -> Record:
    name, _, description = title.partition(" ")
    if not name:
        raise DataError(where, "a line > without a name", remedy="write >name")
    if not pieces:
        raise DataError(where, f"{name!r} without a sequence", remedy="write it below, or remove the line")
    description = description.strip()
    fields = {"id": name, "description": description, "sequence": "".join(pieces)}
    label = _label(description)
    return Record({**fields, "label": label} if label else fields, where)


def _label(description: str) -> str:
    if found := _LABEL.search(description):
        return found[1]
    return description if len(description.split()) == 1 else ""
