"""Records -> series: the rows of a table sorted into regular series, checked as they are read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from elman.core.errors import DataError, nearest
from elman.core.records import Record
from elman.data import times
from elman.data.cells import is_empty
from elman.data.times import AUTO, NUMBERS, Times, TimeStyle
from elman.tasks.forecast import frequencies, resampling
from elman.tasks.forecast.column_roles import WHICH, ColumnRoles, no_number
from elman.tasks.forecast.frequencies import Frequency, NumericSteps

_STEPS, _SHARE = 1_000_000, 1000
"""A series of more steps must have at least this many values."""


_PLAIN = TimeStyle()


@dataclass(frozen=True)
class Series:
    """One regular series, and what is known beside it.

    Args:
        name: what it is called; "" for an only one.
        times: [T] as `times.Times` keeps them, one step of the frequency apart.
        values: [T] float64; not-a-number where one is missing.
        length: how many steps there are up to the last value; what comes after is the future.
        extras: the cells of the other columns that are used, T each; None where one is empty.
        where: where its first row is.
        style: how its times are written.
    """

    name: str
    times: np.ndarray
    values: np.ndarray
    length: int
    extras: Mapping[str, Sequence[object]]
    where: str
    style: TimeStyle = _PLAIN


@dataclass(frozen=True)
class _Rows:
    """The rows of one series as they stand in the file."""

    name: str
    times: np.ndarray
    values: list[object]
    extras: dict[str, list[object]]
    places: list[str]
    style: TimeStyle


def read(
    records: Sequence[Record],
    columns: ColumnRoles,
    frequency: Frequency | None = None,
    *,
    fill: bool = False,
    notation: str = AUTO,
    style: TimeStyle | None = None,
    resample: str = "",
) -> tuple[list[Series], Frequency]:
    """All series of a table, in the order in which they begin, and their frequency.

    Args:
        records: the rows.
        columns: which column is what.
        frequency: the step from one time to the next; None: found from the times.
        fill: treat missing times as missing values; else they are an error.
        notation: of the times, where they are ambiguous.
        style: of the zone by whose clocks they are to be kept; None: of their own.
        resample: the step to which times that jitter are brought; "": they must be regular.

    Raises:
        DataError: a cell that is not a time or a number, times out of order, twice, or left out.
    """
    if columns.form == "rows":
        return [_row(record, columns) for record in records], frequency or NumericSteps()
    found = _times(records, columns, frequency, notation, style)
    groups = _groups(records, columns, found)
    for rows in groups:
        _check_order(rows)
    if resample:
        frequency = frequency or resampling.step(resample, dated=found.dated)
        groups, fill = [_resampled(rows, frequency) for rows in groups], True
    frequency = frequency or frequencies.find([rows.times for rows in groups], dated=found.dated)
    if frequency is None:
        got = "one time in every series"
        raise DataError(groups[0].places[0], got, expected="at least two, from which the step is seen")
    return [_regular(rows, columns, frequency, fill) for rows in groups], frequency


def between(one: Series, start: str, end: str) -> Series:
    """Return the part of a series from the time `start` to the time `end`; "" means unbounded.

    Raises:
        DataError: a bound is not such a time, or nothing is left.
    """
    first, last = 0, len(one.times)
    if start:
        first = int(np.searchsorted(one.times, _bound(one, "forecast.start", start)))
    if end:
        last = int(np.searchsorted(one.times, _bound(one, "forecast.end", end), "right"))
    values = one.values[first:last]
    if not (length := _length(values)):
        raise DataError(
            one.where, f"series {one.name!r} has no value between forecast.start and forecast.end"
        )
    extras = {name: cells[first:last] for name, cells in one.extras.items()}
    return replace(one, times=one.times[first:last], values=values, length=length, extras=extras)


def _bound(one: Series, setting: str, text: str) -> float:
    notation = one.style.notation
    found = times.read([text], lambda _: setting, notation=notation, style=one.style)
    if found.dated != (one.times.dtype == np.int64):
        raise DataError(setting, repr(text), expected="a time as the data have")
    return found.values[0]


def _times(
    records: Sequence[Record],
    columns: ColumnRoles,
    frequency: Frequency | None,
    notation: str,
    style: TimeStyle | None,
) -> Times:
    """The times of all rows, of the kind that the frequency counts."""
    cells = [record.fields.get(columns.time) for record in records]
    if isinstance(frequency, NumericSteps):
        notation = NUMBERS
    found = times.read(
        cells,
        lambda row: records[row].where,
        notation=notation,
        name=columns.time,
        daily=None if frequency is None else frequency.daily,
        style=style,
    )
    if frequency is not None and found.dated == isinstance(frequency, NumericSteps):
        expected = f"{'numbers' if found.dated else 'dates'}, as the model learnt from"
        raise DataError(records[0].where, f"the time {cells[0]!r:.60}", expected=expected)
    return found


def number(cell: object, where: str, column: str) -> float:
    """The number in a cell, not-a-number if the cell is empty.

    Raises:
        DataError: something else is there, or a number that is not finite.
    """
    if no_number(cell):
        return math.nan
    try:
        value = float(cell)  # pyrefly: ignore[bad-argument-type]
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value) or isinstance(cell, bool):
        remedy = "leave the cell empty where a value is missing"
        raise DataError(where, f"{cell!r} in column {column!r}", expected="a number", remedy=remedy)
    return value


def _row(record: Record, columns: ColumnRoles) -> Series:
    """A row that is a series: its name, then its values up to the last that is there."""
    cells = {name: cell for name, cell in record.fields.items() if name not in columns.ids}
    values = np.array([number(cell, record.where, name) for name, cell in cells.items()])
    length = _length(values)
    if not length:
        raise DataError(record.where, "a series without a value", remedy="take the row out")
    steps = np.arange(1, length + 1, dtype=np.float64)
    return Series(str(_name(record, columns.ids)), steps, values[:length], length, {}, record.where)


def _groups(records: Sequence[Record], columns: ColumnRoles, when: Times) -> list[_Rows]:
    groups: dict[object, list[int]] = {}
    for row, record in enumerate(records):
        groups.setdefault(_name(record, columns.ids), []).append(row)
    found = []
    for name, rows in groups.items():
        places = [records[row].where for row in rows]
        told = [column for column in columns.extras if not (columns.joint and column == WHICH)]
        shared = {column: [_cell(records[row], column) for row in rows] for column in told}
        for value in columns.values:
            which: dict[str, list[object]] = {WHICH: [value] * len(rows)} if columns.joint else {}
            called = "" if not columns.id and len(columns.values) == 1 else value
            called = str(name) if columns.id and len(columns.values) == 1 else f"{name} {called}".strip()
            values = [records[row].fields.get(value) for row in rows]
            found.append(_Rows(called, when.values[rows], values, shared | which, places, when.style))
    return found


def _name(record: Record, columns: Sequence[str]) -> object:
    """What names the series of a row: a text or a number; of several columns their texts; "" of none."""
    if len(columns) != 1:
        return " / ".join(str(_name(record, [column])) for column in columns)
    (column,) = columns
    if column not in record.fields:
        raise DataError(record.where, f"no column {column!r}", remedy=nearest(column, record.fields))
    name = record.fields[column]
    if isinstance(name, list | dict):
        raise DataError(record.where, f"{name!r} in column {column!r}", expected="the name of a series")
    return name


def _cell(record: Record, column: str) -> object:
    cell = record.fields.get(column)
    return None if is_empty(cell) else cell


def _resampled(rows: _Rows, frequency: Frequency) -> _Rows:
    """The rows on steps of the frequency: the mean of the values of each, the last of the other cells."""
    steps = resampling.places(rows.times, frequency)
    starts = np.flatnonzero(np.diff(steps, prepend=steps[0] - 1)).tolist()
    parts = [slice(start, end) for start, end in zip(starts, [*starts[1:], len(steps)], strict=True)]
    numbers = [number(cell, where, rows.name) for cell, where in zip(rows.values, rows.places, strict=True)]
    return _Rows(
        rows.name,
        resampling.times(steps[starts], frequency),
        [resampling.mean(numbers[part]) for part in parts],
        {name: [resampling.last(cells[part]) for part in parts] for name, cells in rows.extras.items()},
        [rows.places[start] for start in starts],
        rows.style,
    )


def _check_order(rows: _Rows) -> None:
    steps = np.diff(rows.times)
    wrong = np.flatnonzero(steps <= 0)
    if not len(wrong):
        return
    at = int(wrong[0]) + 1
    unit = frequencies.SECOND if (rows.times % frequencies.DAY).any() else frequencies.DAY
    show = frequencies.FixedSpan(unit) if rows.times.dtype == np.int64 else NumericSteps()
    of = f" of series {rows.name!r}" if rows.name else ""
    time, before = (frequencies.shown(show, rows.style, rows.times[place]) for place in (at, at - 1))
    if steps[wrong[0]] == 0:
        remedy = "keep one of the rows, or name the columns that tell series apart: --group COLUMN"
        raise DataError(rows.places[at], f"a second row for {time}{of}", expected="one", remedy=remedy)
    remedy = "sort the rows by time; --group names the columns that tell series apart"
    raise DataError(rows.places[at], f"{time}{of} after {before}", expected="times in order", remedy=remedy)


def _regular(rows: _Rows, columns: ColumnRoles, frequency: Frequency, fill: bool) -> Series:
    """The rows as a series without gaps, from its first value on."""
    column = columns.values[0] if len(columns.values) == 1 else rows.name
    values = np.array(
        [number(cell, where, column) for cell, where in zip(rows.values, rows.places, strict=True)]
    )
    for static in columns.static:
        _check_static(static, rows)
    places = _places(rows, frequency, fill)
    full = np.full(int(places[-1]) + 1, math.nan)
    full[places] = values
    regular = frequency.after(rows.times[0], np.arange(len(full)))
    extras = {name: _spread(cells, places, len(full)) for name, cells in rows.extras.items()}
    length = _length(full)
    if not length:
        raise DataError(rows.places[0], f"series {rows.name!r} without a value", remedy="take it out")
    first = int(np.flatnonzero(~np.isnan(full))[0])
    cut = {name: cells[first:] for name, cells in extras.items()}
    values, place = full[first:], rows.places[0]
    return Series(rows.name, regular[first:], values, length - first, cut, place, rows.style)


def _check_static(column: str, rows: _Rows) -> None:
    cells = rows.extras[column]
    for at, cell in enumerate(cells):
        if cell != cells[0]:
            got = f"{cell!r} in static column {column!r} of series {rows.name!r}"
            raise DataError(rows.places[at], got, expected=f"{cells[0]!r}, as in its first row")


def _places(rows: _Rows, frequency: Frequency, fill: bool) -> np.ndarray:
    """Which step of the regular series each row is."""
    places = frequency.between(rows.times)
    missed = np.abs(frequency.after(rows.times[0], places) - rows.times)
    leeway = 0.0 if rows.times.dtype == np.int64 else 0.1
    wrong = (missed > leeway) | (np.diff(places, prepend=-1) < 1)
    if not fill:
        wrong |= np.diff(places, prepend=-1) > 1
    if not wrong.any():
        _check_gaps(rows, frequency, places)
        return places
    at = int(np.flatnonzero(wrong)[0])
    time, before = (frequencies.shown(frequency, rows.style, rows.times[place]) for place in (at, at - 1))
    got = f"{time} after {before}" + (f" in series {rows.name!r}" if rows.name else "")
    if missed[at] <= leeway and places[at] > places[at - 1] + 1:
        following = frequency.after(rows.times[at - 1], np.array([1]))[0]
        expected = frequencies.shown(frequency, rows.style, following)
        remedy = "add the rows with an empty value, or set forecast.fill = true"
    else:
        expected = f"a step of {frequency.words}, as most are"
        remedy = f"bring the times to steps: --set forecast.resample='{resampling.suggested(rows.times)}'"
    raise DataError(rows.places[at], got, expected=expected, remedy=remedy)


def _check_gaps(rows: _Rows, frequency: Frequency, places: np.ndarray) -> None:
    """See that most of a series is there: one wrong time must not fill all memory."""
    if places[-1] <= max(_STEPS, _SHARE * len(places)):
        return
    at = int(np.diff(places).argmax()) + 1
    time, before = (frequencies.shown(frequency, rows.style, rows.times[place]) for place in (at, at - 1))
    got = f"{time} after {before}, {int(places[at] - places[at - 1]):,} steps of {frequency.words} later"
    remedy = "mend the time, or give the parts different names: forecast.id"
    raise DataError(rows.places[at], got, expected=f"a value in {_SHARE} steps at least", remedy=remedy)


def _spread(cells: list[object], places: np.ndarray, length: int) -> list[object]:
    full: list[object] = [None] * length
    for place, cell in zip(places.tolist(), cells, strict=True):
        full[place] = cell
    return full


def _length(values: np.ndarray) -> int:
    there = np.flatnonzero(~np.isnan(values))
    return int(there[-1]) + 1 if len(there) else 0
