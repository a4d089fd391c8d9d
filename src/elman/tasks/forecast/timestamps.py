"""Read times and dates."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from elman.core.errors import DataError
from elman.tasks.forecast.frequencies import _EPOCH, _FIRST, _LAST, _MOST

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_MONTH = re.compile(r"(\d{4})[-/.](\d{1,2})")
_QUARTER = re.compile(r"(\d{4})[-/ ]?[qQ]([1-4])")
_DAY_FIRST = re.compile(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4}.*")
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(.*)")
_DIGITS = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_REMEDY = "write dates as 2012-01-31 or 2012-01-31 13:00:00, or number the steps"


class Times(NamedTuple):
    """A column of times.

    Args:
        dated: whether they are dates; else numbers, such as 1, 2, 3 or the decimal years 1949.0833.
        values: [T] int64 microseconds since 1970, or float64 numbers.
    """

    dated: bool
    values: np.ndarray


def read(cells: Sequence[object], where: Callable[[int], str]) -> Times:
    """The times that a column's cells stand for: all dates, or all numbers.

    Dates are read in ISO 8601 (with an offset: made UTC), with / or . in place of -, as months (2012-01) and
    as quarters (2012-Q1).

    Args:
        cells: texts, numbers, `datetime.date` or `datetime.datetime`.
        where: tells where a cell came from.

    Raises:
        DataError: at the first cell that is no time, or is of another kind than the first.
    """
    read_one = _instant if cells and is_date(cells[0]) else _number
    values = [read_one(cell, where, row) for row, cell in enumerate(cells)]
    dated = read_one is _instant
    return Times(dated, np.array(values, np.int64 if dated else np.float64))


def is_time(cell: object) -> bool:
    """Whether a cell can be read as a time."""
    return is_date(cell) or _is_number(cell)


def is_date(cell: object) -> bool:
    """Whether a cell can be read as a date, which a bare number is only if written like 20120131."""
    try:
        return _date(cell) is not None
    except ValueError:
        return False


def _is_number(cell: object) -> bool:
    if isinstance(cell, str):
        return bool(_NUMBER.fullmatch(cell.strip()))
    if not isinstance(cell, int | float) or isinstance(cell, bool):
        return False
    return isinstance(cell, int) or math.isfinite(cell)


def _number(cell: object, where: Callable[[int], str], row: int) -> float:
    if not _is_number(cell) or is_date(cell):
        raise DataError(where(row), f"the time {cell!r}", expected="a number, as above it", remedy=_REMEDY)
    try:
        number = float(cell)  # pyrefly: ignore[bad-argument-type]
    except OverflowError:  # a whole number beyond the floats
        number = math.inf
    if abs(number) > _MOST:
        expected = f"a number from -{_MOST:g} to {_MOST:g}"
        raise DataError(where(row), f"the time {cell!r}", expected=expected, remedy=_REMEDY)
    return number


def _instant(cell: object, where: Callable[[int], str], row: int) -> int:
    try:
        found, why = _date(cell), "a date"
    except ValueError as error:
        found, why = None, f"a date ({error})"
    if found is None:
        raise DataError(where(row), f"the time {cell!r}", expected=why, remedy=_REMEDY)
    microsecond = dt.timedelta(microseconds=1)
    offset = (found.utcoffset() or dt.timedelta()) // microsecond
    moment = (found.replace(tzinfo=None) - _EPOCH) // microsecond - offset
    if not _FIRST <= moment <= _LAST:
        expected = "a time in the years 1 to 9999 of UTC"
        raise DataError(where(row), f"the time {cell!r}", expected=expected, remedy=_REMEDY)
    return moment


def _date(cell: object) -> dt.datetime | None:
    """The date that a cell is; None if it is none.

    Raises:
        ValueError: it has the form of a date, but there is no such day, or its order is open.
    """
    if isinstance(cell, dt.datetime):
        return cell
    if isinstance(cell, dt.date):
        return dt.datetime(cell.year, cell.month, cell.day)
    text = str(cell).strip()
    if _NUMBER.fullmatch(text) and not (_DIGITS.fullmatch(text)):
        return None
    if match := _QUARTER.fullmatch(text):
        return dt.datetime(int(match[1]), 3 * int(match[2]) - 2, 1)
    if match := _MONTH.fullmatch(text):
        return dt.datetime(int(match[1]), int(match[2]), 1)
    if _DAY_FIRST.fullmatch(text):
        raise ValueError("day and month are ambiguous")
    if match := _YEAR_FIRST.fullmatch(text):
        text = f"{match[1]}-{int(match[2]):02}-{int(match[3]):02}{match[4]}"
    return dt.datetime.fromisoformat(text)
