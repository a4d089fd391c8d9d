"""Forecasts to be read and looked at: rows of a table, and a picture of history, median and bands."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from elman.core import formatting
from elman.metrics.forecasting import LEVELS, QuantileForecast, filled
from elman.plots import figures

_SHOWN = 4
"""Steps of the past that a picture shows for each of the future."""

_PANELS = 4
"""Series that a picture shows."""

_TITLE = 120
"""Characters of a title: a series' name, and when the forecast begins."""

_HEADROOM = 0.2
"""The share of its height that a picture gets on top for the legend, which else hides the history."""

_BANDS = ((0.025, 0.975, 0.15), (0.1, 0.9, 0.3))


@dataclass(frozen=True)
class SeriesForecast:
    """The forecast of one series.

    Args:
        name: of the series; "" for an only one.
        times: [H] as texts.
        forecast: mean [H] and quantiles [H, Q] at `LEVELS`.
        past: [T] the values before, not-a-number where one is missing.
        actual: [H] what came true; empty where that is not known.
        heads: the names of the columns of series, "" if there is but one, and of times.
        title: what a picture of it is called.
        moments: [T + H] of past and future: `datetime64`, or numbers; empty: steps are counted.
    """

    name: str
    times: Sequence[str]
    forecast: QuantileForecast
    past: np.ndarray
    actual: np.ndarray
    heads: tuple[str, str]
    title: str = ""
    moments: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def median(self) -> np.ndarray:
        """[H]."""
        return self.forecast.median

    def quantile(self, level: float) -> np.ndarray:
        """[H] the values at one of `LEVELS`."""
        return self.forecast.quantiles[:, LEVELS.index(level)]

    def table(self) -> list[dict[str, Any]]:
        """A row for each step: time, mean, median and the quantiles at `LEVELS`."""
        return [
            {
                "time": time,
                "mean": float(self.forecast.mean[step]),
                "median": float(self.median[step]),
                **{
                    f"q{level:g}": float(self.forecast.quantiles[step, at]) for at, level in enumerate(LEVELS)
                },
            }
            for step, time in enumerate(self.times)
        ]

    def _repr_html_(self) -> str:
        """The steps for a notebook."""
        rows = self.table()
        return formatting.html_table(
            [[*rows[0]], *([*row.values()] for row in rows)], self.title or self.name
        )


class Forecasts(list[SeriesForecast]):
    """The forecasts of all series, in their order."""

    def table(self) -> list[dict[str, Any]]:
        """A row for each series and step, for `pandas.DataFrame`: series, time, mean, median, quantiles."""
        return [{"series": one.name, **row} for one in self for row in one.table()]

    def to_csv(self) -> str:
        """What `elman forecast` writes."""
        return to_csv(self)

    def save_picture(self, path: str | Path) -> None:
        """Write a picture of the first series: png, svg or pdf, by the suffix of the file.

        Raises:
            TaskError: matplotlib is not installed, or does not know that kind of file.
            RunError: the file cannot be written.
        """
        save_picture(Path(path), self)

    def _repr_html_(self) -> str:
        """The first series for a notebook, and how many there are."""
        more = len(self) - _PANELS
        tables = "".join(one._repr_html_() for one in self[:_PANELS])
        return tables + formatting.html_paragraph(f"and {more:,} more series" if more > 0 else "")


def to_csv(futures: Sequence[SeriesForecast]) -> str:
    """Forecasts in the long form: a row for each step with series, time, mean, median and quantiles."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    id_column, time_column = futures[0].heads
    head = [time_column, "mean", "median", *(f"q{level:g}" for level in LEVELS)]
    writer.writerow([id_column, *head] if id_column else head)
    for future in futures:
        digits = significant(future.forecast.quantiles)
        for step, moment in enumerate(future.times):
            numbers = [future.forecast.mean[step], future.median[step], *future.forecast.quantiles[step]]
            row = [moment, *(f"{number:.{digits}g}" for number in numbers)]
            writer.writerow([future.name, *row] if id_column else row)
    return out.getvalue()


def significant(quantiles: np.ndarray) -> int:
    """How many digits tell the values of a forecast apart: six, and more where they lie far from 0."""
    size, width = np.abs(quantiles).max(), np.ptp(quantiles)
    return min(17, 6 + math.ceil(math.log10(size / width))) if 0 < width < size else 6


def save_picture(path: Path, futures: Sequence[SeriesForecast]) -> None:
    """Write a picture of the first forecasts: png, svg or pdf, as the name of the file ends.

    Raises:
        TaskError: matplotlib is not installed, or does not know that kind of file.
        RunError: the file cannot be written.
    """

    def drawn(figure: Any) -> None:
        figure.set_size_inches(8, 2 + 2 * min(len(futures), _PANELS))
        draw(figure, futures)

    figures.save_figure(path, drawn)


def draw(figure: Any, futures: Sequence[SeriesForecast]) -> None:
    """Draw the first forecasts, one below the other, on a matplotlib Figure."""
    shown = futures[:_PANELS]
    panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, future in zip(panels, shown, strict=True):
        _panel(axes, future)
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(low, high + _HEADROOM * (high - low))
    panels[0].legend(frameon=False, fontsize=7, loc="upper left", ncols=5)


def _panel(axes: Any, future: SeriesForecast) -> None:
    steps = len(future.times)
    past = future.past[-_SHOWN * steps :]
    moments = future.moments if len(future.moments) else np.arange(1 - len(future.past), steps + 1)
    before, ahead = moments[-steps - len(past) : -steps], moments[-steps - min(1, len(past)) :]

    def joined(values: np.ndarray) -> np.ndarray:
        """What is ahead, drawn from the last value that is known, so that there is no gap between the two."""
        return np.concatenate([filled(past)[-1:], values])

    axes.plot(before, past, color="0.3", linewidth=1, label="history")
    for low, high, alpha in _BANDS:
        bounds = joined(future.quantile(low)), joined(future.quantile(high))
        axes.fill_between(ahead, *bounds, alpha=alpha, color="C0", linewidth=0, label=f"{high - low:.0%}")
    axes.plot(ahead, joined(future.median), color="C0", linewidth=1.2, label="median")
    if len(future.actual):
        actual = joined(future.actual)
        axes.plot(ahead, actual, color="0.3", linewidth=1, linestyle=":", label="what came")
    axes.margins(x=0)
    if moments.dtype.kind == "M":
        _date_axis(axes)
    axes.tick_params(labelsize=7)
    axes.set_title(figures.literal(future.title or future.name, _TITLE), fontsize=8, loc="left")
    axes.set_xlabel(figures.literal(future.heads[1]), fontsize=7)
    axes.grid(alpha=0.25)


def _date_axis(axes: Any) -> None:
    """Few dates, each with as much of it as is new."""
    from matplotlib import dates  # pyrefly: ignore[missing-import]

    locator = dates.AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axes.xaxis.get_offset_text().set_fontsize(7)
