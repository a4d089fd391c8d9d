"""Forecasts to be read and looked at: rows of a table, and a picture of history, median and bands."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np

from elman.forecasting import LEVELS, Outlook

_SHOWN = 4
"""Steps of the past that a picture shows for each of the future."""

_BANDS = ((0.025, 0.975, 0.15), (0.1, 0.9, 0.3))


@dataclass(frozen=True)
class Future:
    """The forecast of one series.

    Args:
        name: of the series; "" for an only one.
        times: [H] as texts.
        outlook: mean [H] and quantiles [H, Q] at `LEVELS`.
        past: [T] the values before, not-a-number where one is missing.
        actual: [H] what came true; empty where that is not known.
    """

    name: str
    times: Sequence[str]
    outlook: Outlook
    past: np.ndarray
    actual: np.ndarray

    @property
    def median(self) -> np.ndarray:
        """[H]."""
        return self.outlook.median

    def quantile(self, level: float) -> np.ndarray:
        """[H] the values at one of `LEVELS`."""
        return self.outlook.quantiles[:, LEVELS.index(level)]


def write(futures: Sequence[Future], out: TextIO, *, id: str, time: str) -> None:  # noqa: A002
    """Write forecasts in the long form: a row for each step with id, time, mean, median and quantiles.

    Args:
        futures: what to write.
        out: where to.
        id: name of the column that names a series; "": there is none.
        time: name of the column of times.
    """
    writer = csv.writer(out, lineterminator="\n")
    head = [time, "mean", "median", *(f"q{level:g}" for level in LEVELS)]
    writer.writerow([id, *head] if id else head)
    for future in futures:
        for step, moment in enumerate(future.times):
            numbers = [future.outlook.mean[step], future.median[step], *future.outlook.quantiles[step]]
            row = [moment, *(f"{number:.6g}" for number in numbers)]
            writer.writerow([future.name, *row] if id else row)


def draw(figure: Any, futures: Sequence[Future], most: int = 4) -> None:
    """Draw the first `most` forecasts, one below the other, on a matplotlib Figure."""
    shown = futures[:most]
    panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, future in zip(panels, shown, strict=True):
        _panel(axes, future)
    panels[0].legend(frameon=False, fontsize=8, loc="upper left", ncols=4)


def _panel(axes: Any, future: Future) -> None:
    steps = len(future.times)
    past = future.past[-_SHOWN * steps :]
    ahead = np.arange(1, steps + 1)
    axes.plot(np.arange(1 - len(past), 1), past, color="0.3", linewidth=1, label="history")
    for low, high, alpha in _BANDS:
        label = f"{high - low:.0%}"
        bounds = future.quantile(low), future.quantile(high)
        axes.fill_between(ahead, *bounds, alpha=alpha, color="C0", linewidth=0, label=label)
    axes.plot(ahead, future.median, color="C0", linewidth=1.2, label="median")
    if len(future.actual):
        axes.plot(ahead, future.actual, color="0.3", linewidth=1, linestyle=":", label="what came")
    places = [0, steps - 1] if steps > 1 else [0]
    axes.set_xticks(ahead[places], [future.times[place] for place in places], fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_title(future.name, fontsize=8, loc="left")
    axes.grid(alpha=0.25)
