"""Simple forecasts that every forecaster is compared with."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from elman.core import optional
from elman.metrics.forecasting import QuantileForecast, filled


def naive(past: np.ndarray, season: int, horizon: int) -> QuantileForecast:
    """Repeat the last value; its spread grows with the square root of the step."""
    past = filled(past)
    return QuantileForecast.normal(
        np.full(horizon, past[-1]), _spread(np.diff(past)) * np.sqrt(np.arange(1, horizon + 1))
    )


def seasonal_naive(past: np.ndarray, season: int, horizon: int) -> QuantileForecast:
    """Repeat the last season; its spread grows with the square root of the number of seasons."""
    past = filled(past)
    season = season if len(past) > season else 1
    ahead = np.arange(horizon)
    std = _spread(past[season:] - past[:-season]) * np.sqrt(ahead // season + 1)
    return QuantileForecast.normal(past[len(past) - season + ahead % season], std)


def drift(past: np.ndarray, season: int, horizon: int) -> QuantileForecast:
    """Continue the line from the first value to the last one."""
    past = filled(past)
    steps, ahead = max(1, len(past) - 1), np.arange(1, horizon + 1)
    slope = (past[-1] - past[0]) / steps
    std = _spread(np.diff(past) - slope) * np.sqrt(ahead * (1 + ahead / steps))
    return QuantileForecast.normal(past[-1] + slope * ahead, std)


def naive2(past: np.ndarray, season: int, horizon: int) -> QuantileForecast:
    """Repeat the last value after dividing out the season, where there is one (Makridakis et al. 2020)."""
    past = filled(past)
    indices = _seasonal_indices(past, season) if _is_seasonal(past, season) else np.ones(season)
    places = np.arange(len(past) + horizon) % season
    plain = naive(past / indices[places[: len(past)]], 1, horizon)
    ahead = indices[places[len(past) :]]
    return QuantileForecast(plain.mean * ahead, plain.quantiles * ahead[:, None])


def exponential_smoothing(past: np.ndarray, season: int, horizon: int) -> QuantileForecast:
    """Smooth exponentially with a damped trend and a season, both additive (Hyndman et al. 2008).

    Raises:
        TaskError: statsmodels is not installed.
    """
    optional.require("statsmodels", "forecast", "exponential smoothing")
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
    return QuantileForecast.normal(mean, (high - mean) / NormalDist().inv_cdf(0.975))


Predictor = Callable[[np.ndarray, int, int], QuantileForecast]
"""From the past [T], the season and the horizon to the future."""

BASELINES: dict[str, Predictor] = {"seasonal naive": seasonal_naive, "naive": naive, "drift": drift}
"""The predictors that every score stands beside."""


def _is_seasonal(past: np.ndarray, season: int) -> bool:
    """Return whether the autocorrelation at a season's distance is beyond chance, at 90 %."""
    if season < 2 or len(past) < 3 * season or past.min() <= 0:
        return False
    centred = past - past.mean()
    total = float(centred @ centred)
    if total == 0:
        return False
    found = np.array([centred[lag:] @ centred[:-lag] for lag in range(1, season + 1)]) / total
    return abs(found[-1]) > 1.645 * math.sqrt((1 + 2 * float((found[:-1] ** 2).sum())) / len(past))


def _seasonal_indices(past: np.ndarray, season: int) -> np.ndarray:
    """Return the mean ratio to the moving average by place in the season (classical decomposition)."""
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
