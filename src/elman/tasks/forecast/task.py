"""Forecasting: the series so far -> its future, with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from elman.core.errors import DataError, TaskError, shortened
from elman.core.formatting import number
from elman.core.records import Batch, Example, Record, Seq
from elman.core.run_config import DataSettings, RunConfig
from elman.data.batching import edge
from elman.metrics import forecasting
from elman.metrics.baselines import naive_forecasts
from elman.metrics.forecasting import LEVELS, QuantileForecast
from elman.nn import encoder
from elman.nn.distributions import DISTRIBUTIONS, ScaledNegativeBinomial
from elman.streaming.base import Streaming
from elman.tasks.abilities import EdgeLoss, Exportable, FitsLast, Mistake, ShowsMistakes, largest
from elman.tasks.base import Choice, Findings, Loss, Parted, Parts, Purpose, Scores, Task
from elman.tasks.forecast import column_roles, demo_rows, frequencies, recipe, spread, windows
from elman.tasks.forecast.fit_encoder import between, cut, fit, too_short
from elman.tasks.forecast.forecaster import Forecaster
from elman.tasks.forecast.graph import GRAPHS
from elman.tasks.forecast.networks import SCALES, Autoregressive, Densities, Direct, Quantiles
from elman.tasks.forecast.result import SeriesForecast, draw
from elman.tasks.forecast.series import Series
from elman.tasks.forecast.series_encoder import SeriesEncoder
from elman.tasks.forecast.settings import ForecastConfig
from elman.tasks.forecast.stream import ForecastStreamer
from elman.tasks.forecast.windows import RollingWindows

_LEAST_LEARNT, _MOST_LEARNT, _MOST_SCORED = 2_000, 20_000, 1_000
"""Windows that an epoch has, and that are scored, where the settings do not say."""

_OWN = (Purpose.TRAIN, Purpose.VALID, Purpose.TEST)
"""Of these, what lies before `start` and after `end` is left out."""

_NAME = 50
"""Characters of a series' name in the title of its picture."""

_TOLD = 6
"""Steps of a forecast that a line tells."""

_AT_ONCE, _STEPS = 20_000, 200
"""Paths of this many steps are drawn at once, for the sake of memory; fewer of longer ones."""


class Forecast(Task[ForecastConfig], Forecaster, EdgeLoss, ShowsMistakes, FitsLast, Streaming, Exportable):
    """The future of series in quantiles, learnt from windows at all origins of their pasts.

    Args:
        run: the settings.
        outline: what was learnt from the training part.
        horizon: steps to forecast; None: as many as are learnt.
    """

    Config = ForecastConfig
    graphs = GRAPHS
    formats = ("table", "parquet", "jsonlines", "sample")
    continuous = False

    def __init__(
        self, run: RunConfig[ForecastConfig], outline: SeriesEncoder, horizon: int | None = None
    ) -> None:
        self._run, self._options, self.outline = run, run.options, outline
        self.horizon = horizon or outline.layout.horizon

    @classmethod
    def matches(cls, record: Record) -> bool:
        """Whether the record has a time and a number beside it."""
        return column_roles.matches(record.fields)

    @classmethod
    def reason(cls, records: Sequence[Record]) -> str:
        """Which column holds the times, where no column of text or of classes is there to be read."""
        return column_roles.reason(records)

    @property
    def roles(self) -> Mapping[str, Sequence[str]]:
        """The columns that it learnt from."""
        return self.outline.columns.roles()

    def dated(self, notation: str) -> Self:
        """The same task, for series whose times are written so."""
        return type(self)(self._run, replace(self.outline, notation=notation), self.horizon)

    @classmethod
    def split(cls, records: Sequence[Record], data: DataSettings) -> Parts:
        """All records for every part: a series is cut by time, and a context may lie in an earlier part."""
        return Parts(list(records), list(records) if data.valid else [], list(records) if data.test else [])

    @classmethod
    def recipe(cls, records: Sequence[Record], run: RunConfig[ForecastConfig]) -> Sequence[Choice]:
        """Return the settings for such series: see `elman.tasks.forecast.recipe`."""
        try:
            return list(recipe.choices(recipe.facts(records, run), run))
        except DataError:
            return ()  # `prepare` says more

    @classmethod
    def prepare(cls, records: Sequence[Record], run: RunConfig[ForecastConfig]) -> Self:
        """The task with columns, frequency, layout of windows and codings found in the data.

        Raises:
            DataError: the records are not regular series, or too short.
            ConfigError: a setting that does not fit the others.
        """
        return cls(run, fit(records, run))

    @classmethod
    def restore(cls, text: str, run: RunConfig[ForecastConfig], where: object) -> Self:
        """The task with the outline that `text` describes.

        Raises:
            RunError: the text is damaged.
        """
        return cls(run, SeriesEncoder.from_text(text, where))

    def to_text(self) -> str:
        """The outline as JSON."""
        return self.outline.to_text()

    def describe(self) -> dict[str, str]:
        """Columns, frequency, how windows are made."""
        return self.outline.describe()

    def ahead(self, horizon: int) -> Self:
        """The same task, to forecast another number of steps.

        Raises:
            TaskError: the model gives no more steps than it learnt.
        """
        learnt = self.outline.layout.horizon
        if self._options.model == "quantiles" and horizon > learnt:
            remedy = "train with that forecast.horizon, or with forecast.model=autoregressive, which goes on"
            raise TaskError("--horizon", str(horizon), expected=f"at most {learnt}, as learnt", remedy=remedy)
        return type(self)(self._run, self.outline, horizon)

    def build(self) -> nn.Module:
        """A fresh network for these channels."""
        options, config, layout = self._options, self._run.network, self.outline.layout
        drop = config.output_dropout or config.dropout
        body = partial(encoder.layers, config)
        if options.model == "autoregressive":
            kind = DISTRIBUTIONS[options.distribution]
            kind = ScaledNegativeBinomial if options.counts and self.outline.is_old else kind
            dispersion = self.outline.dispersion if options.counts else 0.0
            return Autoregressive(layout, kind, SCALES[options.scale], body, drop, self._unit, dispersion)
        return Direct(
            layout,
            LEVELS,
            SCALES[options.scale],
            body,
            patch=options.patch,
            linear=options.linear,
            dropout=drop,
            input_dropout=config.input_dropout,
            unit=self._unit,
        )

    def encode(self, records: Sequence[Record], use: Purpose = Purpose.SCORE) -> RollingWindows:
        """Windows at the origins of that part of every series; to predict for, one at its end.

        Raises:
            DataError: the records are no such series as the training data, or too short.
        """
        layout, found, data = self.outline.layout, self.outline.read(records), self._run.data
        if (use is Purpose.VALID and data.valid_path) or (use is Purpose.TEST and data.test_path):
            use = Purpose.SCORE
        if use in _OWN:
            found = between(found, self._options)
        ahead = 0 if use.labelled else self._steps
        bounds = [self._bounds(one, use) for one in found]
        learnt = [start for start, _ in bounds]
        made = [self.outline.track(one, past, ahead) for one, past in zip(found, learnt, strict=True)]
        return RollingWindows(
            made,
            self._places(bounds, use),
            layout,
            horizon=self._steps,
            season=self.outline.season,
            labelled=use.labelled,
            context_too=self._options.model == "autoregressive",
            taught=use is Purpose.TRAIN,
            centred=self._centred,
        )

    @property
    def selection_metric(self) -> str:
        """As the settings say."""
        return self._options.watch

    def loss(self, scores: Densities | Quantiles, batch: Batch) -> Loss:
        """The nats of the values, or their quantile loss in the windows' scales, summed."""
        losses = scores.losses(batch.targets)
        return Loss(losses.sum(), len(losses))

    def ending(self, scores: Densities | Quantiles, batch: Batch, *, last: bool) -> Tensor:
        """The loss of the last step of each horizon, or of the first."""
        return self.loss(scores, replace(batch, targets=edge(batch.targets, last=last))).nats

    def objective(self, scores: Densities | Quantiles, batch: Batch) -> Loss:
        """The loss; with quantiles, the squared error of the mean beside it."""
        nats, count = self.loss(scores, batch)
        return Loss(
            nats + scores.squares(batch.targets).sum() if isinstance(scores, Quantiles) else nats, count
        )

    def fit_last(self, network: nn.Module, valid: Sequence[Example]) -> str:
        """How far values spread around what is forecast, where a distribution says that; see `spread`."""
        if not isinstance(network, Autoregressive):
            return ""
        added = spread.fit(network, valid, self._run.training.seed)
        return f"spread: {added:+.2f} added to its raw number, fitted on the validation part" if added else ""

    def scores(self, examples: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """Those of `forecasting.forecast_scores`, mse and mae first where series are standardised; and the
        loss.
        """
        found = self._scores(examples, _joined(examples, outputs)) if len(outputs) else {}
        return {**found, "loss": nats / max(count, 1)}

    def baselines(self, train: Sequence[Example], parts: Parted[Example]) -> dict[str, dict[str, Scores]]:
        """Seasonal naive, naive and drift, each from the whole past of every window."""
        return {part: self._naive(examples) for part, examples in parts.items()}

    def smoothing(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """Exponential smoothing, fitted anew at every origin.

        Raises:
            TaskError: statsmodels is not installed.
        """
        assert isinstance(examples, RollingWindows)
        return {
            "exponential smoothing": self._scores(
                examples, examples.forecast(naive_forecasts.exponential_smoothing)
            )
        }

    def findings(self, examples: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """Scores by the step of the horizon, and a picture of some windows."""
        assert isinstance(examples, RollingWindows)
        forecast = _joined(examples, outputs)
        rows: list[Sequence[object]] = [("step", "wql", "coverage_80", "coverage_95")]
        for step in sorted({round(share * (examples.horizon - 1)) for share in (0, 0.25, 0.5, 0.75, 1)}):
            cut = QuantileForecast(forecast.mean[:, step : step + 1], forecast.quantiles[:, step : step + 1])
            at = forecasting.forecast_scores(examples.actual[:, step : step + 1], cut, examples.units)
            rows.append((step + 1, at["wql"], at["coverage_80"], at["coverage_95"]))
        shown = np.linspace(0, len(examples) - 1, min(len(examples), 3)).astype(int).tolist()
        futures = [
            self._future(examples, place, QuantileForecast(*(part[place] for part in forecast)))
            for place in shown
        ]
        return Findings({"By step of the horizon": rows}, {"forecast": lambda figure: draw(figure, futures)})

    def mistakes(self, examples: Sequence[Example], outputs: Sequence[Any], most: int) -> list[Mistake]:
        """The windows that were missed most for how much their series move; they do not overlap.

        Single windows, which no longer know their series, have none.
        """
        if not isinstance(examples, RollingWindows):
            return []
        forecast = _joined(examples, outputs)
        there = ~np.isnan(examples.actual)
        missed = np.nansum(np.abs(examples.actual - forecast.median), 1) / np.maximum(there.sum(1), 1)
        sizes = missed / np.where(examples.units > 0, examples.units, examples.scale)
        chosen: list[int] = []
        for place in largest(np.nan_to_num(sizes).tolist(), len(examples)):
            which, at = examples.places[place]
            others = examples.places[chosen]
            if not ((others[:, 0] == which) & (np.abs(others[:, 1] - at) < examples.horizon)).any():
                chosen.append(place)
            if len(chosen) == most:
                break
        return [
            self._missed(examples, place, forecast, float(missed[place]), float(sizes[place]))
            for place in chosen
        ]

    def _missed(
        self, examples: RollingWindows, place: int, forecast: QuantileForecast, error: float, size: float
    ) -> Mistake:
        """A window with the first steps of its median and of what came true."""
        future = self._future(examples, place, QuantileForecast(*(part[place] for part in forecast)))
        told = {"mean error": error, "of its usual change": size}
        where = f"{future.name} from {future.times[0]}".strip()
        return Mistake(place, _steps(future.median), _steps(examples.actual[place]), told, where)

    def preview(self, network: nn.Module, shown: Sequence[Example], seed: int) -> str:
        """Return nothing: a forecast is not a line of text."""
        return ""

    def usage(self) -> list[str]:
        """Commands that forecast with a model and measure it."""
        return [
            "elman forecast {name} --picture forecast.png",
            "elman forecast {name} new.csv --out forecast.csv",
            "elman backtest {name}",
        ]

    def predict(self, network: nn.Module, batch: Batch, scores: Densities | Quantiles) -> list[Tensor]:
        """For each window [H, 1 + Q]: mean and quantiles at `LEVELS`, in the units of the network."""
        if isinstance(scores, Quantiles):
            return list(scores.in_units().transpose(0, 1).cpu())
        assert isinstance(network, Autoregressive)
        count = self._options.samples
        generator = torch.Generator(batch.seq.data.device).manual_seed(self._run.training.seed)
        found = []
        for data in batch.seq.data.split(_beside(count, len(batch.seq.data)), 1):
            paths = network.paths(data, count, generator)
            levels = torch.tensor(LEVELS, device=paths.device)
            quantiles = torch.stack([part.quantile(levels, 0) for part in paths])  # [H, Q, B]
            found += torch.cat([paths.mean(1)[:, None], quantiles], 1).permute(2, 0, 1).cpu()
        return found

    def futures(self, windows: Sequence[Example], outputs: Sequence[Any]) -> list[SeriesForecast]:
        """What was predicted for windows without targets, one at the end of each series."""
        assert isinstance(windows, RollingWindows)
        forecast = _joined(windows, outputs)
        return [
            self._future(
                windows, place, QuantileForecast(*(part[place, : self.horizon] for part in forecast))
            )
            for place in range(len(windows))
        ]

    def example(self) -> list[dict[str, Any]]:
        """Rows of a made-up series; see `Forecaster`."""
        return demo_rows.rows(self.outline)

    def streamer(self, network: nn.Module) -> ForecastStreamer:
        """The network as a stream; see `Streaming`.

        A path that is drawn depends on those drawn before it, so each window has draws of its own.
        """
        if self.outline.columns.joint:
            remedy = "name the columns with forecast.value in place of --target, or use elman forecast"
            raise TaskError("a stream of the task 'forecast'", "a joint forecast", remedy=remedy)
        if known := self.outline.columns.known:
            got = f"columns whose future must be known: {', '.join(known)}"
            remedy = "train without forecast.known, or use elman forecast"
            raise TaskError("a stream of the task 'forecast'", got, remedy=remedy)

        def says(data: Tensor) -> Tensor:
            pieces = data.split(1, 1) if isinstance(network, Autoregressive) else [data]
            found = []
            for piece in pieces:
                scores, _ = network(Seq(piece))
                found += self.predict(network, Batch(Seq(piece), piece[:0]), scores)
            return torch.stack(found)[:, : self.horizon]

        like = next(network.parameters())
        return ForecastStreamer(self.outline, self.horizon, says, like, self._centred)

    @property
    def _unit(self) -> float:
        """The scale of windows that never change, as the network counts."""
        return 1.0 if self._options.standardise else self.outline.unit

    @property
    def _centred(self) -> bool:
        """Whether windows are given less their last value: counts are not, nor are those of old runs."""
        return self._options.scale != "size" and not self.outline.is_old

    @property
    def _steps(self) -> int:
        """Steps of the horizon of a window: what is learnt, or more."""
        return max(self.horizon, self.outline.layout.horizon)

    def _bounds(self, one: Series, use: Purpose) -> tuple[int, int]:
        """From which step to before which the horizons of a series lie.

        Raises:
            DataError: it is too short for one.
        """
        layout = self.outline.layout
        train, valid = cut(one, self._run, layout.horizon)
        spans = {
            Purpose.TRAIN: (0, train),
            Purpose.VALID: (train, valid),
            Purpose.TEST: (valid, one.length),
            Purpose.SCORE: (0, one.length),
            Purpose.PREDICT: (one.length, one.length + self._steps),
        }
        start, end = spans[use]
        first = start if start else layout.origin
        if first < layout.origin or end - first < self._steps:
            raise too_short(one, end, layout, self._steps)
        return first, end

    def _places(self, bounds: Sequence[tuple[int, int]], use: Purpose) -> np.ndarray:
        """The origins of a part; of a short one to learn from, again and again until they make an epoch."""
        found = windows.origins(bounds, self._steps, self._stride(bounds, use))
        times = (
            -(-_LEAST_LEARNT // len(found)) if use is Purpose.TRAIN and not self._options.learn_every else 1
        )
        return np.tile(found, (times, 1))

    def _stride(self, bounds: Sequence[tuple[int, int]], use: Purpose) -> int:
        options = self._options
        said, most = (
            (options.learn_every, _MOST_LEARNT)
            if use is Purpose.TRAIN
            else (options.score_every, _MOST_SCORED)
        )
        windows = sum(end - start - self._steps + 1 for start, end in bounds)
        return said or -(-windows // most)

    def _naive(self, examples: Sequence[Example]) -> dict[str, Scores]:
        assert isinstance(examples, RollingWindows)
        return {
            name: self._scores(examples, examples.forecast(one))
            for name, one in naive_forecasts.BASELINES.items()
        }

    def _scores(self, examples: Sequence[Example], forecast: QuantileForecast) -> Scores:
        assert isinstance(examples, RollingWindows)
        found = examples.scores(forecast)
        if self._options.standardise:
            return {**forecasting.errors(examples.actual, forecast, examples.scale), **found}
        return found

    def _future(self, windows: RollingWindows, place: int, forecast: QuantileForecast) -> SeriesForecast:
        which, at = windows.places[place].tolist()
        one, frequency = windows.tracks[which].series, self.outline.frequency
        times = frequency.after(one.times[0], at + np.arange(len(forecast.mean)))
        actual = one.values[at : min(at + len(times), one.length)]
        shown = [frequencies.shown(frequency, one.style, time) for time in times]
        columns = self.outline.columns
        several = bool(columns.id) or len(columns.values) > 1
        heads = (columns.id or "unique_id") if several else "", columns.time or "ds"
        actual = actual if len(actual) == len(times) else actual[:0]
        called = one.name or (columns.values[0] if columns.values else columns.id)
        return SeriesForecast(
            one.name,
            shown,
            forecast,
            one.values[:at],
            actual,
            heads,
            title=f"Forecast of {shortened(called, _NAME)}: {len(shown)} steps from {shown[0]}",
            moments=frequencies.moments(one.style, np.concatenate([one.times[:at], times])),
        )


def _beside(count: int, steps: int) -> int:
    """Return how many windows of `steps` are drawn at once, `count` paths of each."""
    return max(1, _AT_ONCE * _STEPS // (count * max(steps, _STEPS)))


def _joined(examples: Sequence[Example], outputs: Sequence[Any]) -> QuantileForecast:
    """Outputs [H, 1 + Q] of windows, in the data's own units."""
    assert isinstance(examples, RollingWindows)
    numbers = torch.stack(list(outputs)).double().numpy()
    return examples.in_units(QuantileForecast(numbers[..., 0], numbers[..., 1:]))


def _steps(values: np.ndarray) -> str:
    """The first values of a horizon, as text."""
    return ", ".join([*map(number, values[:_TOLD].tolist()), *["..."] * (len(values) > _TOLD)])
