"""What forecasts are worth: scores over many windows, and the simple predictors that they stand beside.

Every function takes arrays over N windows (one series at one origin) and a horizon of H steps; values that
are missing are not-a-number and are not scored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple, Self

import numpy as np

LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
"""The quantiles of a forecast: the median, deciles, and what bounds an interval of 95 %."""

_INTERVALS = {"coverage_80": (0.1, 0.9), "coverage_95": (0.025, 0.975)}
_SCORED = [place for place, level in enumerate(LEVELS) if 0.1 <= level <= 0.9]


class QuantileForecast(NamedTuple):
    """The future of a window, as a predictor sees it.

    Args:
        mean: [..., H] the expected values.
        quantiles: [..., H, Q] the values at `LEVELS`.
    """

    mean: np.ndarray
    quantiles: np.ndarray

    @property
    def median(self) -> np.ndarray:
        """[..., H]."""
        return self.quantiles[..., LEVELS.index(0.5)]

    @classmethod
    def normal(cls, mean: np.ndarray, std: np.ndarray) -> Self:
        """Make the forecast of a Gaussian future: mean and std [..., H]."""
        widths = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
        return cls(mean, mean[..., None] + std[..., None] * widths)

    @classmethod
    def joined(cls, forecasts: Sequence[QuantileForecast]) -> Self:
        """Join N of them along a new first axis."""
        return cls(*(np.stack(parts) for parts in zip(*forecasts, strict=True)))


def forecast_scores(actual: np.ndarray, forecast: QuantileForecast, units: np.ndarray) -> dict[str, float]:
    """Score forecasts, the first one first to be looked at.

    mase is the mean absolute error of the median in units of what the seasonal naive forecast misses by
    within the past of each series (Hyndman and Koehler 2006). smape, in percent, is the mean of
    200 |y - median| / (|y| + |median|). wql is the weighted quantile loss, the mean over the deciles of
    2 sum pinball / sum |y|: the CRPS (Gneiting and Raftery 2007), nearly, over the mean size of the data.
    coverage is the share of values inside the interval.

    Args:
        actual: [N, H].
        forecast: of the same windows.
        units: [N] what `seasonal_unit` gives for the past of each window.
    """
    missed = np.abs(actual - forecast.median)
    found = {
        "mase": _mean(_row_means(missed) / np.where(units > 0, units, np.nan)),
        "smape": 200 * _mean(_row_means(_shares(missed, np.abs(actual) + np.abs(forecast.median)))),
        "wql": weighted_quantile_loss(actual, forecast),
    }
    for name, (low, high) in _INTERVALS.items():
        bounds = forecast.quantiles[..., LEVELS.index(low)], forecast.quantiles[..., LEVELS.index(high)]
        inside = (actual >= bounds[0]) & (actual <= bounds[1])
        found[name] = _mean(np.where(np.isnan(actual), np.nan, inside))
    return found


def errors(actual: np.ndarray, forecast: QuantileForecast, scale: np.ndarray) -> dict[str, float]:
    """Return the squared error of the mean and the absolute error of the median, over `scale` [N]."""
    squared = ((actual - forecast.mean) / scale[:, None]) ** 2
    return {"mse": _mean(squared), "mae": _mean(np.abs(actual - forecast.median) / scale[:, None])}


def weighted_quantile_loss(actual: np.ndarray, forecast: QuantileForecast) -> float:
    """Return the mean over the deciles q of 2 sum max(q (y - y_q), (q - 1) (y - y_q)) / sum |y|."""
    levels = np.array(LEVELS)[_SCORED]
    over = actual[..., None] - forecast.quantiles[..., _SCORED]
    losses = 2 * np.maximum(levels * over, (levels - 1) * over)
    size = np.nansum(np.abs(actual))
    return float(np.nansum(losses) / len(levels) / size) if size > 0 else math.nan


def owa(found: dict[str, float], naive2: dict[str, float]) -> float:
    """Return OWA: the mean of smape and mase, each over that of Naive2 (Makridakis et al. 2020).

    Not-a-number where Naive2 is never wrong.
    """
    if not (naive2["smape"] and naive2["mase"]):
        return math.nan
    return (found["smape"] / naive2["smape"] + found["mase"] / naive2["mase"]) / 2


def seasonal_unit(past: np.ndarray, season: int) -> float:
    """Return the mean error of the seasonal naive forecast in `past` [T]; not-a-number if too short."""
    return _mean(np.abs(past[season:] - past[:-season])) if len(past) > season else math.nan


def filled(past: np.ndarray) -> np.ndarray:
    """Replace each missing value of [T] by the last before it."""
    places = np.where(np.isnan(past), 0, np.arange(len(past)))
    return past[np.maximum.accumulate(places)]


def _shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole; 0 / 0 is 0, a forecast of nothing that came true."""
    return np.divide(part, whole, out=np.where(np.isnan(part), np.nan, 0.0), where=whole > 0)


def _row_means(values: np.ndarray) -> np.ndarray:
    """Return the mean of what is there in each row; not-a-number where nothing is."""
    count = (~np.isnan(values)).sum(-1)
    return np.where(count > 0, np.nansum(values, -1) / np.maximum(count, 1), np.nan)


def _mean(values: np.ndarray) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else math.nan
