"""Scores and simple predictors: by hand, and on public data against published figures."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from elman.core import errors, optional
from elman.data import formats
from elman.metrics import forecasting
from elman.metrics.baselines import naive_forecasts
from elman.metrics.forecasting import LEVELS, QuantileForecast
from elman.tasks.forecast import column_roles, series

M4 = Path(__file__).parents[3] / "shared" / "data" / "m4"
NAN = math.nan


def certain(values: list[list[float]]) -> QuantileForecast:
    mean = np.array(values, float)
    return QuantileForecast(mean, np.repeat(mean[..., None], len(LEVELS), -1))


def test_mase_and_smape_by_hand():
    actual = np.array([[10.0, 20.0], [1.0, NAN]])
    found = forecasting.forecast_scores(actual, certain([[12.0, 16.0], [3.0, 5.0]]), np.array([2.0, 4.0]))
    assert found["mase"] == pytest.approx(((2 + 4) / 2 / 2 + 2 / 4) / 2)
    assert found["smape"] == pytest.approx(100 * ((2 * 2 / 22 + 2 * 4 / 36) / 2 + 2 * 2 / 4) / 2)


def test_zero_forecast_of_zero_misses_nothing():
    found = forecasting.forecast_scores(np.zeros((1, 3)), certain([[0.0, 0.0, 0.0]]), np.ones(1))
    assert found["smape"] == 0
    assert math.isnan(found["wql"])


def test_seasonal_unit_skips_what_is_missing():
    assert forecasting.seasonal_unit(np.array([1.0, 5.0, 4.0, NAN, 6.0]), 2) == pytest.approx((3 + 2) / 2)
    assert math.isnan(forecasting.seasonal_unit(np.array([1.0, 2.0]), 2))


def test_weighted_quantile_loss_nears_the_crps_of_a_gaussian():
    """CRPS(N(0, 1), y) = y (2 Phi(y) - 1) + 2 phi(y) - 1 / sqrt(pi) (Gneiting and Raftery 2007)."""
    y, normal = 0.7, NormalDist()
    crps = y * (2 * normal.cdf(y) - 1) + 2 * normal.pdf(y) - 1 / math.sqrt(math.pi)
    forecast = QuantileForecast.normal(np.zeros((1, 1)), np.ones((1, 1)))
    # Nine levels leave out the tails, where the loss is small: the mean is a tenth too high.
    assert forecasting.weighted_quantile_loss(np.array([[y]]), forecast) * y == pytest.approx(crps, rel=0.11)


def test_weighted_quantile_loss_of_a_point_is_its_absolute_error():
    actual, forecast = np.array([[4.0, 6.0]]), certain([[5.0, 3.0]])
    assert forecasting.weighted_quantile_loss(actual, forecast) == pytest.approx((1 + 3) / (4 + 6))


def test_coverage_counts_what_is_inside():
    forecast = QuantileForecast.normal(np.zeros((1, 4)), np.ones((1, 4)))
    found = forecasting.forecast_scores(np.array([[0.0, 1.5, -1.5, 2.5]]), forecast, np.ones(1))
    assert (found["coverage_80"], found["coverage_95"]) == (0.25, 0.75)


def test_errors_are_over_the_scale():
    found = forecasting.errors(np.array([[3.0], [NAN]]), certain([[1.0], [9.0]]), np.array([4.0, 1.0]))
    assert found == {"mse": 0.25, "mae": 0.5}


def test_naive_seasonal_naive_and_drift():
    past = np.array([1.0, 2.0, 4.0, NAN, 3.0, 7.0])
    assert naive_forecasts.naive(past, 3, 2).mean.tolist() == [7, 7]
    assert naive_forecasts.seasonal_naive(past, 3, 4).mean.tolist() == [4, 3, 7, 4]
    assert naive_forecasts.seasonal_naive(past, 9, 2).mean.tolist() == [7, 7]  # no season has passed yet
    assert naive_forecasts.drift(past, 3, 2).mean == pytest.approx([7 + 6 / 5, 7 + 12 / 5])


def test_a_random_walk_is_inside_the_naive_interval_as_often_as_it_says():
    random = np.random.default_rng(1)
    walks = random.normal(size=(400, 220)).cumsum(1)
    forecast = QuantileForecast.joined([naive_forecasts.naive(walk[:200], 1, 20) for walk in walks])
    found = forecasting.forecast_scores(walks[:, 200:], forecast, np.ones(400))
    assert found["coverage_80"] == pytest.approx(0.8, abs=0.03)
    assert found["coverage_95"] == pytest.approx(0.95, abs=0.02)


def test_naive2_divides_the_season_out_and_back():
    season = np.array([0.5, 1.0, 1.5, 1.0])
    past = np.tile(season, 10) * 8.0
    assert naive_forecasts.naive2(past, 4, 6).mean == pytest.approx(8 * np.tile(season, 2)[:6])
    assert naive_forecasts.naive2(past - 20, 4, 2).mean.tolist() == [-12, -12]  # no ratios below zero: naive


def test_owa_of_naive2_is_one():
    found = {"smape": 3.0, "mase": 2.0}
    assert forecasting.owa(found, found) == 1
    assert forecasting.owa({"smape": 6.0, "mase": 1.0}, found) == pytest.approx((2 + 0.5) / 2)


def test_exponential_smoothing_follows_trend_and_season():
    pytest.importorskip("statsmodels")
    steps = np.arange(66)
    series = 10 + 0.5 * steps + np.tile([0.0, 3.0, -3.0], 22)
    noise = np.random.default_rng(0).normal(scale=0.05, size=66)
    forecast = naive_forecasts.exponential_smoothing((series + noise)[:60], 3, 6)
    assert forecast.mean == pytest.approx(series[60:], abs=0.5)
    assert (np.diff(forecast.quantiles, axis=1) > 0).all()


def test_without_statsmodels_the_remedy_is_told(monkeypatch):
    monkeypatch.setattr(optional, "find_spec", lambda name: None)
    with pytest.raises(errors.TaskError, match=r"pip install 'elman\[forecast\]'"):
        naive_forecasts.exponential_smoothing(np.arange(9.0), 1, 2)


@pytest.mark.skipif(not M4.exists(), reason="the data lie beside the checkout")
def test_baselines_on_m4_hourly_are_the_published_ones():
    """Makridakis et al. 2020: Naive2 18.383 and 2.395, sNaive 13.912 and 1.193 (sMAPE and MASE)."""

    def read(name: str) -> list[series.Series]:
        records = formats.read(str(M4 / name))
        return series.read(records, column_roles.find(records))[0]

    past, future = read("Hourly-train.csv"), read("Hourly-test.csv")
    actual = np.stack([one.values for one in future])
    units = np.array([forecasting.seasonal_unit(one.values, 24) for one in past])
    found = {
        predictor: forecasting.forecast_scores(
            actual, QuantileForecast.joined([predictor(one.values, 24, 48) for one in past]), units
        )
        for predictor in (naive_forecasts.naive2, naive_forecasts.seasonal_naive)
    }
    naive2, seasonal = found.values()
    assert (round(naive2["smape"], 3), round(naive2["mase"], 3)) == (18.383, 2.395)
    assert (round(seasonal["smape"], 3), round(seasonal["mase"], 3)) == (13.912, 1.193)
    assert round(forecasting.owa(seasonal, naive2), 3) == 0.628
