"""Tables with a row for each step of a sequence: their rows are joined to one record a sequence.

`seq_id, t, ax, ay, az, activity` has sequences named by `seq_id`, each in the order of `t`. The settings name
such columns; else they are known by a column that names groups and one of times, which differ within a group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from elman.core.errors import DataError
from elman.core.records import Record
from elman.core.run_config import DataSettings
from elman.data import column_kinds, columns, times
from elman.data.cells import cell, is_empty, is_number, named, number

_FEWEST = 3
"""Rows that a sequence has on average, where nobody says that rows are steps."""

_STEP_TARGETS = ("activity", "gesture", "stage", "phase", "state", "event", "rul")
"""Names, beside the usual ones, that a column with a target at each step often has."""

_PROBED = 1000
"""Rows that tell whether each has one token."""


class JoinedRows(dict[str, Any]):
    """The fields of a sequence that was joined from rows; these rows, and the table that they are of."""

    __slots__ = ("rows", "table")

    def __init__(self, fields: Mapping[str, Any], rows: Sequence[Record], table: LongTable) -> None:
        super().__init__(fields)
        self.rows, self.table = rows, table


@dataclass(frozen=True, kw_only=True)
class LongTable:
    """Which columns of a table of steps are what.

    Args:
        group: the columns that name a row's sequence; none: rows of empty cells stand between sequences.
        time: the column that orders the rows of a sequence; "": they are in order.
        inputs: the columns of numbers that are read, a channel each; none: every column becomes a list.
        target: the column to be predicted, the same in all rows of a sequence; "" where columns become lists.
        in_step: whether each row has a target of its own, which may be missing.
        dates: the notation of times, as `elman.data.times.read` takes it.
        guessed: whether any of this was guessed.
    """

    group: tuple[str, ...]
    time: str
    inputs: tuple[str, ...] = ()
    target: str = ""
    dates: str = times.AUTO
    guessed: bool = True
    in_step: bool = False

    def join(self, records: Iterable[Record]) -> list[Record]:
        """A record for each sequence, in the order in which they begin.

        Beside what names it its fields are `series`, float32 [T, C], and the target, where there is one (a
        list [T], if each row has one); or, where no inputs are named, a list for each column.

        Raises:
            DataError: a column is missing, a cell is not a number or a time, day and month are ambiguous, a
                time comes twice, or a target is not the same in all rows of a sequence.
        """
        parts = groups(records, self.group)
        moments = iter(self._moments([row for rows in parts for row in rows]))
        return [self._joined(self._ordered(rows, [next(moments) for _ in rows])) for rows in parts]

    def spread(
        self, answers: Iterable[tuple[Record, Mapping[str, Any]]]
    ) -> Iterator[tuple[Record, Mapping[str, Any]]]:
        """Answers as the table has them: of lists an entry a row; else one a sequence, beside its name."""
        for record, answer in answers:
            if (self.inputs and not self.in_step) or not isinstance(record.fields, JoinedRows):
                fields = {name: cell for name, cell in record.fields.items() if name != "series"}
                yield Record(fields, record.where), answer
                continue
            for place, row in enumerate(record.fields.rows):
                yield row, {name: cells[place] for name, cells in answer.items()}

    def part(self, record: Record, start: int, stop: int) -> Record:
        """The steps of a sequence from `start` to before `stop`, as a sequence."""
        assert isinstance(record.fields, JoinedRows)
        return self._joined(record.fields.rows[start:stop])

    def roles(self) -> dict[str, tuple[str, ...]]:
        """The columns by the settings that name them."""
        found = {"group": self.group, "time": (self.time,), "input": self.inputs, "target": (self.target,)}
        return {setting: names for setting, names in found.items() if any(names)}

    def about(self) -> str:
        """Which columns make the sequences, in words."""
        apart = ", ".join(map(repr, self.group))
        words = f"rows of one {apart} are a sequence" if apart else "rows up to an empty one are a sequence"
        each = " at each step" if self.in_step else ""
        words += f" in the order of {self.time!r}" if self.time else ""
        words += f", {', '.join(map(repr, self.inputs))} are read" if self.inputs else ""
        words += f", {self.target!r} is predicted{each}" if self.target else ""
        settings = "--group, --time, --input, --target and --rows set them"
        return f"{words} (guessed; {settings})" if self.guessed else words

    def _joined(self, rows: Sequence[Record]) -> Record:
        first = rows[0].fields
        fields = {name: cell(rows[0], name) for name in self.group}
        if not self.inputs:
            fields |= {name: [row.fields.get(name) for row in rows] for name in first if name not in fields}
            return Record(JoinedRows(fields, rows, self), rows[0].where)
        steps = [[number(row, name) for name in self.inputs] for row in rows]
        fields["series"] = np.array(steps, np.float32)
        if self.target in first:
            each = self.in_step
            fields[self.target] = [row.fields[self.target] for row in rows] if each else self._label(rows)
        return Record(JoinedRows(fields, rows, self), rows[0].where)

    def _moments(self, rows: Sequence[Record]) -> Sequence[Any]:
        """What orders each of all rows: the notation of times is one for the table, not for a sequence."""
        if not self.time or not rows:
            return range(len(rows))
        cells = [cell(row, self.time) for row in rows]
        if not times.is_time(cells[0]):
            return [str(cell) for cell in cells]  # such as names of steps
        found = times.read(cells, lambda place: rows[place].where, notation=self.dates, name=self.time)
        return found.values.tolist()

    def _ordered(self, rows: Sequence[Record], moments: Sequence[Any]) -> Sequence[Record]:
        order = sorted(range(len(rows)), key=moments.__getitem__)
        for before, after in pairwise(order):
            if moments[before] == moments[after]:
                remedy = "keep one of them, or name the columns that tell sequences apart: --group a,b"
                got = f"a second row for {cell(rows[after], self.time)!r} of {self._named(rows[0])}"
                raise DataError(rows[after].where, got, expected="one", remedy=remedy)
        return [rows[place] for place in order]

    def _label(self, rows: Sequence[Record]) -> Any:
        label = rows[0].fields[self.target]
        other = next((row for row in rows if cell(row, self.target) != label), None)
        if other is None:
            return label
        raise DataError(
            other.where,
            f"{other.fields[self.target]!r} in column {self.target!r} of {self._named(rows[0])}",
            expected=f"{label!r}, as in the rows before it",
            remedy="name the columns that tell sequences apart (--group a,b), or say --rows sequences",
        )

    def _named(self, row: Record) -> str:
        return ", ".join(f"{name} {row.fields.get(name)!r}" for name in self.group)


def groups(records: Iterable[Record], names: Sequence[str]) -> list[list[Record]]:
    """The rows of each sequence. An empty cell stands for that above it; without names, empty rows part."""
    found: dict[object, list[Record]] = {}
    above: list[Any] = [""] * len(names)
    parts = 0
    for record in records:
        if not names:
            if all(map(is_empty, record.fields.values())):
                parts += 1
            else:
                found.setdefault(parts, []).append(record)
            continue
        cells = (cell(record, name) for name in names)
        above = [last if is_empty(each) else each for each, last in zip(cells, above, strict=True)]
        found.setdefault(tuple(map(str, above)), []).append(record)
    return list(found.values())


def of(record: Record) -> LongTable | None:
    """The table whose rows a record was joined from; None, if it was not."""
    return record.fields.table if isinstance(record.fields, JoinedRows) else None


def find(records: Sequence[Record], data: DataSettings) -> LongTable | None:
    """The columns of a table whose rows are the steps of series with a target each; None, if not.

    They are if the settings say so: `data.rows`, or a column `data.time`. Else if a column names groups
    of rows and another one is a time or counts within each, the target is the same within a group, and no
    column of texts differs within one.

    Args:
        records: all rows.
        data: the settings, which may name columns, or say what rows are.

    Raises:
        DataError: a column that is named is not there; or rows are steps, and a column cannot be guessed.
    """
    first = records[0]
    if data.rows == "sequences" or not _is_flat(first):
        return None
    asked = data.rows == "steps" or bool(data.time)
    if not asked and data.group and not {*map(str.strip, data.group.split(","))} <= {*first.fields}:
        return None  # who splits by it will say so
    inputs, target = named(first, data.input), named(first, data.target)
    group, time = _group_and_time(records, data, {*inputs, *target}, asked=asked or len(inputs) > 1)
    if not group:
        if asked:
            raise _no_column(first, "a row's sequence", "--group")
        return None
    parts = groups(records, group)
    free = [name for name in first.fields if name not in (*group, time, *inputs)]
    answers = target or _targets(parts, free)
    if not answers:
        if asked:
            raise _no_column(first, "one class in all rows of a sequence", "--target")
        return None
    keys = column_kinds.keys(records, free)
    able = [name for name in free if name not in answers and name not in keys]
    numbers = inputs or [name for name in able if columns.is_numeric(records, name)]
    if asked and not numbers:
        raise _no_column(first, "numbers", "--input")
    texts = [name for name in free if name not in (*answers, *numbers) and not _is_same(parts, name)]
    if not asked and (not numbers or (texts and not inputs) or not _is_same(parts, answers[0])):
        return None
    guessed = not (data.group and data.time and data.input and data.target)
    return LongTable(
        group=tuple(group),
        time=time,
        inputs=tuple(numbers),
        target=answers[0],
        dates=data.dates,
        guessed=guessed,
    )


def find_labelled(records: Sequence[Record], data: DataSettings) -> LongTable | None:
    """The columns of a table whose rows are the steps of series with a target at each step; None, if not.

    Rows are steps if a column names groups of rows and another one is a time or counts within each; or if
    the settings say so, and then all rows are one sequence where nothing names groups. The target has a usual
    name, or is the only other column of texts, else the last one of numbers.

    Args:
        records: all rows.
        data: the settings, which may name columns, or say what rows are.

    Raises:
        DataError: a column that is named is not there; or rows are steps, and a column cannot be guessed.
    """
    first = records[0]
    if data.rows == "sequences" or not _is_flat(first):
        return None
    inputs, target = named(first, data.input), named(first, data.target)
    group, time = _group_and_time(records, data, {*inputs, *target}, asked=True)
    if not time:
        names = (name for name in first.fields if name not in (*group, *inputs, *target))
        time = next((name for name in names if _is_time(records, name)), "") if not group else ""
    free = [name for name in first.fields if name not in (*group, time, *inputs)]
    keys = column_kinds.keys(records, free)
    able = [name for name in free if name not in keys or name in target]
    answer = (target or [step_target(records, able) or next(reversed(able), "")])[0]
    numbers = inputs or [name for name in able if name != answer and columns.is_numeric(records, name)]
    if not (numbers or data.rows == "steps" or data.time):
        return None  # but paths of files, or lists
    if not answer:
        raise _no_column(first, "a target at each step", "--target")
    if not numbers:
        raise _no_column(first, "numbers to read", "--input")
    guessed = not (data.group and data.time and data.input and data.target)
    kept = {"group": tuple(group), "time": time, "inputs": tuple(numbers), "target": answer}
    return LongTable(**kept, dates=data.dates, guessed=guessed, in_step=True)


def step_target(records: Sequence[Record], names: Sequence[str]) -> str:
    """The column of a usual name for a target at each step, or the only column of texts; "" for none."""
    usual = columns.usual_target(names)
    small = {name.lower(): name for name in names}
    texts = [name for name in names if not columns.is_numeric(records, name)]
    return (
        usual
        or next((small[name] for name in _STEP_TARGETS if name in small), "")
        or (texts[0] if len(texts) == 1 else "")
    )


def labels_steps(records: Sequence[Record]) -> str:
    """The column of targets that change within the sequences of a table of steps; "", if it is none.

    A number at each step of a calendar is a series to forecast, not such a target.
    """
    data = DataSettings()
    if len(records) < _FEWEST or not _is_flat(records[0]):
        return ""
    group, time = _group_and_time(records, data, set(), asked=False)
    names = [name for name in records[0].fields if name not in (*group, time)]
    keys = column_kinds.keys(records, names)
    names = [name for name in names if name not in keys]
    target = step_target(records, names)
    read = [name for name in names if name != target and columns.is_numeric(records, name)]
    if not (group and time and target and read) or len(read) + 1 < len(names):
        return ""
    dated = not is_number(records[0].fields[time])
    if columns.is_numeric(records, target) and (dated or target.lower() == "y"):
        return ""
    return "" if _is_same(groups(records, group), target) else target


def find_tokens(records: Sequence[Record], data: DataSettings) -> LongTable | None:
    """The columns of a table with a token in each row; None, if a row has many or nothing parts them.

    Args:
        records: all rows.
        data: the settings, which may name columns, or say what rows are.

    Raises:
        DataError: a column that is named is not there; or rows are steps, and nothing tells sentences apart.
    """
    first = records[0]
    if data.rows == "sequences" or not _is_flat(first):
        return None
    asked = data.rows == "steps" or bool(data.time)
    taken = {*named(first, data.input), *named(first, data.target)}
    group, time = _group_and_time(records, data, taken, asked=True)
    parted = any(all(map(is_empty, row.fields.values())) for row in records)
    if not group and not parted:
        if asked:
            raise _no_column(first, "a row's sentence", "--group")
        return None
    cells = [cell for row in records[:_PROBED] for cell in row.fields.values() if isinstance(cell, str)]
    words = [name for name in first.fields if name not in (*group, time)]
    one_each = all(len(str(row.fields.get(name)).split()) <= 1 for row in records[:_PROBED] for name in words)
    if not cells or not (asked or (one_each and len(words) > 1)):
        return None
    return LongTable(group=tuple(group), time=time, dates=data.dates, guessed=not data.group)


def _is_flat(first: Record) -> bool:
    return len(first.fields) > 1 and all(
        cell is None or isinstance(cell, str | int | float) for cell in first.fields.values()
    )


def _group_and_time(
    records: Sequence[Record], data: DataSettings, taken: set[str], *, asked: bool
) -> tuple[list[str], str]:
    """The columns that name a row's sequence, and its time; none and "", if there are no such."""
    first = records[0]
    group, (time, *_) = named(first, data.group), [*named(first, data.time), ""]
    names = [name for name in first.fields if name not in (*taken, *group, time)]
    usual = [time] if time else [name for name in names if _is_time(records, name)]
    if group:
        parts = groups(records, group)
        known = next((each for each in usual if time or _is_order(parts, each)), "") or _counter(parts, names)
        return (group, known) if known or asked else ([], "")
    called = [name for name in names if column_kinds.is_group_name(name)]
    for name in called:
        parts = groups(records, [name])
        if len(parts) < 2 or len(records) < (1 if asked else _FEWEST) * len(parts) + asked:
            continue
        known = next((each for each in usual if each != name and _is_order(parts, each)), "")
        known = known or _counter(parts, [other for other in names if other != name])
        if known or asked:
            return [name], known
    if len(called) > 1:  # such as subject and trial, of which none is enough
        parts = groups(records, called)
        known = next((each for each in usual if each not in called and _is_order(parts, each)), "")
        if known and len(records) >= _FEWEST * len(parts):
            return called, known
    return _by_restarts(records, names, usual)


def _is_time(records: Sequence[Record], name: str) -> bool:
    """Whether a column is one of times, as its name or all of its first cells say."""
    cells = [record.fields.get(name) for record in records[:_PROBED]]
    return column_kinds.is_time_name(name) or (
        all(map(times.is_date, cells)) and not columns.is_numeric(records, name)
    )


def _by_restarts(
    records: Sequence[Record], names: Sequence[str], usual: Sequence[str]
) -> tuple[list[str], str]:
    """A column that changes just where a time starts anew, which then is that time."""
    for time in usual:
        numbers = column_kinds.whole([record.fields.get(time) for record in records])
        starts = [place for place in range(1, len(numbers)) if numbers[place] <= numbers[place - 1]]
        if not starts or len(records) < _FEWEST * (len(starts) + 1):
            continue
        for name in names:
            cells = [record.fields.get(name) for record in records]
            turns = [place for place in range(1, len(cells)) if cells[place] != cells[place - 1]]
            if name != time and turns == starts and len(set(map(str, cells))) == len(starts) + 1:
                return [name], time
    return [], ""


def _is_order(parts: Sequence[Sequence[Record]], name: str) -> bool:
    """Whether a column has another value in each row of a sequence."""
    return all(len({str(row.fields.get(name)) for row in rows}) == len(rows) for rows in parts)


def _counter(parts: Sequence[Sequence[Record]], names: Sequence[str]) -> str:
    """The first column that counts up by 1 in the rows of every sequence, from the same number."""
    for name in names:
        counted = [column_kinds.whole([row.fields.get(name) for row in rows]) for rows in parts]
        together = all(numbers and numbers[0] == counted[0][0] for numbers in counted)
        if together and all(len(numbers) == 1 or column_kinds.counts(numbers) for numbers in counted):
            return name
    return ""


def _targets(parts: Sequence[Sequence[Record]], names: Sequence[str]) -> list[str]:
    """The column to be predicted: of a usual name; else the last that is the same within each sequence."""
    usual = columns.usual_target(names)
    if usual:
        return [usual]
    same = [name for name in names if _is_same(parts, name) and not column_kinds.is_key_name(name)]
    words = [name for name in same if not columns.is_numeric([rows[0] for rows in parts], name)]
    different = {name: len({str(rows[0].fields.get(name)) for rows in parts}) for name in same}
    return [name for name in words or same if 1 < different[name] < len(parts)][-1:]


def _is_same(parts: Sequence[Sequence[Record]], name: str) -> bool:
    return all(len({str(row.fields.get(name)) for row in rows}) == 1 for rows in parts)


def _no_column(first: Record, what: str, setting: str) -> DataError:
    got = f"columns {', '.join(map(repr, first.fields))}"
    return DataError(first.where, got, expected=f"one with {what}", remedy=f"name it with {setting}")
