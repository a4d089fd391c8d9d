"""Cells of records: what a column holds, as it is or as a number, and which columns a setting names."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from elman.core.errors import DataError, nearest
from elman.core.records import Record
from elman.data.formats.base import float32

ALL = "*"
"""The name for all other columns, if they are numbers: a step each."""

_FLAGS = {
    **dict.fromkeys(("1", "1.0", "true", "yes"), True),
    **dict.fromkeys(("0", "0.0", "false", "no", ""), False),
}


def named(first: Record, setting: str) -> list[str]:
    """The columns that a setting names: one, or several with commas between them; of `x*` all that begin so.

    Raises:
        DataError: one is not there.
    """
    if not setting or setting in first.fields or setting == ALL:
        return [setting] if setting and setting != ALL else []
    found: list[str] = []
    for name in map(str.strip, setting.split(",")):
        like = [each for each in first.fields if fnmatchcase(each, name)] if "*" in name else [name]
        if not like or any(each not in first.fields for each in like):
            raise DataError(first.where, f"no column {name!r}", remedy=nearest(name, first.fields))
        found += (each for each in like if each not in found)
    return found


def is_empty(value: Any) -> bool:
    """Whether a cell is empty."""
    return value is None or (isinstance(value, str) and not value.strip())


def is_number(value: Any) -> bool:
    """Whether a cell holds a number."""
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def cell(record: Record, name: str) -> Any:
    """What a record has in a column.

    Raises:
        DataError: the column is not there.
    """
    if name not in record.fields:
        raise DataError(record.where, f"no column {name!r}", remedy=nearest(name, record.fields))
    return record.fields[name]


def number(record: Record, name: str) -> float:
    """The number in a column of a record; not-a-number, if the cell is empty.

    Raises:
        DataError: the column is not there, or holds something else.
    """
    value = cell(record, name)
    if is_empty(value):
        return float("nan")
    if not is_number(value):
        remedy = "leave the column out, or name the one to read with --input"
        raise DataError(record.where, f"{value!r} in column {name!r}", expected="a number", remedy=remedy)
    return float(value)


def is_on(record: Record, name: str, value: Any) -> bool:
    """Whether a column of 0 and 1, of true and false, or of yes and no says so.

    Raises:
        DataError: it holds something else.
    """
    known = _FLAGS.get(str(value).strip().lower())
    if known is None:
        remedy = "name one column with --target, or columns of 0 and 1"
        raise DataError(record.where, f"{value!r} in column {name!r}", expected="0 or 1", remedy=remedy)
    return known


def joined(record: Record, cells: Sequence[tuple[str, Any]]) -> Any:
    """What several columns hold together: numbers a step each, series a channel each, texts below each other.

    Raises:
        DataError: lists of several lengths, or of no numbers.
    """
    values = [value for _, value in cells]
    if all(isinstance(value, list | np.ndarray) for value in values):
        try:
            return np.stack([float32(value) for value in values], axis=1)
        except (TypeError, ValueError, OverflowError) as error:
            expected = "series of numbers, equally long"
            raise DataError(
                record.where, f"columns {', '.join(n for n, _ in cells)}", expected=expected
            ) from error
    if all(is_empty(value) or is_number(value) for value in values):
        return [number(record, name) for name, _ in cells]
    return "\n".join("" if value is None else str(value) for value in values)
