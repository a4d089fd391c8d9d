"""Times that jitter, brought to regular steps: each row to its nearest step, several of one step averaged."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from elman.core.errors import ConfigError
from elman.data.dates import DAY
from elman.tasks.forecast.frequencies import HOUR, MINUTE, SECOND, WEEK, FixedSpan, Frequency, NumericSteps

_UNITS = {"us": 1, "microsecond": 1, "ms": 1000, "millisecond": 1000, "s": SECOND, "sec": SECOND}
_UNITS |= {"second": SECOND, "min": MINUTE, "minute": MINUTE, "h": HOUR, "hour": HOUR, "d": DAY, "day": DAY}
_UNITS |= {"w": WEEK, "week": WEEK}
_STEP = re.compile(r"\s*(\d{1,12}(?:\.\d{1,9}|/\d{1,9})?)?\s*([a-z]*)\s*")
_NICE = (1, 2, 5, 10, 15, 20, 30)
_SPANS = (
    *(count * SECOND // 1000 for count in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(count * unit for unit in (SECOND, MINUTE) for count in _NICE),
    *(count * HOUR for count in (1, 2, 3, 4, 6, 8, 12)),
    DAY,
    WEEK,
)


def step(text: str, *, dated: bool) -> Frequency:
    """The step that a text names: "10min", "1 hour", "1d" of dates; "0.004", "1/250" of numbers.

    Raises:
        ConfigError: it names none.
    """
    match = _STEP.fullmatch(text.lower())
    unit = match[2] if match else ""
    length = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s"))
    if match and dated and length and (span := round(Fraction(match[1] or 1) * length)) > 0:
        return FixedSpan(span)
    if match and not dated and not unit and match[1] and (part := Fraction(match[1])) > 0:
        return NumericSteps(part.numerator, part.denominator)
    expected = "a step such as 10min, 1h or 1d" if dated else "a number such as 0.004 or 1/250"
    raise ConfigError("forecast.resample", repr(text), expected=expected)


def suggested(times: np.ndarray) -> str:
    """The step that times which jitter are likely to mean."""
    median = float(np.median(np.diff(times)))
    if times.dtype != np.int64:
        return f"{median:.3g}"
    return FixedSpan(min(_SPANS, key=lambda span: abs(math.log(span / max(median, 1))))).words


def places(times: np.ndarray, frequency: Frequency) -> np.ndarray:
    """The step that each time [T] is nearest to, counted from 0 of its clock: int64 [T]."""
    if isinstance(frequency, FixedSpan):
        return (times + frequency.microseconds // 2) // frequency.microseconds
    assert isinstance(frequency, NumericSteps)
    return np.floor(times * frequency.parts / frequency.step + 0.5).astype(np.int64)


def times(steps: np.ndarray, frequency: Frequency) -> np.ndarray:
    """The times of steps [T]."""
    if isinstance(frequency, FixedSpan):
        return steps * frequency.microseconds
    assert isinstance(frequency, NumericSteps)
    return steps * (frequency.step / frequency.parts)


def mean(values: Sequence[float]) -> float:
    """The mean of what is there; not-a-number if nothing is."""
    there = [value for value in values if not math.isnan(value)]
    return math.fsum(there) / len(there) if there else math.nan


def last(cells: Sequence[object]) -> object:
    """The last cell that is not empty; None if all are."""
    return next((cell for cell in reversed(cells) if cell is not None), None)
