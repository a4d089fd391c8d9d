"""Annotate the steps of sequences with properties: those of any text, and columns that a user gives.

Independent of tasks and networks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from unicodedata import category

import torch
from torch import Tensor

from elman.core.errors import DataError, nearest
from elman.core.records import Record

POSITION = "position in the sequence"
_OPEN, _SHUT = "([{", ")]}"
_SIGNS = {"\n": "⏎", "\t": "⇥", " ": "␣"}
_MOST = 12
"""Values of a property that are listed one by one, the most frequent ones."""


def built_in(symbols: Sequence[str], steps: int) -> dict[str, list[Any]]:
    """Return the properties of each step that are there without a mark.

    Args:
        symbols: the text of each step, or none.
        steps: of the sequence.
    """
    found: dict[str, list[Any]] = {POSITION: list(range(steps))}
    if symbols:
        found |= {name: follow(symbols) for name, follow in _TEXTUAL.items()}
    return found


def printable(symbol: str) -> str:
    """Show a symbol below a picture: white space by a sign, but not that before a word."""
    shown = symbol.strip(" ") or symbol
    return "".join(_SIGNS.get(c, c) for c in shown)


def stretched(values: Sequence[Any], steps: int) -> list[Any]:
    """Stretch a sequence's values to another number of steps: each has the one in its middle."""
    return [values[min(len(values) - 1, int((step + 0.5) * len(values) / steps))] for step in range(steps)]


def tensors(name: str, values: Sequence[Any]) -> dict[str, Tensor]:
    """Return a property as tensors: numbers as they are, 0 or 1 as bool, else a bool per usual value.

    Raises:
        DataError: a number that is not finite.
    """
    numbers = [_number(value) for value in values]
    if not any(number is None for number in numbers):
        tensor = torch.tensor(numbers, dtype=torch.float64)
        if not tensor.isfinite().all():
            got = "a number that is not finite"
            raise DataError(f"mark {name!r}", got, remedy="leave such steps out, or mark them by a word")
        return {name: tensor.bool() if set(numbers) <= {0, 1} else tensor}
    texts = [str(value) for value in values]
    usual = [text for text, _ in Counter(texts).most_common(_MOST)]
    return {f"{name} = {text}": torch.tensor([each == text for each in texts]) for text in usual}


def of_records(records: Sequence[Record], name: str, lengths: Sequence[int]) -> list[list[Any]]:
    """Return a column of records as marks, one for each step.

    A list has a mark an entry. A text has one a word, or else one a character.

    Args:
        records: the sequences, as they were read.
        name: of the column.
        lengths: the steps of each.

    Raises:
        DataError: there is no such column, or it has another number of marks than there are steps.
    """
    return [_of_record(record, name, steps) for record, steps in zip(records, lengths, strict=True)]


def of_rows(rows: Sequence[Record], name: str, source: str, lengths: Sequence[int]) -> list[list[Any]]:
    """Return as marks a column of a table with a row for each step of consecutive sequences.

    Args:
        rows: of the table.
        name: of the column.
        source: the table's path.
        lengths: the steps of each sequence; one row more stands for a last step that has no target.

    Raises:
        DataError: there is no such column, or another number of rows.
    """
    if len(rows) - sum(lengths) not in (0, 1):
        got, remedy = f"{len(rows):,} rows", "give a row for each symbol, in their order"
        raise DataError(source, got, expected=f"{sum(lengths):,}, one for each step", remedy=remedy)
    values = [_field(row, name) for row in rows]
    ends = torch.tensor(lengths).cumsum(0).tolist()
    return [values[end - steps : end] for end, steps in zip(ends, lengths, strict=True)]


def _of_record(record: Record, name: str, steps: int) -> list[Any]:
    value = _field(record, name)
    values: list[Any] | None = None
    if isinstance(value, str):
        values = value.split() if len(value.split()) == steps else list(value)
    elif hasattr(value, "__len__"):
        values = list(value)
    if values is None or len(values) != steps:
        got = (
            f"{len(values)} marks in column {name!r}" if values is not None else f"{value!r:.40} in {name!r}"
        )
        raise DataError(record.where, got, expected=f"{steps}, one for each step")
    return values


def _field(record: Record, name: str) -> Any:
    if name not in record.fields:
        raise DataError(record.where, f"no column {name!r} to mark by", remedy=nearest(name, record.fields))
    return record.fields[name]


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _in_line(symbols: Sequence[str]) -> list[int]:
    """Count the characters before the end of each symbol in its line."""
    found, column = [], 0
    for symbol in symbols:
        _, newline, rest = symbol.rpartition("\n")
        column = len(rest) if newline else column + len(symbol)
        found.append(column)
    return found


def _in_word(symbols: Sequence[str]) -> list[int]:
    """Count the letters and digits of the present word that have been read."""
    found, letters = [], 0
    for symbol in symbols:
        for character in symbol:
            if not category(character).startswith("M"):  # a mark is a part of the letter before it
                letters = letters + 1 if character.isalnum() else 0
        found.append(letters)
    return found


def _in_quotes(symbols: Sequence[str]) -> list[bool]:
    """Return whether an odd number of double quotes has been read in the line."""
    found, inside = [], False
    for symbol in symbols:
        for character in symbol:
            inside = character != "\n" and inside != (character == '"')
        found.append(inside)
    return found


def _in_brackets(symbols: Sequence[str]) -> list[bool]:
    """Return whether more brackets have been opened than shut in what was read."""
    found, depth = [], 0
    for symbol in symbols:
        for character in symbol:
            depth = max(0, depth + (character in _OPEN) - (character in _SHUT))
        found.append(depth > 0)
    return found


_TEXTUAL: dict[str, Callable[[Sequence[str]], list[Any]]] = {
    "position in the line": _in_line,
    "letters of the word so far": _in_word,
    "inside quotes": _in_quotes,
    "inside brackets": _in_brackets,
}
