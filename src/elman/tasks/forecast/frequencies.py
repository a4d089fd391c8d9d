"""Find the frequency of times: read dates, and infer their step and calendar.

Times are kept as numbers: dates as microseconds since 1970 (int64), anything else as it is (float64).
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, final

import numpy as np

from elman.data.dates import DAY
from elman.data.times import EPOCH, FIRST, LAST, MOST, SECOND, TimeStyle

MINUTE, HOUR, WEEK = 60 * SECOND, 3600 * SECOND, 7 * DAY
YEAR = 365.2425 * DAY

_LEAST = 1e-9
"""The shortest step of numbers that differs from 0."""

_YEARS = (1000, 3000)
"""Numbers between them that are divided are decimal years."""


@dataclass(frozen=True)
class Frequency(ABC):
    """The step from one time of a series to the next."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def words(self) -> str:
        """How it is called, such as "1 hour"."""

    @property
    def daily(self) -> bool:
        """Whether steps are of days or longer, which are counted by the clocks of a place."""
        return True

    @property
    @abstractmethod
    def season(self) -> int:
        """How many steps the most usual cycle has (a day of hours, a year of months); 1 if there is none."""

    @abstractmethod
    def after(self, start: float, steps: np.ndarray) -> np.ndarray:
        """The times that many steps (int64 [T]) after `start`: [T]."""

    @abstractmethod
    def between(self, times: np.ndarray) -> np.ndarray:
        """How many steps each time [T] is after the first one: int64 [T], rounded down."""

    @abstractmethod
    def cycles(self, times: np.ndarray) -> dict[str, np.ndarray]:
        """The calendar at each time: the name of a cycle -> how far it has turned, [T] from 0 to below 1."""

    @abstractmethod
    def show(self, time: float) -> str:
        """A time as text."""

    def to_json(self) -> dict[str, Any]:
        """What `of` makes it from again."""
        return {"kind": self.kind, **asdict(self)}


@final
@dataclass(frozen=True)
class FixedSpan(Frequency):
    """A fixed span of time: seconds, minutes, hours, days, weeks.

    Args:
        microseconds: how long it is.
    """

    microseconds: int
    kind = "span"

    @property
    def words(self) -> str:
        units = {"week": WEEK, "day": DAY, "hour": HOUR, "minute": MINUTE, "second": SECOND}
        for name, length in units.items():
            if self.microseconds % length == 0:
                return _counted(self.microseconds // length, name)
        return _counted(self.microseconds, "microsecond")

    @property
    def daily(self) -> bool:
        """See `Frequency`."""
        return self.microseconds % DAY == 0

    @property
    def season(self) -> int:
        """See `Frequency`: an hour of what is shorter than a minute, else a day, a week or a year; none of
        what is shorter than a second."""
        if self.microseconds < SECOND:
            return 1
        if self.microseconds >= WEEK:
            cycle = YEAR
        elif self.microseconds >= DAY:
            cycle = WEEK
        else:
            cycle = DAY if self.microseconds >= MINUTE else HOUR
        return max(1, round(cycle / self.microseconds))

    def after(self, start: float, steps: np.ndarray) -> np.ndarray:
        return int(start) + steps * self.microseconds

    def between(self, times: np.ndarray) -> np.ndarray:
        return (times - times[0]) // self.microseconds

    def cycles(self, times: np.ndarray) -> dict[str, np.ndarray]:
        turns = {"hour": (HOUR, 0), "day": (DAY, 0), "week": (WEEK, 3 * DAY)}  # 1970 began on a Thursday
        found = {
            name: ((times + offset) % length) / length
            for name, (length, offset) in turns.items()
            if self.microseconds < length / 2 and self.microseconds * 10_000 > length
        }
        return found | {"year": _of_year(times)}

    def show(self, time: float) -> str:
        return _dated(time, days=self.daily and int(time) % DAY == 0)


@final
@dataclass(frozen=True)
class Months(Frequency):
    """Calendar months, at the same day of each, or the last one where a month is shorter.

    Args:
        count: months of a step; 3 is a quarter, 12 a year.
        day: the day of the month, 1 to 31.
    """

    count: int
    day: int
    kind = "months"

    @property
    def words(self) -> str:
        if self.count % 12 == 0:
            return _counted(self.count // 12, "year")
        return "1 quarter" if self.count == 3 else _counted(self.count, "month")

    @property
    def season(self) -> int:
        """See `Frequency`: a year."""
        return max(1, round(12 / self.count))

    def after(self, start: float, steps: np.ndarray) -> np.ndarray:
        months = _month(np.array([start], np.int64)) + steps * self.count
        firsts = months.astype("datetime64[M]").astype("datetime64[D]")
        days = _days_of(months)
        kept = np.minimum(days, self.day) - 1
        return (firsts + kept).astype("datetime64[us]").astype(np.int64) + int(start) % DAY

    def between(self, times: np.ndarray) -> np.ndarray:
        months = _month(times)
        return (months - months[0]) // self.count

    def cycles(self, times: np.ndarray) -> dict[str, np.ndarray]:
        return {"year": _month(times) % 12 / 12} if self.count < 12 else {}

    def show(self, time: float) -> str:
        return _dated(time, days=int(time) % DAY == 0)


@final
@dataclass(frozen=True)
class Workdays(Frequency):
    """Monday to Friday."""

    kind = "workdays"

    @property
    def words(self) -> str:
        return "1 workday"

    @property
    def season(self) -> int:
        """See `Frequency`: a week."""
        return 5

    def after(self, start: float, steps: np.ndarray) -> np.ndarray:
        days = np.busday_offset(_day(np.array([start], np.int64))[0], steps, roll="forward")
        return days.astype("datetime64[us]").astype(np.int64) + int(start) % DAY

    def between(self, times: np.ndarray) -> np.ndarray:
        days = _day(times)
        return np.busday_count(days[0], days).astype(np.int64)

    def cycles(self, times: np.ndarray) -> dict[str, np.ndarray]:
        return {"week": _weekday(times) / 5, "year": _of_year(times)}

    def show(self, time: float) -> str:
        return _dated(time, days=int(time) % DAY == 0)


@final
@dataclass(frozen=True)
class NumericSteps(Frequency):
    """Numbers that go up by `step` / `parts`: 1, 2, 3, or the decimal years 1949, 1949.0833 (parts 12).

    Args:
        step: by how many parts of one they go up.
        parts: into how many parts one is divided.
    """

    step: int = 1
    parts: int = 1
    kind = "numbers"

    @property
    def words(self) -> str:
        return f"{self.step}/{self.parts}" if self.parts > 1 else str(self.step)

    @property
    def daily(self) -> bool:
        """See `Frequency`: numbers have no clocks."""
        return False

    @property
    def season(self) -> int:
        """See `Frequency`: whatever one is, where it is divided."""
        return max(1, round(self.parts / self.step))

    def after(self, start: float, steps: np.ndarray) -> np.ndarray:
        return start + steps * (self.step / self.parts)

    def between(self, times: np.ndarray) -> np.ndarray:
        steps = np.floor((times - times[0]) * self.parts / self.step + _LEEWAY)
        return steps.clip(-MOST, MOST).astype(np.int64)

    def cycles(self, times: np.ndarray) -> dict[str, np.ndarray]:
        return {"one": (times + _LEEWAY / self.parts) % 1} if self.season > 1 else {}

    def show(self, time: float) -> str:
        return f"{time:.5f}".rstrip("0").rstrip(".")


_KINDS: dict[str, type[Frequency]] = {kind.kind: kind for kind in (FixedSpan, Months, Workdays, NumericSteps)}
_LEEWAY = 0.02
"""Part of a step by which a number may miss its place: decimal years are rounded."""


def of(table: dict[str, Any]) -> Frequency:
    """The frequency that `Frequency.to_json` described.

    Raises:
        KeyError, TypeError, ValueError: it described none.
    """
    fields = {key: value for key, value in table.items() if key != "kind"}
    if not all(type(value) is int and 0 < value <= _LONGEST_STEP for value in fields.values()):
        raise ValueError(f"{fields} of a frequency")
    return _KINDS[table["kind"]](**fields)


_LONGEST_STEP = 10_000 * YEAR


def find(times: Sequence[np.ndarray], *, dated: bool) -> Frequency | None:
    """The step that most times of some series are apart; None where all have but one time.

    Args:
        times: for each series its times [T], going up.
        dated: whether they are dates.
    """
    steps = np.concatenate([np.diff(each) for each in times])
    steps = steps[steps > (0 if dated else _LEAST)]
    if not len(steps):
        return None
    if not dated:
        return _numbers(steps)
    together = np.concatenate(times)
    months = np.concatenate([np.diff(_month(each)) for each in times])
    if (months > 0).all() and _one_day(together):
        return Months(_mode(months), int(_day_of_month(together).max()))
    step = _mode(steps)
    if step == DAY and (_weekday(together) < 5).all() and (steps == 3 * DAY).any():
        return Workdays()
    return FixedSpan(step)


def _numbers(steps: np.ndarray) -> NumericSteps:
    step = float(np.median(steps))
    if step >= 0.75:
        return NumericSteps(step=max(1, round(step)))
    parts = round(1 / step)
    if abs(1 / step - parts) < _LEEWAY * parts:
        return NumericSteps(parts=parts)
    return NumericSteps(step=round(step * 1000), parts=1000)


def shown(frequency: Frequency, style: TimeStyle, time: float) -> str:
    """A time of a series as text, as its column writes times and by the clocks of its zone."""
    return style.written(time, frequency.show(style.local(time)))


def moments(style: TimeStyle, times: np.ndarray) -> np.ndarray:
    """Times [T] as a picture has them: `datetime64` by the clocks of their zone, or numbers.

    Of dates that a calendar of four digits has not there are none, [0].
    """
    if times.dtype != np.int64:
        return times
    local = np.array([style.local(time) for time in times.tolist()]) if style.universal else times
    there = local[0] >= FIRST and local[-1] <= LAST
    return local.astype("datetime64[us]") if there else np.zeros(0)


def season(frequency: Frequency, times: np.ndarray) -> int:
    """The steps of a season of series with times [T], which a unit of numbers is only if they are years."""
    return frequency.season if _has_calendar(frequency, times) else 1


def turned(frequency: Frequency, times: np.ndarray) -> tuple[str, ...]:
    """The cycles of the calendar that come round at least twice in times [T]: of others nothing is learnt."""
    found = frequency.cycles(times).items() if _has_calendar(frequency, times) else ()
    return tuple(name for name, turns in found if int((np.diff(turns) < 0).sum()) >= 2)


def features(frequency: Frequency, times: np.ndarray, cycles: Sequence[str]) -> np.ndarray:
    """The calendar as channels: for each cycle, turned by x, sin and cos of 2 pi x and of 4 pi x.

    Args:
        frequency: the step of the series.
        times: [T].
        cycles: which cycles.

    Returns:
        [T, F] float32; four channels a cycle.
    """
    columns = [np.zeros((len(times), 0))]
    found = frequency.cycles(times)
    for name in cycles:
        angles = 2 * np.pi * found[name][:, None] * np.array([1, 2])
        columns += [np.sin(angles), np.cos(angles)]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _has_calendar(frequency: Frequency, times: np.ndarray) -> bool:
    return not isinstance(frequency, NumericSteps) or bool(_YEARS[0] <= times[0] <= times[-1] <= _YEARS[1])


def _mode(values: np.ndarray) -> int:
    return int(Counter(values.tolist()).most_common(1)[0][0])


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" + ("s" if count > 1 else "")


def _dated(time: float, *, days: bool) -> str:
    if not FIRST <= time <= LAST:  # a step beyond what Python's dates know
        return str(np.datetime64(int(time), "us").astype("datetime64[D]" if days else "datetime64[s]"))
    moment = EPOCH + dt.timedelta(microseconds=int(time))
    return moment.date().isoformat() if days else moment.isoformat(sep=" ")


def _day(times: np.ndarray) -> np.ndarray:
    return times.astype("datetime64[us]").astype("datetime64[D]")


def _month(times: np.ndarray) -> np.ndarray:
    """Months since January 1970: int64."""
    return times.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _days_of(months: np.ndarray) -> np.ndarray:
    """How many days those months have."""
    firsts = [(months + more).astype("datetime64[M]").astype("datetime64[D]") for more in (0, 1)]
    return (firsts[1] - firsts[0]).astype(np.int64)


def _day_of_month(times: np.ndarray) -> np.ndarray:
    firsts = _month(times).astype("datetime64[M]").astype("datetime64[D]")
    return (_day(times) - firsts).astype(np.int64) + 1


def _one_day(times: np.ndarray) -> bool:
    """Whether all are at the same time of the same day of a month, or the last day of a shorter one."""
    days, most = _day_of_month(times), _days_of(_month(times))
    return bool((days == np.minimum(days.max(), most)).all() and len(np.unique(times % DAY)) == 1)


def _weekday(times: np.ndarray) -> np.ndarray:
    """0 for Monday to 6 for Sunday."""
    return (_day(times).astype(np.int64) + 3) % 7


def _of_year(times: np.ndarray) -> np.ndarray:
    """How much of its year has passed at each time."""
    years = times.astype("datetime64[us]").astype("datetime64[Y]")
    first, next_ = (y.astype("datetime64[us]").astype(np.int64) for y in (years, years + 1))
    return (times - first) / (next_ - first)
