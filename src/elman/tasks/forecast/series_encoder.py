"""Series -> tracks: the channels that a network sees, made as was learnt from the training part."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, NamedTuple, Self

import numpy as np
import torch

from elman.core import json_schema
from elman.core.errors import DataError
from elman.core.records import Record
from elman.core.run_config import NOTATIONS
from elman.data.times import AUTO, TimeStyle
from elman.metrics import forecasting
from elman.tasks.forecast import frequencies, series
from elman.tasks.forecast.column_roles import ColumnRoles
from elman.tasks.forecast.covariates import Coding
from elman.tasks.forecast.frequencies import Frequency
from elman.tasks.forecast.networks import WindowLayout
from elman.tasks.forecast.series import Series
from elman.tasks.forecast.windows import EncodedSeries


@dataclass(frozen=True, kw_only=True)
class SeriesEncoder:
    """All that is learnt from the training part before a network can be built, and how windows are made.

    Args:
        columns: which column is what.
        found: how many series there were, and how long, in words.
        frequency: the step from one time to the next.
        season: steps of a season.
        layout: how a window is made.
        cycles: of the calendar, which are among the channels.
        fill: whether times that are left out are missing values.
        unit: as wide as series usually are: the scale of windows that never change.
        dispersion: of counts, how far their variance is usually above the mean, over its square; else 0.
        resample: the step to which times are brought; "": they are regular.
        notation: how times were written; "" of a run of before there was this.
        codings: of the columns beside the values, in the order of `columns.extras`.
        standards: for each series mean and standard deviation of its training part; none, if values stay.
    """

    columns: ColumnRoles
    found: str
    frequency: Frequency
    season: int
    layout: WindowLayout
    cycles: tuple[str, ...]
    fill: bool
    codings: tuple[Coding, ...]
    standards: Mapping[str, tuple[float, float]] | None
    unit: float = 1.0
    dispersion: float = 0.0
    resample: str = ""
    notation: str = ""

    def to_text(self) -> str:
        """The outline as JSON."""
        table = {
            "columns": self.columns.to_json(),
            "found": self.found,
            "frequency": self.frequency.to_json(),
            "season": self.season,
            "layout": asdict(self.layout),
            "cycles": self.cycles,
            "fill": self.fill,
            "codings": [asdict(coding) for coding in self.codings],
            "standards": self.standards,
        }
        later = ("unit", "dispersion", "resample", "notation")
        table |= {name: getattr(self, name) for name in later if not self.is_old}
        return json.dumps(table, indent=1, ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str, where: object) -> Self:
        """The outline that `to_text` wrote.

        Raises:
            RunError: the text is damaged.
        """
        with json_schema.rebuilding(where, "a damaged outline"):
            table = json.loads(text)
            frequency = frequencies.of(table.pop("frequency"))
            learnt = json_schema.build(_SeriesEncoderLearnt, table)
            found = cls(**learnt._asdict(), frequency=frequency)
            found.check()
        return found

    @property
    def is_old(self) -> bool:
        """Whether it is of a run that took offsets off dates, and no values off windows."""
        return not self.notation

    def check(self) -> None:
        """See that the outline is one that the data could have had.

        Raises:
            ValueError: it is not.
        """
        layout, columns = self.layout, self.columns
        if [coding.column for coding in self.codings] != list(columns.extras):
            raise ValueError("codings of other columns")
        if (
            self.with_layout(layout).layout != layout
            or min((layout.context, layout.horizon, *layout.lags)) < 1
        ):
            raise ValueError("a layout of other channels")
        if columns.form not in ("long", "wide", "rows") or not (columns.values or columns.form == "rows"):
            raise ValueError(f"a table of the form {columns.form!r:.60}")
        if self.notation not in ("", *NOTATIONS):
            raise ValueError(f"times written as {self.notation!r:.60}")
        if not self.frequency.cycles(np.zeros(1)).keys() >= {*self.cycles}:
            raise ValueError(f"cycles {', '.join(self.cycles):.60} of another calendar")
        if any(std <= 0 for _, std in (self.standards or {}).values()):
            raise ValueError("a deviation that is not above 0")

    def describe(self) -> dict[str, str]:
        """The outline in words: the columns, the series, the windows."""
        layout, columns = self.layout, self.columns
        kinds = {"known ahead": columns.known, "past": columns.past, "static": columns.static}
        beside = "".join(f"; {kind}: {', '.join(names)}" for kind, names in kinds.items() if names)
        lags = f", looking back {', '.join(map(str, layout.lags))} steps" if layout.lags else ""
        cycles = f", calendar: {', '.join(self.cycles)}" if self.cycles else ""
        return {
            "columns": columns.words() + beside,
            "series": f"{self.found}, {self.frequency.words} apart, season {self.season}",
            "windows": f"context {layout.context}, horizon {layout.horizon}{lags}{cycles}",
        }

    def with_layout(self, layout: WindowLayout) -> Self:
        """The same with a layout whose channels are counted from what there is."""
        count = {coding.column: coding.channels for coding in self.codings}
        columns = self.columns
        known = sum(count[column] for column in (*columns.known, *columns.static))
        past = sum(count[column] for column in columns.past)
        return replace(self, layout=replace(layout, known=known + 4 * len(self.cycles), past=past))

    def read(self, records: Sequence[Record]) -> list[Series]:
        """The series of records that have the columns and the frequency of the training data.

        Raises:
            DataError: they have not, or are broken.
        """
        for column in filter(None, (self.columns.time, *self.columns.ids, *self.columns.values)):
            if column not in records[0].fields:
                remedy = f"give the columns that the model was trained on: {self.columns.words()}"
                raise DataError(records[0].where, f"no column {column!r}", remedy=remedy)
        return series.read(
            records,
            self.columns,
            self.frequency,
            fill=self.fill,
            notation=self.notation or AUTO,
            style=TimeStyle() if self.is_old else None,
            resample=self.resample,
        )[0]

    def track(self, one: Series, learnt: int, ahead: int = 0) -> EncodedSeries:
        """A series as the network sees it.

        Args:
            one: the series.
            learnt: how many of its steps are the past of what is scored.
            ahead: how many steps beyond its last value are to be forecast.

        Raises:
            DataError: what must be known of those steps is not.
        """
        steps = one.length + ahead
        centre, scale = self._standard(one, learnt)
        values = np.full(steps, math.nan)
        values[: one.length] = (one.values[: one.length] - centre) / scale
        _check_large(values, one)
        channels = [
            ~np.isnan(values)[:, None],
            *self._always_known(one, steps),
            *(self._coded(one, column, one.length, ahead) for column in self.columns.past),
        ]
        data = torch.from_numpy(np.concatenate(channels, 1).astype(np.float32))
        filled = torch.from_numpy(forecasting.filled(values))
        return EncodedSeries(one, data, filled, torch.from_numpy(values), centre, scale, learnt)

    def _always_known(self, one: Series, steps: int) -> Iterator[np.ndarray]:
        times = self.frequency.after(one.times[0], np.arange(steps))
        yield frequencies.features(self.frequency, times, self.cycles)
        for column in self.columns.known:
            if len(one.extras[column]) < steps:
                following = self.frequency.after(one.times[-1], np.array([1]))[0]
                time = frequencies.shown(self.frequency, one.style, following)
                raise DataError(
                    one.where,
                    f"no row for {time}" + (f" of series {one.name!r}" if one.name else ""),
                    expected=f"one for each step to forecast, with {column!r} filled in",
                    remedy=f"add rows whose {self.columns.values[0]!r} is empty",
                )
            self._check_known(one, column, steps)
            yield self._coded(one, column, steps, 0)
        for column in self.columns.static:
            yield np.repeat(self._coding(column).encode(one.extras[column][:1], one.where), steps, 0)

    def _check_known(self, one: Series, column: str, steps: int) -> None:
        """See that a column is filled in for all steps to forecast."""
        for step in range(one.length, steps):
            if self._coding(column).lacks(one.extras[column][step]):
                time = frequencies.shown(self.frequency, one.style, one.times[step])
                got = f"no {column!r} for {time}" + (f" of series {one.name!r}" if one.name else "")
                remedy = "fill it in, or learn with forecast.past in place of forecast.known"
                raise DataError(one.where, got, expected="it for each step to forecast", remedy=remedy)

    def _coded(self, one: Series, column: str, steps: int, ahead: int) -> np.ndarray:
        """A column's channels at `steps` steps, and zeros at `ahead` more."""
        coded = self._coding(column).encode(one.extras[column][:steps], one.where)
        return np.pad(coded, ((0, ahead), (0, 0)))

    def _coding(self, column: str) -> Coding:
        return next(coding for coding in self.codings if coding.column == column)

    def _standard(self, one: Series, learnt: int) -> tuple[float, float]:
        """By what values are standardised: of a series that was not there in training, by its own past."""
        if self.standards is None:
            return 0.0, 1.0
        return self.standards.get(one.name) or standard(one.values[:learnt])


class _SeriesEncoderLearnt(NamedTuple):
    columns: ColumnRoles
    found: str
    season: Annotated[int, ("minimum", 1)]
    layout: WindowLayout
    cycles: tuple[str, ...]
    fill: bool
    codings: tuple[Coding, ...]
    standards: dict[str, tuple[float, float]] | None
    unit: Annotated[float, ("exclusiveMinimum", 0)] = 1.0
    dispersion: Annotated[float, ("minimum", 0)] = 0.0
    resample: str = ""
    notation: str = ""


def _check_large(values: np.ndarray, one: Series) -> None:
    """See that a series' values, as the network counts, are what float32 holds."""
    if (np.abs(values) > np.finfo(np.float32).max).any():
        got = f"{one.values[int(np.nanargmax(np.abs(values)))]:g}"
        got += f" in series {one.name!r}" if one.name else " among the values"
        remedy = "mend it, or divide all values"
        raise DataError(one.where, got, expected="what float32 holds", remedy=remedy)


def standard(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of what is there; 1 for a series that never changes."""
    there = values[~np.isnan(values)]
    if not len(there):
        return 0.0, 1.0
    off = there - there[0]  # exactly 0 where nothing changes
    widest = float(np.abs(off).max()) or 1.0
    return float(there[0] + widest * (off / widest).mean()), widest * float((off / widest).std()) or 1.0
