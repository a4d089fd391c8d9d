"""Forecasting series: what a task needs for it, and what a user gets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, Self, Unpack

from elman.core.errors import ConfigError, DataError
from elman.core.json_schema import Schema, shown
from elman.core.records import Example, Record
from elman.core.run_config import Reading
from elman.data.memory import records as memory
from elman.metrics.forecasting import LEVELS
from elman.tasks import evaluation
from elman.tasks.abilities import Ability, Predictor
from elman.tasks.base import Purpose, Scores
from elman.tasks.forecast.result import Forecasts, SeriesForecast
from elman.tasks.model import Model
from elman.tasks.operations import TEXT, Operation, Request, RequestLimits, alone, list_of, object_of
from elman.tasks.scoreboard import ScoreTable

_LARGEST = 1e100  # of a number in a table
_FURTHEST = 100_000
"""Steps of a forecast, at most."""


class ForecasterModel(Model):
    """A model that forecasts series."""

    def forecast(
        self,
        source: Any = None,
        *,
        horizon: int = 0,
        **reading: Unpack[Reading],
    ) -> Forecasts:
        """The future of every series, after its last value.

        Args:
            source: a file of series as the model learnt from, or a sample; None: the training data.
            horizon: how many steps; 0: as many as it learnt.
            reading: how the file is read, such as `format`, `encoding`, `header`, `dates`, `time`: as `train`
                takes them.

        Raises:
            TaskError: the task does not forecast, or not so far.
            DataError: the data cannot be read, or a series is too short.
        """
        records = self.part(Purpose.TRAIN, source, **reading)
        return self.dated(reading).futures(records, horizon=horizon)

    def futures(self, records: Sequence[Record], *, horizon: int = 0) -> Forecasts:
        """The future of every series in the rows of a table, after its last value; see `forecast`.

        Args:
            records: rows with the columns that the model learnt from.
            horizon: how many steps; 0: as many as it learnt.

        Raises:
            TaskError, DataError: as `forecast`.
            ConfigError: a horizon out of bounds.
        """
        task = self._able(Forecaster)
        if not records:
            raise DataError("records", "none", expected="rows of a table")
        if not isinstance(horizon, Integral) or not 0 <= horizon <= _FURTHEST:
            raise ConfigError("horizon", shown(horizon), expected=f"a number from 0 to {_FURTHEST:,}")
        task = task.ahead(horizon) if horizon else task
        windows = task.encode(records, Purpose.PREDICT)
        return Forecasts(task.futures(windows, evaluation.predict(task, self.network, windows)))

    def backtest(
        self,
        source: Any = None,
        *,
        smoothing: bool = False,
        **reading: Unpack[Reading],
    ) -> ScoreTable:
        """Scores of forecasts from rolling origins, beside those of simple predictors from the same origins.

        Args:
            source: a file, all of which is scored after a first context; None: the training data's test part.
            smoothing: whether exponential smoothing is among the predictors, fitted anew at every origin.
            reading: how the file is read, as `forecast` takes it.

        Returns:
            Predictor ("model", "seasonal naive", ...) -> score -> value.

        Raises:
            TaskError: the task does not forecast; statsmodels is missing for `smoothing`.
            DataError: the data cannot be read, a series is too short, or there is no test part.
        """
        task = self._able(Forecaster)
        examples = self.dated(reading).task.encode(
            self.part(Purpose.TEST, source, **reading),
            Purpose.TEST if source is None else Purpose.SCORE,
        )
        scores = {"model": evaluation.evaluate(self.task, self.network, examples).scores}
        scores |= self.task.baselines([], {"held": examples})["held"]
        scores |= task.smoothing(examples) if smoothing else {}
        name = "test" if source is None else Path(source).name if memory.is_path(source) else "these data"
        return ScoreTable(scores, name)


def _to_forecast(model: ForecasterModel, limits: RequestLimits) -> Schema:
    number = {"type": ["number", "null"], "minimum": -_LARGEST, "maximum": _LARGEST}
    cell = {"anyOf": [number, {"type": "string", "maxLength": 200}]}
    row = {"type": "object", "additionalProperties": cell}
    about = "rows of a table with the columns that the model learnt from, in the order of time"
    rows = {"type": "array", "minItems": 1, "maxItems": limits.steps, "items": row, "description": about}
    horizon = {"type": "integer", "minimum": 0, "maximum": limits.steps, "default": 0}
    return object_of({"rows": rows, "horizon": horizon | {"description": "steps; 0: as many as it learnt"}})


def _forecast(model: ForecasterModel, limits: RequestLimits, requests: Sequence[Request]) -> list[Any]:
    made = [model.futures(_records(request["rows"]), horizon=request["horizon"]) for request in requests]
    return [{"forecasts": [_future(one) for one in several]} for several in made]


def _records(rows: Sequence[Mapping[str, Any]]) -> list[Record]:
    """The rows of a request, all with the columns of the first one."""
    for number, row in enumerate(rows, start=1):
        if set(row) != set(rows[0]) or not row:
            got, expected = f"columns {', '.join(row)[:200]!r}", "those of row 1, one at least"
            raise DataError(f"row {number}", got, expected=expected)
    return [Record(row, f"row {number}") for number, row in enumerate(rows, start=1)]


def _future(future: SeriesForecast) -> dict[str, Any]:
    forecast = future.forecast
    return {
        "name": future.name,
        "times": list(future.times),
        "mean": forecast.mean.tolist(),
        "median": forecast.median.tolist(),
        "quantiles": {f"{level:g}": forecast.quantiles[:, at].tolist() for at, level in enumerate(LEVELS)},
        "past": future.past.tolist(),
    }


_GAPPED = list_of({"type": ["number", "null"]})
_FUTURE = object_of(
    {
        "name": TEXT,
        "times": list_of(TEXT),
        "mean": _GAPPED,
        "median": _GAPPED,
        "quantiles": {"type": "object", "additionalProperties": _GAPPED},
        "past": _GAPPED,
    }
)

FORECAST = Operation(
    name="forecast",
    about="Tell the future of each series in the rows of a table.",
    takes=_to_forecast,
    gives=object_of({"forecasts": list_of(_FUTURE)}),
    together=alone,
    run=_forecast,
)


class Forecaster(Predictor, Ability):
    """A task whose models tell the future of series."""

    lacks = "a task that does not forecast"
    methods = ForecasterModel
    operations = (FORECAST,)

    @abstractmethod
    def ahead(self, horizon: int) -> Self:
        """The same task, to forecast another number of steps."""

    @abstractmethod
    def encode(self, records: Sequence[Record], use: Purpose = Purpose.SCORE) -> Sequence[Example]:
        """As every task does; to predict for, one example at the end of each series."""

    @abstractmethod
    def futures(self, windows: Sequence[Example], outputs: Sequence[Any]) -> list[SeriesForecast]:
        """What was predicted for examples without targets, one for each series."""

    @abstractmethod
    def example(self) -> list[dict[str, Any]]:
        """Rows of a made-up series, to try a model with; none where one cannot be made up."""

    @abstractmethod
    def smoothing(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """The scores of exponential smoothing on held-out examples, by its name."""
