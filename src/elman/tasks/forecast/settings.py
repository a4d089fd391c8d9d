"""The settings that only a forecaster has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from elman.core.errors import ConfigError
from elman.core.settings import Settings, option
from elman.nn.distributions import DISTRIBUTIONS
from elman.tasks.forecast.networks import SCALES


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
        "quantiles of the whole horizon at once, or an autoregressive distribution for any horizon",
        choices=("quantiles", "autoregressive"),
    )
    horizon: int = option(0, "steps to forecast; 0: a season, or 8", low=0)
    context: int = option(0, "steps of history read; 0: three horizons or two seasons", low=0)
    season: int = option(0, "season length in steps, such as 24 hours; 0: inferred from the dates", low=0)
    lags: str = option("season", "lagged values given beside each step: 24,168; season; none")
    patch: int = option(
        1, "steps of history read at once (quantiles)", low=1, needs=("model",), among=("quantiles",)
    )
    scale: str = option(
        "last",
        "what makes windows alike: around the last value or the mean, in standard deviations; size: by the "
        "mean absolute value",
        choices=tuple(SCALES),
    )
    distribution: str = option(
        "student_t",
        "distribution of the next value (autoregressive)",
        choices=tuple(DISTRIBUTIONS),
        needs=("model",),
        among=("autoregressive",),
    )
    samples: int = option(
        100, "sample paths per forecast (autoregressive)", low=10, needs=("model",), among=("autoregressive",)
    )
    linear: bool = option(
        True,
        "a linear path beside the network (quantiles; Lai et al. 2018)",
        needs=("model",),
        among=("quantiles",),
    )
    calendar: bool = option(True, "calendar features of the dates as input")
    standardise: bool = option(False, "give each series mean 0 and deviation 1 in training; adds mse and mae")
    watch: str = option(
        "loss",
        "score that selects the best epoch",
        choices=("loss", "mase", "smape", "wql", "mse", "mae"),
    )
    form: str = option("auto", "long: rows of time, value; wide: a column a series; rows: a row a series")
    id: str = option("", "column that identifies the series, as --group; inferred and reported if empty")
    time: str = option("", "time column, as --time of the data; inferred and reported if empty")
    value: str = option("", "value column, or several: a,b, as --target; inferred and reported if empty")
    known: str = option("", "columns whose future is known when a forecast is made: a,b")
    past: str = option("", "columns that are known up to now, as --input")
    static: str = option("", "columns that are constant within a series")
    fill: bool = option(False, "treat missing times as missing values")
    resample: str = option(
        "",
        "bring times that jitter to steps, such as 10min, 1h or 0.004: the mean of the values of each",
        later=True,
    )
    start: str = option("", "ignore data before this time")
    end: str = option("", "ignore data after this time")
    valid_steps: int = option(0, "validation steps, instead of data.valid", low=0)
    test_steps: int = option(0, "test steps, instead of data.test", low=0)
    learn_every: int = option(
        0, "steps between two training windows; 0: chosen for 2000 to 20000 windows per epoch", low=0
    )
    score_every: int = option(
        0, "steps between two scored forecast origins; 0: chosen for about 1000 origins", low=0
    )

    @property
    def counts(self) -> bool:
        """Whether values are counts."""
        return self.model == "autoregressive" and self.distribution == "negative_binomial"

    def __post_init__(self) -> None:
        for name in ("start", "end", "resample"):  # TOML reads what looks like a date as one
            object.__setattr__(self, name, str(getattr(self, name)))
        super().__post_init__()
        if self.counts and self.scale != "size":
            got = f"{self.scale!r} with counts"
            raise ConfigError("forecast.scale", got, expected="'size'", remedy="counts cannot be shifted")
        if self.watch in ("mse", "mae") and not self.standardise:
            got = f"{self.watch!r} without forecast.standardise"
            raise ConfigError("forecast.watch", got, remedy="set forecast.standardise = true")
