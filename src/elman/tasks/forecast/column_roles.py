"""Determine the roles of a table's columns: inferred from names and contents unless given."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise, takewhile
from typing import Any, Self

from elman.core.errors import DataError, nearest
from elman.core.records import Record
from elman.data import times
from elman.data.cells import is_empty, named
from elman.data.cells import is_number as cell_holds_number
from elman.data.formats import table_head

_TIMES = (
    "ds",
    "date",
    "datetime",
    "time",
    "timestamp",
    "ts",
    "epoch",
    "period",
    "year",
    "month",
    "day",
    "t",
    "step",
    "index",
)
_SURE = ("ds", "date", "datetime", "time", "timestamp", "year", "month")
_IDS = (
    "unique_id",
    "id",
    "series",
    "series_id",
    "item_id",
    "ts_id",
    "item",
    "group",
    "key",
    "name",
    "sensor",
)
_VALUES = ("y", "value", "target", "values")
_CLASSES = ("label", "labels", "class", "category", "activity", "sentiment")
_WORDS, _FEW = 3, 20
"""A cell of more words is a text; a column of so few values, called as above, holds classes."""

_NO_NUMBER = (
    "na",
    "n/a",
    "#n/a",
    "nan",
    "-nan",
    "null",
    "none",
    "nil",
    "<na>",
    "nat",
    "missing",
    "?",
    "-",
    ".",
)
WHICH = "column of values"
"""Where several are forecast jointly, a column that says which one a series is of."""

_CLOCK = re.compile(r"\s*\d{1,2}[:.]\d\d([:.]\d\d(\.\d+)?)?\s*")
_MOST_NAMES = 4
"""Columns that may name a series where each row is one."""

_LOOKED_AT = 200
"""Rows that are looked at to tell what a column holds."""


@dataclass(frozen=True, kw_only=True)
class ColumnRoles:
    """Which column is what.

    Args:
        form: "long" has a row for each time of each series, "wide" a column for each series beside one of
            times, "rows" a row for each series: its name, then its values.
        time: the column of times; "" in the form "rows".
        id: the column that names a row's series, or several with commas between them; "" where there is one
            series, or the form is wide.
        values: the column of values; in the form "wide" a column for each series.
        known: columns whose future is known when a forecast is made.
        past: columns that are known up to now.
        static: columns that are constant within a series.
        joint: whether several columns of values are forecast together: the past of each is known to all.
    """

    form: str
    time: str = ""
    id: str = ""
    values: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    joint: bool = False

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
        return cls(**fields)

    def to_json(self) -> dict[str, Any]:
        """The columns in terms of JSON."""
        table = asdict(self)
        return table if self.joint else {name: table[name] for name in table if name != "joint"}

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns that name a row's series."""
        return tuple(name.strip() for name in self.id.split(",")) if self.id else ()

    @property
    def extras(self) -> tuple[str, ...]:
        """All columns beside times, names and values that are used."""
        return (*self.known, *self.past, *self.static)

    def roles(self) -> dict[str, tuple[str, ...]]:
        """The columns by the settings that name them."""
        found = {"time": (self.time,), "group": self.ids, "target": self.values, "input": self.past}
        return {setting: names for setting, names in found.items() if any(names)}

    def words(self) -> str:
        """What was found, in words."""
        if self.form == "rows":
            return f"a row for each series, named by {self.id!r}"
        of = f", series named by {', '.join(map(repr, self.ids))}" if self.id else ""
        of += ", forecast jointly" * self.joint
        return f"times in {self.time!r}, values in {', '.join(map(repr, self.values))}{of}"


def find(
    records: Sequence[Record],
    *,
    form: str = "",
    time: str = "",
    id: str = "",  # noqa: A002, the word of the field
    values: Sequence[str] = (),
    known: Sequence[str] = (),
    past: Sequence[str] = (),
    static: Sequence[str] = (),
    joint: bool = False,
) -> ColumnRoles:
    """Return the roles of a table's columns; those not given are inferred.

    Raises:
        DataError: a column that is not there; no column of times or of numbers.
    """
    head = records[:_LOOKED_AT]
    names = list(records[0].fields)
    ids = named(records[0], id)
    _check(names, (time, *values, *known, *past, *static), records[0])
    extras = {"known": tuple(known), "past": tuple(past), "static": tuple(static)}
    taken = {*known, *past, *static}
    if form == "rows" or (not form and not time and _is_rows(head, names)):
        return ColumnRoles(form="rows", id=id or ",".join(_leading(head, names)))
    free = [name for name in names if name not in taken and not _is_counter(name, head)]
    time = time or _time(free, head, {*ids, *values})
    _check_whole(time, free, head)
    free = [name for name in free if name != time]
    if not ids and form != "wide":
        ids = list(filter(None, [_id(records, time, free, values)]))
    id = ",".join(ids)  # noqa: A001
    free = [name for name in free if name not in ids]
    values = tuple(values) or _values(free, head, form, bool(id))
    form = form or ("wide" if len(values) > 1 else "long")
    if joint:
        extras["past"] = (*past, *(value for value in values if value not in past))
        extras["static"] = (*static, WHICH)
        return ColumnRoles(form=form, time=time, id=id, values=values, joint=True, **extras)
    return ColumnRoles(form=form, time=time, id=id, values=values, **extras)


def matches(fields: Mapping[str, object]) -> bool:
    """Whether these may be the fields of a series' row: a date and a number, or a usual name and numbers."""
    numbers = [name for name, cell in fields.items() if is_number(cell) and not times.is_date(cell)]
    if any(times.is_date(cell) for cell in fields.values()):
        return bool(numbers)
    timed = [name for name in numbers if name.lower() in _SURE]
    return len(numbers) > 1 and len(numbers) == len(fields) and bool(timed)


def reason(records: Sequence[Record]) -> str:
    """Why a table probably holds series: its times; "", if it does not, or has texts or classes."""
    head = records[:_LOOKED_AT]
    names = list(head[0].fields)
    if _is_of_steps(head, names):
        return "a row for each series, its values below their times"
    if _is_ragged(head, names):
        return "a row for each series, of which some end before others"
    if not any(matches(record.fields) for record in head):
        return ""
    timed = [name for name in names if times.holds_times(name, [record.fields.get(name) for record in head])]
    other = [name for name in names if name not in timed]
    cells = {name: [str(record.fields.get(name)) for record in head] for name in other}
    texts = [name for name in other if any(len(cell.split()) > _WORDS for cell in cells[name])]
    classes = [name for name in other if name.lower() in _CLASSES and len({*cells[name]}) <= _FEW]
    if texts or classes:
        return ""
    time = (timed or [name for name in names if name.lower() in _SURE])[0]
    return f"times in {time!r} beside numbers"


def no_number(cell: object) -> bool:
    """Whether a cell says that a number is missing: empty, not-a-number, a word such as NA or null."""
    if isinstance(cell, float):
        return math.isnan(cell)
    return is_empty(cell) or (isinstance(cell, str) and cell.strip().lower() in _NO_NUMBER)


def is_number(cell: object) -> bool:
    """Whether a cell holds a number: no text such as "nan", and neither true nor false."""
    if not isinstance(cell, str | int | float) or isinstance(cell, bool) or not cell_holds_number(cell):
        return False
    return not (isinstance(cell, str) and math.isnan(float(cell)))


def _check(names: list[str], wanted: Iterable[str], record: Record) -> None:
    for name in wanted:
        if name and name not in names:
            raise DataError(record.where, f"no column {name!r}", remedy=nearest(name, names))


def _numeric(name: str, head: Sequence[Record]) -> bool:
    """Whether most non-empty cells are numbers; any other is reported when it is read."""
    cells = [cell for record in head if not no_number(cell := record.fields.get(name))]
    return 2 * sum(is_number(cell) for cell in cells) > len(cells)


def _timed(name: str, head: Sequence[Record]) -> bool:
    return 2 * sum(times.is_date(record.fields.get(name)) for record in head) > len(head)


def _is_counter(name: str, head: Sequence[Record]) -> bool:
    """Whether a column without a name only numbers the rows, as R and pandas write it.

    A format may have named it by its place, "1".
    """
    if name.strip() not in ("", "1") and not name.startswith("Unnamed:"):
        return False
    cells = [record.fields.get(name) for record in head]
    if not all(is_number(cell) for cell in cells):
        return False
    numbers = [float(cell) for cell in cells]  # pyrefly: ignore[bad-argument-type]
    return all(b - a == 1 for a, b in pairwise(numbers))


def _is_rows(head: Sequence[Record], names: list[str]) -> bool:
    """Whether each row is a series: a name of its own, then many numbers, and no times."""
    if len(names) < 9 or names[0].lower() in _TIMES or any(_timed(name, head) for name in names[:3]):
        return False
    apart = _leading(head, names)
    firsts = [tuple(str(record.fields.get(name)) for name in apart) for record in head]
    if len(set(firsts)) < len(firsts) or all(is_number(each) for first in firsts for each in first):
        return False
    cells = (record.fields.get(name) for record in head[:20] for name in names[len(apart) :])
    return all(no_number(cell) or is_number(cell) for cell in cells)


def _leading(head: Sequence[Record], names: list[str]) -> list[str]:
    """The columns of texts before the first one of numbers, `_MOST_NAMES` at most; else the first."""
    texts = list(takewhile(lambda name: not _numeric(name, head), names[:_MOST_NAMES]))
    return texts or names[:1]


def _is_of_steps(head: Sequence[Record], names: list[str]) -> bool:
    """Whether each row is a series whose values stand below their times: years, dates, numbers of steps."""
    times_of = names[len(_leading(head, names)) :]
    return _is_rows(head, names) and table_head.counts_on(times_of, len(times_of))


def _is_ragged(head: Sequence[Record], names: list[str]) -> bool:
    """Return whether each row is a series, and some rows end early, as series do and features do not."""
    if not _is_rows(head, names):
        return False
    values = names[len(_leading(head, names)) :]
    rows = [[no_number(record.fields.get(name)) for name in values] for record in head]
    ends = [row.index(True) if True in row else len(row) for row in rows]
    return len(set(ends)) > 1 and all(all(row[end:]) for row, end in zip(rows, ends, strict=True))


def _time(names: list[str], head: Sequence[Record], taken: set[str]) -> str:
    free = [name for name in names if name not in taken]
    for name in free:
        if _timed(name, head):
            return name
    named = [name for known in _TIMES for name in free if name.lower() == known]
    for name in named:
        if 2 * sum(times.is_time(record.fields.get(name)) for record in head) > len(head):
            return name
    for name in free:
        if times.holds_times(name, [record.fields.get(name) for record in head]):
            return name
    if named and named[0].lower() in _SURE:
        times.read([record.fields.get(named[0]) for record in head], lambda row: head[row].where)
    got = f"no column of times among {', '.join(map(repr, names))}"
    raise DataError(head[0].where, got, remedy="name it: --time COLUMN")


def _check_whole(time: str, free: list[str], head: Sequence[Record]) -> None:
    """See that the times are not dates whose times of day stand in another column."""
    cells = [str(record.fields.get(time)) for record in head]
    clocks = [name for name in free if all(_CLOCK.fullmatch(str(record.fields.get(name))) for record in head)]
    if clocks and len(set(cells)) < len(cells) and all(map(times.is_date, cells)):
        got = f"dates in {time!r} and times of day in {clocks[0]!r}"
        remedy = f"join them, such as in pandas: table[{time!r}] += ' ' + table.pop({clocks[0]!r})"
        raise DataError(head[0].where, got, expected="one column of times", remedy=remedy)


def _id(records: Sequence[Record], time: str, free: list[str], values: Sequence[str]) -> str:
    """The column that names the series: by its name, or the first of text where a time comes twice."""
    names = [name for name in free if name not in values]
    for known in _IDS:
        for name in names:
            if name.lower() == known:
                return name
    cells = [record.fields.get(time) for record in records]
    if len(set(map(str, cells))) == len(cells):
        return ""
    head = records[:_LOOKED_AT]
    texts = [name for name in names if not _numeric(name, head) and not _timed(name, head)]
    return texts[0] if texts else ""


def _values(names: list[str], head: Sequence[Record], form: str, has_id: bool) -> tuple[str, ...]:
    numeric = [name for name in names if _numeric(name, head)]
    if not numeric:
        got = f"no column of numbers among {', '.join(map(repr, names)) or 'none'}"
        raise DataError(head[0].where, got, remedy="name it: --target COLUMN")
    for known in _VALUES:
        for name in numeric:
            if name.lower() == known and form != "wide":
                return (name,)
    if form == "long" or has_id:
        return (numeric[-1],)
    return tuple(numeric)
