"""The settings that only a forecaster has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from elman.config import Settings, option
from elman.distributions import DISTRIBUTIONS
from elman.errors import ConfigError
from elman.tasks.forecast.forecasters import SCALES


@dataclass(frozen=True, kw_only=True)
class ForecastConfig(Settings):
    """What only a forecaster has."""

    section = "forecast"
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "data": {"path": "sample:sunspots", "valid": 0.1, "test": 0.1},
        "network": {"cell": "gru", "hidden": 64, "output_dropout": 0.2},
        "training": {"batch_size": 64, "lr": 0.001, "epochs": 20, "ema": 0.99, "clip": 10.0},
    }

    model: str = option(
        "quantiles",
        "quantiles of the whole horizon at once, or a distribution step by step, which goes on for ever",
        choices=("quantiles", "autoregressive"),
    )
    horizon: int = option(0, "steps to forecast; 0: a season, or 8", low=0)
    context: int = option(0, "steps that are read before; 0: three horizons or two seasons", low=0)
    season: int = option(0, "steps of a season, such as 24 hours; 0: by the dates", low=0)
    lags: str = option("season", "how many steps back to look beside each step: 24,168; season; none")
    patch: int = option(1, "steps of the context read at once (quantiles)", low=1)
    scale: str = option(
        "last",
        "what makes windows alike: around the last value or the mean, in standard deviations; size: by the "
        "mean absolute value",
        choices=tuple(SCALES),
    )
    distribution: str = option(
        "student_t", "of the next value (autoregressive)", choices=tuple(DISTRIBUTIONS)
    )
    samples: int = option(100, "paths that a forecast draws (autoregressive)", low=10)
    linear: bool = option(True, "a linear path beside the network (quantiles; Lai et al. 2018)")
    calendar: bool = option(True, "the calendar of dates as input")
    standardise: bool = option(False, "give each series mean 0 and deviation 1 in training; adds mse and mae")
    watch: str = option(
        "loss",
        "score by which the best epoch is chosen",
        choices=("loss", "mase", "smape", "wql", "mse", "mae"),
    )
    form: str = option("auto", "long: rows of time, value; wide: a column a series; rows: a row a series")
    id: str = option("", "column that names a row's series; empty: guessed, and said")
    time: str = option("", "column of times; empty: guessed, and said")
    value: str = option("", "column of values, or several: a,b; empty: guessed, and said")
    known: str = option("", "columns whose future is known when a forecast is made: a,b")
    past: str = option("", "columns that are known up to now")
    static: str = option("", "columns that never change within a series")
    fill: bool = option(False, "take times that are left out for missing values")
    start: str = option("", "leave out what is before this time")
    end: str = option("", "leave out what is after this time")
    valid_steps: int = option(0, "steps that validate, in place of data.valid", low=0)
    test_steps: int = option(0, "steps that test, in place of data.test", low=0)
    learn_every: int = option(
        0, "steps between two windows to learn from; 0: an epoch has 2000 to 20000", low=0
    )
    score_every: int = option(0, "steps between two origins that are scored; 0: so many that 1000 are", low=0)

    def __post_init__(self) -> None:
        for name in ("start", "end"):  # TOML reads what looks like a date as one
            object.__setattr__(self, name, str(getattr(self, name)))
        super().__post_init__()
        if (
            self.distribution == "negative_binomial"
            and self.model == "autoregressive"
            and self.scale != "size"
        ):
            got = f"{self.scale!r} with counts"
            raise ConfigError("forecast.scale", got, expected="'size'", remedy="counts cannot be shifted")
        if self.watch in ("mse", "mae") and not self.standardise:
            got = f"{self.watch!r} without forecast.standardise"
            raise ConfigError("forecast.watch", got, remedy="set forecast.standardise = true")
