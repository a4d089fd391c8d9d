"""Columns of times: in which notation they are, what moments they stand for, how more of them are written.

Times are kept as numbers: dates as microseconds since 1970 by the clock of their zone (int64), anything else
as it is (float64).
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from elman.core.errors import DataError
from elman.data import dates as written_dates
from elman.data.dates import DAY, DAY_FIRST, MONTH_FIRST, YEAR_FIRST, WrittenDate

SECOND = 1_000_000

AUTO, ISO, NUMBERS, COMPACT, EXCEL = "auto", "iso", "numbers", "compact", "excel"
_ORDERS = (DAY_FIRST, MONTH_FIRST, YEAR_FIRST)
_UNITS = {"seconds": SECOND, "milliseconds": 1000, "microseconds": 1, "nanoseconds": 0.001}

EPOCH = dt.datetime(1970, 1, 1)
FIRST, LAST = ((day - EPOCH) // dt.timedelta(microseconds=1) for day in (dt.datetime.min, dt.datetime.max))
MOST = 1e18
"""The largest number of a time: nanoseconds of this age are below 2 to the 63, and so are their steps."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_COMPACT = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_DIGITS = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_PART = re.compile(r"\d{1,4}[-/]\d{1,2}([-/.]\d{1,4})?([T\s]\s*\d{1,2}:\d\d.*)?|\d{1,2}:\d\d(:\d\d.*)?")
_SPANS = {"seconds": (1e9, 4.2e9), "milliseconds": (1e12, 4.2e12), "microseconds": (1e15, 4.2e15)}
_SPANS["nanoseconds"] = 1e18, 4.2e18
_EXCEL = (20_000, 80_000)
"""Serial numbers of days from 1954 to 2119."""

_EXCEL_EPOCH = 25_569  # 1970-01-01
_DAYS = ("date", "datetime", "day", "days", "ds", "month", "week", "period", "quarter", "datum", "fecha")
_MOMENTS = ("timestamp", "ts", "epoch", "unix", "unixtime", "unix_time", "unix_timestamp", "created_at")
_REMEDY = "write dates as 2012-01-31 or 2012-01-31 13:00:00, or number the steps"
_MOST_LOOKED_AT = 200


@dataclass(frozen=True)
class TimeStyle:
    """How a column's times are written, and by which clock they are kept.

    Args:
        notation: one of `NOTATIONS` but `AUTO`.
        guessed: whether another notation would have been possible.
        zone: "", an offset such as "+02:00", or a name such as "Europe/Berlin".
        universal: whether times of a named zone are kept in UTC: those of days are kept by the clocks there.
    """

    notation: str = ISO
    guessed: bool = False
    zone: str = ""
    universal: bool = False

    @property
    def words(self) -> str:
        """What there is to say of it: nothing of usual dates and of plain steps."""
        plain = self.notation in (ISO, NUMBERS) and not self.guessed
        notation = self.notation + " since 1970" * (self.notation in _UNITS)
        notation += " (guessed; --dates sets it)" * self.guessed
        return ", ".join(filter(None, ["" if plain else notation, self.zone]))

    def local(self, time: float) -> float:
        """A time that is kept, by the clocks of its zone."""
        if not self.universal:
            return time
        moment = (EPOCH + dt.timedelta(microseconds=int(time))).replace(tzinfo=dt.UTC)
        there = moment.astimezone(_zone_info(self.zone)).replace(tzinfo=None)
        return (there - EPOCH) // dt.timedelta(microseconds=1)

    def written(self, time: float, text: str) -> str:
        """How a time is written, of which `text` is the local date and time."""
        if self.notation == EXCEL:
            return f"{time / DAY + _EXCEL_EPOCH:.5f}".rstrip("0").rstrip(".")
        if self.notation in _UNITS:
            number = time / _UNITS[self.notation]
            return f"{number:.6f}".rstrip("0").rstrip(".") if number % 1 else f"{number:.0f}"
        if not self.zone:
            return text
        whole = text if ":" in text else f"{text} 00:00:00"
        return f"{whole} {self.zone}" if self.zone[0].isalpha() and self.zone != "Z" else whole + self.zone


class Times(NamedTuple):
    """A column of times.

    Args:
        dated: whether they are dates; else numbers, such as 1, 2, 3 or the decimal years 1949.0833.
        values: [T] int64 microseconds since 1970, or float64 numbers.
        style: how they are written.
    """

    dated: bool
    values: np.ndarray
    style: TimeStyle = TimeStyle()


def read(
    cells: Sequence[object],
    where: Callable[[int], str],
    *,
    notation: str = AUTO,
    name: str = "",
    daily: bool | None = None,
    style: TimeStyle | None = None,
) -> Times:
    """The times that a column's cells stand for: all dates, or all numbers.

    Args:
        cells: texts, numbers, `datetime.date` or `datetime.datetime`.
        where: tells where a cell came from.
        notation: one of `NOTATIONS`, what an ambiguous column is taken for.
        name: of the column, which tells whether 44927 is one of Excel's days or a step.
        daily: whether the times are whole days or more apart, which are counted by the clocks of their zone
            and not by the hours between them; None: if all are at the same time of the day.
        style: of the zone by whose clocks the times are to be kept; None: of the cells themselves.

    Raises:
        DataError: at the first cell that is not a time, or of another kind than the first; where day and
            month are ambiguous.
    """
    if not cells or number(cells[0]) is None:
        return _dates(cells, where, notation, daily, style)
    numbers = [_checked_number(cell, where, row) for row, cell in enumerate(cells)]
    found, guessed = (notation, False) if notation in _NUMERIC else _numeric(numbers, name)
    if found == NUMBERS:
        return Times(False, _plain(numbers, cells, where), TimeStyle(NUMBERS, guessed))
    if found == COMPACT:
        values = [_digits(number, where, row) for row, number in enumerate(numbers)]
    else:
        values = [_moment(number, found, where, row) for row, number in enumerate(numbers)]
    return Times(True, np.array(values, np.int64), TimeStyle(found, guessed))


_NUMERIC = (COMPACT, *_UNITS, EXCEL, NUMBERS)


def holds_times(name: str, cells: Sequence[object]) -> bool:
    """Whether a column holds times, as its name and most of its cells tell: dates, or numbers that are some.

    Plain numbers, such as 1, 2, 3 or the years 1949.5, may be times too, but are none for sure.
    """
    there = [cell for cell in cells[:_MOST_LOOKED_AT] if cell is not None and str(cell).strip()]
    numbers = [number(cell) for cell in there]
    if there and all(each is not None for each in numbers):
        return _numeric([each for each in numbers if each is not None], name)[0] != NUMBERS
    return 2 * sum(map(is_date, there)) > len(there)


def is_time(cell: object) -> bool:
    """Whether a cell can be read as a time."""
    return number(cell) is not None or is_date(cell)


def is_date(cell: object) -> bool:
    """Whether a cell can be read as a date, which a bare number is only if written like 20120131."""
    if number(cell) is not None:
        return _DIGITS.fullmatch(str(cell).strip()) is not None
    try:
        return _written(cell) is not None
    except ValueError:
        return False


def resembles(cell: object) -> bool:
    """Whether a cell is written like a date or a part of one: a time of the day, a day without its year."""
    return is_date(cell) or (isinstance(cell, str) and _PART.fullmatch(cell.strip()) is not None)


def number(cell: object) -> int | float | None:
    """The number that a cell is, whole ones as such; None if it is none."""
    if isinstance(cell, str):
        text = cell.strip()
        if not _NUMBER.fullmatch(text):
            return None
        return int(text) if len(text) < 26 and text.lstrip("+-").isdecimal() else float(text)
    if isinstance(cell, bool) or not isinstance(cell, int | float | np.integer | np.floating):
        return None
    plain = cell.item() if isinstance(cell, np.generic) else cell
    return plain if isinstance(plain, int) or math.isfinite(plain) else None


# Numbers


def _checked_number(cell: object, where: Callable[[int], str], row: int) -> int | float:
    found = number(cell)
    if found is None:
        expected = "a number, as above it"
        raise DataError(where(row), f"the time {_shown(cell)}", expected=expected, remedy=_REMEDY)
    return found


def _plain(
    numbers: Sequence[int | float], cells: Sequence[object], where: Callable[[int], str]
) -> np.ndarray:
    for row, each in enumerate(numbers):
        if abs(each) > MOST:
            expected = f"a number from -{MOST:g} to {MOST:g}"
            raise DataError(where(row), f"the time {_shown(cells[row])}", expected=expected, remedy=_REMEDY)
    return np.array(numbers, np.float64)


def _numeric(numbers: Sequence[int | float], name: str) -> tuple[str, bool]:
    """What a column of numbers stands for, and whether that could be something else."""
    low, high, named = min(numbers), max(numbers), name.strip().lower()
    whole = all(each == int(each) for each in numbers if abs(each) < MOST) and high <= 9e18
    if whole and low > 0 and _is_compact([int(each) for each in numbers]):
        return COMPACT, len(str(int(high))) == 6
    for unit, (first, last) in _SPANS.items():
        if first <= low and high <= last:
            return unit, False
    if named in _MOMENTS and low >= 1e8 and high < 1e9:
        return "seconds", True
    if named in _DAYS and _EXCEL[0] <= low and high <= _EXCEL[1]:
        return EXCEL, True
    return NUMBERS, _EXCEL[0] <= low and high <= _EXCEL[1]


def _is_compact(numbers: Sequence[int]) -> bool:
    """Whether all are dates of as many digits: 202301 or longer, from 1900 to 2099."""
    digits = {len(str(each)) for each in numbers}
    if len(digits) != 1 or (length := digits.pop()) not in _COMPACT:
        return False
    unique = set(numbers)
    return all(19 <= each // 10 ** (length - 2) <= 20 and _by_digits(each) is not None for each in unique)


def _by_digits(each: int | float) -> dt.datetime | None:
    text = str(int(each))
    try:
        return dt.datetime.strptime(text, _COMPACT[len(text)])
    except (KeyError, ValueError):
        return None


def _digits(each: int | float, where: Callable[[int], str], row: int) -> int:
    moment = _by_digits(each) if each == int(each) else None
    if moment is None:
        raise DataError(where(row), f"the time {each}", expected="a date such as 202301 or 20230131")
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


def _moment(each: int | float, notation: str, where: Callable[[int], str], row: int) -> int:
    if notation == EXCEL:
        time = round((each - _EXCEL_EPOCH) * 86_400) * SECOND if abs(each) < MOST else MOST
    elif notation == "nanoseconds":
        time = int(each) // 1000 if abs(each) < 1e30 else MOST
    else:
        time = round(each * int(_UNITS[notation])) if abs(each) < MOST else MOST
    if not FIRST <= time <= LAST:
        expected = "a time in the years 1 to 9999"
        raise DataError(where(row), f"the time {_shown(each)} as {notation}", expected=expected)
    return int(time)


# Dates


def _written(cell: object) -> WrittenDate | None:
    if isinstance(cell, np.datetime64):
        cell = cell.astype("datetime64[us]").item()
    if isinstance(cell, dt.date):
        return written_dates.of(cell)
    return written_dates.parse(cell) if isinstance(cell, str) and len(cell) < 100 else None


def _dates(
    cells: Sequence[object],
    where: Callable[[int], str],
    notation: str,
    daily: bool | None,
    style: TimeStyle | None,
) -> Times:
    found = [_checked_date(cell, where, row) for row, cell in enumerate(cells)]
    order, guessed, is_open = ISO, False, bool(found) and found[0].open
    if is_open:
        order, guessed = _order(found, cells, where, notation)
    days = [one.day(order) if one.open == is_open else None for one in found]
    for row, day in enumerate(days):
        if day is None:
            expected = f"a date, {order} as most are" if is_open else "a date, the year first as above it"
            remedy = "write all dates in one way; --dates names it"
            raise DataError(where(row), f"the time {_shown(cells[row])}", expected=expected, remedy=remedy)
    local = np.array(days, np.int64) * DAY + np.array([one.clock for one in found], np.int64)
    values, kept = _by_clock(local, found, where, daily, style)
    for row in np.flatnonzero((values < FIRST) | (values > LAST))[:1].tolist():
        expected = "a time in the years 1 to 9999 of UTC"
        raise DataError(where(row), f"the time {_shown(cells[row])}", expected=expected, remedy=_REMEDY)
    return Times(True, values, replace(kept, notation=order, guessed=guessed))


def _checked_date(cell: object, where: Callable[[int], str], row: int) -> WrittenDate:
    try:
        found, why = _written(cell), "a date"
    except ValueError as error:
        found, why = None, f"a date ({error})"
    if found is None:
        raise DataError(where(row), f"the time {_shown(cell)}", expected=why, remedy=_REMEDY)
    return found


def _order(
    found: Sequence[WrittenDate], cells: Sequence[object], where: Callable[[int], str], notation: str
) -> tuple[str, bool]:
    """The order of the numbers of dates, and whether another one would do: the one of regular steps."""
    if notation in _ORDERS:
        return notation, False
    unique = {one.numbers: one for one in found if one.open}.values()
    count = {order: sum(one.day(order) is not None for one in unique) for order in _ORDERS}
    able = [order for order in _ORDERS if count[order] == len(unique)]
    if len(able) < 2:
        return (able or [max(_ORDERS, key=count.__getitem__)])[0], False
    if found[0].dotted and DAY_FIRST in able:
        return DAY_FIRST, True
    regular = [order for order in able if _is_regular([one.day(order) or 0 for one in unique])]
    if len(regular) != 1:
        got = f"times such as {_shown(cells[0])}, whose day and month are ambiguous"
        remedy = f"say which comes first: {' or '.join(f'--dates {order}' for order in able)}"
        raise DataError(where(0), got, remedy=remedy)
    return regular[0], True


def _is_regular(days: Sequence[int]) -> bool:
    """Whether days are evenly apart, or on the same day of months that are."""
    dates = np.unique(np.array(days, "datetime64[D]"))
    months = dates.astype("datetime64[M]")
    steps = np.diff(dates).astype(int), np.diff(months).astype(int)
    same_day = len(np.unique((dates - months).astype(int))) == 1
    return len(set(steps[0].tolist())) <= 1 or (same_day and len(set(steps[1].tolist())) == 1)


def _by_clock(
    local: np.ndarray,
    found: Sequence[WrittenDate],
    where: Callable[[int], str],
    daily: bool | None,
    style: TimeStyle | None,
) -> tuple[np.ndarray, TimeStyle]:
    """The moments of local times as they are kept, and the zone by whose clocks they are."""
    if not any(one.zone for one in found):
        return local, style or TimeStyle()
    for row, one in enumerate(found):
        if bool(one.zone) != bool(found[0].zone) or (_named(one.zone) and one.zone != found[0].zone):
            expected = f"one of the zone {found[0].zone!r}, as above it" if found[0].zone else "one without"
            raise DataError(where(row), f"a time of the zone {one.zone!r}", expected=expected)
    own = found[-1].zone if style is None else style.zone
    offsets = _offsets(local, found, where)
    if daily is None:
        moments, hours = len(np.unique(local - offsets)), len(np.unique(local % DAY))
        daily = len(local) > 1 and hours == 1 and len(np.unique(local)) == moments
    if daily and own:
        return local, TimeStyle(zone=own)
    return local - offsets + _offset(own), TimeStyle(zone=own, universal=_named(own))


def _offsets(local: np.ndarray, found: Sequence[WrittenDate], where: Callable[[int], str]) -> np.ndarray:
    """How far the clocks were ahead of UTC, in microseconds."""
    zone = found[0].zone
    if not _named(zone):
        return np.array([_offset(one.zone) for one in found], np.int64)
    try:
        info = _zone_info(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        remedy = "write offsets such as +02:00, or a name such as Europe/Berlin"
        raise DataError(where(0), f"the zone {zone!r}, which is not known", remedy=remedy) from error
    offsets, before, again = [], None, False
    for time in local.tolist():
        moment = EPOCH + dt.timedelta(microseconds=min(max(time, FIRST), LAST))
        first, second = (moment.replace(tzinfo=info, fold=fold).utcoffset() for fold in (0, 1))
        twice = first != second
        # An hour that comes twice, as clocks are set back, comes the second time after itself.
        again = twice and before is not None and (again or time <= before)
        before = time
        offsets.append(((second if again else first) or dt.timedelta()) // dt.timedelta(microseconds=1))
    return np.array(offsets, np.int64)


def _named(zone: str) -> bool:
    return bool(zone) and zone[0].isalpha() and zone != "Z"


def _offset(zone: str) -> int:
    if not zone or zone[0].isalpha():
        return 0
    minutes = 60 * int(zone[1:3]) + int(zone[4:6])
    return (-1 if zone[0] == "-" else 1) * minutes * 60 * SECOND


@cache
def _zone_info(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _shown(cell: object) -> str:
    return repr(cell) if len(text := repr(cell)) <= 60 else f"{text[:57]}..."
