"""What forecasts are worth: scores over many windows, and the simple predictors that they stand beside.

Every function takes arrays over N windows (one series at one origin) and a horizon of H steps; values that
are missing are not-a-number and are not scored.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from statistics import NormalDist
from typing import Any, NamedTuple, Self

import numpy as np

from elman.errors import TaskError

LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
"""The quantiles of a forecast: the median, deciles, and what bounds an interval of 95 %."""

_INTERVALS = {"coverage_80": (0.1, 0.9), "coverage_95": (0.025, 0.975)}
_SCORED = [place for place, level in enumerate(LEVELS) if 0.1 <= level <= 0.9]


class Outlook(NamedTuple):
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
        """Where the future is Gaussian: mean and std [..., H]."""
        widths = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
        return cls(mean, mean[..., None] + std[..., None] * widths)

    @classmethod
    def joined(cls, outlooks: Sequence[Outlook]) -> Self:
        """N of them along a new first axis."""
        return cls(*(np.stack(parts) for parts in zip(*outlooks, strict=True)))


def scores(actual: np.ndarray, outlook: Outlook, units: np.ndarray) -> dict[str, float]:
    """The scores of forecasts, the first one first to be looked at.

    mase is the mean absolute error of the median in units of what the seasonal naive forecast misses by
    within the past of each series (Hyndman and Koehler 2006). smape, in percent, is the mean of
    200 |y - median| / (|y| + |median|). wql is the weighted quantile loss, the mean over the deciles of
    2 sum pinball / sum |y|: the CRPS (Gneiting and Raftery 2007), nearly, over the mean size of the data.
    coverage is the share of values inside the interval.

    Args:
        actual: [N, H].
        outlook: of the same windows.
        units: [N] what `seasonal_unit` gives for the past of each window.
    """
    missed = np.abs(actual - outlook.median)
    found = {
        "mase": _mean(_row_means(missed) / np.where(units > 0, units, np.nan)),
        "smape": 200 * _mean(_row_means(_shares(missed, np.abs(actual) + np.abs(outlook.median)))),
        "wql": weighted_quantile_loss(actual, outlook),
    }
    for name, (low, high) in _INTERVALS.items():
        bounds = outlook.quantiles[..., LEVELS.index(low)], outlook.quantiles[..., LEVELS.index(high)]
        inside = (actual >= bounds[0]) & (actual <= bounds[1])
        found[name] = _mean(np.where(np.isnan(actual), np.nan, inside))
    return found


def errors(actual: np.ndarray, outlook: Outlook, scale: np.ndarray) -> dict[str, float]:
    """The mean squared error of the mean and the mean absolute error of the median, over `scale` [N]."""
    squared = ((actual - outlook.mean) / scale[:, None]) ** 2
    return {"mse": _mean(squared), "mae": _mean(np.abs(actual - outlook.median) / scale[:, None])}


def weighted_quantile_loss(actual: np.ndarray, outlook: Outlook) -> float:
    """The mean over the deciles q of 2 sum max(q (y - y_q), (q - 1) (y - y_q)) / sum |y|."""
    levels = np.array(LEVELS)[_SCORED]
    over = actual[..., None] - outlook.quantiles[..., _SCORED]
    losses = 2 * np.maximum(levels * over, (levels - 1) * over)
    size = np.nansum(np.abs(actual))
    return float(np.nansum(losses) / len(levels) / size) if size > 0 else math.nan


def overall(found: dict[str, float], naive2: dict[str, float]) -> float:
    """OWA: the mean of smape and mase, each over that of Naive2 (Makridakis et al. 2020).

    Not-a-number where Naive2 is never wrong.
    """
    if not (naive2["smape"] and naive2["mase"]):
        return math.nan
    return (found["smape"] / naive2["smape"] + found["mase"] / naive2["mase"]) / 2


def seasonal_unit(past: np.ndarray, season: int) -> float:
    """What the seasonal naive forecast misses by on average in `past` [T]; not-a-number if too short."""
    return _mean(np.abs(past[season:] - past[:-season])) if len(past) > season else math.nan


def filled(past: np.ndarray) -> np.ndarray:
    """The values [T] with each missing one replaced by the last before it."""
    places = np.where(np.isnan(past), 0, np.arange(len(past)))
    return past[np.maximum.accumulate(places)]


def naive(past: np.ndarray, season: int, horizon: int) -> Outlook:
    """The last value again; its spread grows with the square root of the step."""
    past = filled(past)
    return Outlook.normal(
        np.full(horizon, past[-1]), _spread(np.diff(past)) * np.sqrt(np.arange(1, horizon + 1))
    )


def seasonal_naive(past: np.ndarray, season: int, horizon: int) -> Outlook:
    """The last season again; its spread grows with the square root of the number of seasons."""
    past = filled(past)
    season = season if len(past) > season else 1
    ahead = np.arange(horizon)
    std = _spread(past[season:] - past[:-season]) * np.sqrt(ahead // season + 1)
    return Outlook.normal(past[len(past) - season + ahead % season], std)


def drift(past: np.ndarray, season: int, horizon: int) -> Outlook:
    """On along the line from the first value to the last one."""
    past = filled(past)
    steps, ahead = max(1, len(past) - 1), np.arange(1, horizon + 1)
    slope = (past[-1] - past[0]) / steps
    std = _spread(np.diff(past) - slope) * np.sqrt(ahead * (1 + ahead / steps))
    return Outlook.normal(past[-1] + slope * ahead, std)


def naive2(past: np.ndarray, season: int, horizon: int) -> Outlook:
    """The last value again after the season was divided out, where there is one (Makridakis et al. 2020)."""
    past = filled(past)
    indices = _seasonal_indices(past, season) if _is_seasonal(past, season) else np.ones(season)
    places = np.arange(len(past) + horizon) % season
    plain = naive(past / indices[places[: len(past)]], 1, horizon)
    ahead = indices[places[len(past) :]]
    return Outlook(plain.mean * ahead, plain.quantiles * ahead[:, None])


def exponential_smoothing(past: np.ndarray, season: int, horizon: int) -> Outlook:
    """Exponential smoothing with a damped trend and a season, both additive (Hyndman et al. 2008).

    Raises:
        TaskError: statsmodels is not installed.
    """
    if find_spec("statsmodels") is None:
        remedy = "pip install 'elman[forecast]'"
        raise TaskError("exponential smoothing", "statsmodels is not installed", remedy=remedy)
    import pandas as pd  # pyrefly: ignore[missing-import]
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel  # pyrefly: ignore[missing-import]

    past = filled(past)
    seasonal = season > 1 and len(past) >= 2 * season + 2
    model = ETSModel(
        pd.Series(past),
        error="add",
        trend="add",
        damped_trend=True,
        seasonal="add" if seasonal else None,
        seasonal_periods=season if seasonal else None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a fit has not converged fully is of no use to the user
        fitted: Any = model.fit(disp=False, maxiter=100)
        ahead = fitted.get_prediction(len(past), len(past) + horizon - 1).summary_frame(alpha=0.05)
    mean, high = np.asarray(ahead["mean"]), np.asarray(ahead["pi_upper"])
    return Outlook.normal(mean, (high - mean) / NormalDist().inv_cdf(0.975))


Predictor = Callable[[np.ndarray, int, int], Outlook]
"""From the past [T], the season and the horizon to the future."""

BASELINES: dict[str, Predictor] = {"seasonal naive": seasonal_naive, "naive": naive, "drift": drift}
"""The predictors that every score stands beside."""


def _is_seasonal(past: np.ndarray, season: int) -> bool:
    """Whether the autocorrelation at a season's distance is beyond chance, at 90 %."""
    if season < 2 or len(past) < 3 * season or past.min() <= 0:
        return False
    centred = past - past.mean()
    total = float(centred @ centred)
    if total == 0:
        return False
    found = np.array([centred[lag:] @ centred[:-lag] for lag in range(1, season + 1)]) / total
    return abs(found[-1]) > 1.645 * math.sqrt((1 + 2 * float((found[:-1] ** 2).sum())) / len(past))


def _seasonal_indices(past: np.ndarray, season: int) -> np.ndarray:
    """By place in the season, the mean ratio to the moving average (classical decomposition)."""
    weights = np.ones(season) / season
    if season % 2 == 0:
        weights = np.concatenate([[0.5], np.ones(season - 1), [0.5]]) / season
    half = len(weights) // 2
    level = np.convolve(past, weights, "valid")
    ratios = past[half : half + len(level)] / level
    places = np.arange(half, half + len(level)) % season
    indices = np.array([ratios[places == place].mean() for place in range(season)])
    return indices / indices.mean()


def _spread(missed: np.ndarray) -> float:
    return float(np.sqrt(np.mean(missed**2))) if len(missed) else 0.0


def _shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; 0 / 0 is 0, a forecast of nothing that came true."""
    return np.divide(part, whole, out=np.where(np.isnan(part), np.nan, 0.0), where=whole > 0)


def _row_means(values: np.ndarray) -> np.ndarray:
    """The mean of what is there in each row; not-a-number where nothing is."""
    count = (~np.isnan(values)).sum(-1)
    return np.where(count > 0, np.nansum(values, -1) / np.maximum(count, 1), np.nan)


def _mean(values: np.ndarray) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else math.nan
