"""Forecasting: the series so far -> its future, with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from elman import calendar, columns, covariates, forecasting, rolling, series, tracks
from elman.batch import Batch, Example, Record
from elman.calendar import Frequency
from elman.columns import Columns
from elman.config import Data, Run, Settings, option
from elman.distributions import DISTRIBUTIONS
from elman.errors import ConfigError, DataError, TaskError
from elman.forecasters import SCALES, Autoregressive, Densities, Direct, Layout, Quantiles
from elman.forecasting import LEVELS, Outlook
from elman.futures import Future, draw
from elman.recurrent import Recurrent
from elman.rolling import Windows
from elman.series import Series
from elman.tasks.base import Findings, Loss, Parts, Scores, Task
from elman.tracks import Outline

_MOST_LEARNT, _MOST_SCORED = 20_000, 1_000
"""Windows that an epoch has, and that are scored, where the settings do not say."""

_AT_ONCE = 20_000
"""Paths that are drawn at once, for the sake of memory."""


@dataclass(frozen=True, kw_only=True)
class ForecastConfig(Settings):
    """What only a forecaster has."""

    section = "forecast"
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "data": {"valid": 0.1, "test": 0.1},
        "network": {"cell": "gru", "hidden": 64, "output_dropout": 0.2},
        "training": {"batch_size": 64, "lr": 0.001, "epochs": 20, "ema": 0.99},
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
    learn_every: int = option(0, "steps between two windows to learn from; 0: so many that 20000 are", low=0)
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
            raise ConfigError("forecast.scale", got, expected="'size': counts cannot be shifted")
        if self.watch in ("mse", "mae") and not self.standardise:
            got = f"{self.watch!r} without forecast.standardise"
            raise ConfigError("forecast.watch", got, remedy="set forecast.standardise = true")


@dataclass(frozen=True)
class Part(Record):
    """A record that stands first among all of its data, and says which part of every series is meant."""

    part: str = "all"


class Forecast(Task):
    """The future of series in quantiles, learnt from windows at all origins of their pasts.

    Args:
        run: the settings.
        outline: what was learnt from the training part.
        horizon: steps to forecast; None: as many as are learnt.
        found: what was found in the data, to be told.
    """

    Config = ForecastConfig
    formats = ("table", "parquet", "jsonlines", "sample")
    continuous = False

    def __init__(
        self, run: Run, outline: Outline, horizon: int | None = None, found: Mapping[str, str] | None = None
    ) -> None:
        assert isinstance(run.options, ForecastConfig)
        self._run, self._options, self.outline = run, run.options, outline
        self.horizon = horizon or outline.layout.horizon
        self._found = found or {}

    @classmethod
    def suits(cls, record: Record) -> bool:
        """Whether the record has a time and a number beside it."""
        numbers = any(columns.is_number(cell) for cell in record.fields.values())
        dates = any(calendar.is_date(cell) for cell in record.fields.values())
        return (dates and numbers) or {"ds", "y"} <= set(record.fields)

    @classmethod
    def split(cls, records: Sequence[Record], data: Data) -> Parts:
        """All records for every part: a series is cut by time, and a context may lie in an earlier part."""
        return Parts(
            _marked(records, "train"),
            _marked(records, "valid") if data.valid else [],
            _marked(records, "test") if data.test else [],
        )

    @classmethod
    def prepare(cls, records: Sequence[Record], run: Run) -> Self:
        """The task with columns, frequency, layout of windows and codings found in the data.

        Raises:
            DataError: the records are no regular series, or too short.
            ConfigError: a setting that does not fit the others.
        """
        options = run.options
        assert isinstance(options, ForecastConfig)
        found = _columns(records, options)
        all_series, frequency = series.read(records, found, fill=options.fill)
        all_series = _between(all_series, frequency, options)
        season = options.season or frequency.season
        horizon = options.horizon or (season if 4 <= season <= 100 else 8)
        ends = [_cut(one, run, horizon, _part(records))[0] for one in all_series]
        layout = _layout(options, horizon, season, min(ends))
        _check(all_series, ends, layout, options)
        outline = Outline(
            columns=found,
            frequency=frequency,
            season=season,
            layout=layout,
            cycles=_cycles(all_series, ends, frequency) if options.calendar else (),
            fill=options.fill,
            codings=tuple(_codings(all_series, ends, found)),
            standards=_standards(all_series, ends) if options.standardise else None,
        ).with_layout(layout)
        return cls(run, outline, found=_facts(outline, all_series))

    @classmethod
    def restore(cls, text: str, run: Run, where: object) -> Self:
        """The task with the outline that `text` describes."""
        return cls(run, Outline.from_text(text))

    def to_text(self) -> str:
        """The outline as JSON."""
        return self.outline.to_text()

    def facts(self) -> dict[str, str]:
        """Columns, frequency, how windows are made."""
        return dict(self._found)

    def ahead(self, horizon: int) -> Forecast:
        """The same task, to forecast another number of steps.

        Raises:
            TaskError: the model gives no more steps than it learnt.
        """
        learnt = self.outline.layout.horizon
        if self._options.model == "quantiles" and horizon > learnt:
            remedy = "train with that forecast.horizon, or with forecast.model=autoregressive, which goes on"
            raise TaskError("--horizon", str(horizon), expected=f"at most {learnt}, as learnt", remedy=remedy)
        return Forecast(self._run, self.outline, horizon)

    def build(self) -> nn.Module:
        """A fresh network for these channels."""
        options, config, layout = self._options, self._run.network, self.outline.layout
        drop = config.output_dropout or config.dropout
        if options.model == "autoregressive":
            kind = DISTRIBUTIONS[options.distribution]
            return Autoregressive(layout, kind, SCALES[options.scale], self._body, drop)
        return Direct(
            layout,
            LEVELS,
            SCALES[options.scale],
            self._body,
            patch=options.patch,
            linear=options.linear,
            dropout=drop,
            input_dropout=config.input_dropout,
        )

    def encode(self, records: Sequence[Record], *, labelled: bool = True) -> Windows:
        """Windows at the origins of the part that the records are marked for; at the end, if not `labelled`.

        Raises:
            DataError: the records are no such series as the training data, or too short.
        """
        layout, part = self.outline.layout, _part(records)
        found = self.outline.read(records)
        found = _between(found, self.outline.frequency, self._options) if part != "all" else found
        ahead = 0 if labelled else self._steps
        bounds = [self._bounds(one, part, labelled) for one in found]
        learnt = [start for start, _ in bounds]
        made = [self.outline.track(one, past, ahead) for one, past in zip(found, learnt, strict=True)]
        return Windows(
            made,
            rolling.origins(bounds, self._steps, self._stride(bounds, part)),
            layout,
            horizon=self._steps,
            season=self.outline.season,
            labelled=labelled,
            context_too=self._options.model == "autoregressive",
            taught=part == "train",
        )

    @property
    def watch(self) -> str:
        """As the settings say."""
        return self._options.watch

    def loss(self, scores: Densities | Quantiles, batch: Batch) -> Loss:
        """The nats of the values, or their quantile loss in the windows' scales, summed."""
        losses = scores.losses(batch.targets)
        return Loss(losses.sum(), len(losses))

    def objective(self, scores: Densities | Quantiles, batch: Batch) -> Loss:
        """The loss; with quantiles, the squared error of the mean beside it."""
        nats, count = self.loss(scores, batch)
        return Loss(
            nats + scores.squares(batch.targets).sum() if isinstance(scores, Quantiles) else nats, count
        )

    def scores(self, held: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """Those of `forecasting.scores`, mse and mae first where series are standardised; and the loss."""
        found = self._scores(held, _joined(held, outputs)) if len(outputs) else {}
        return {**found, "loss": nats / max(count, 1)}

    def baselines(self, train: Sequence[Example], held: Sequence[Example]) -> dict[str, Scores]:
        """Seasonal naive, naive and drift, each from the whole past of every window."""
        assert isinstance(held, Windows)
        return {name: self._scores(held, held.outlook(one)) for name, one in forecasting.BASELINES.items()}

    def smoothing(self, held: Sequence[Example]) -> dict[str, Scores]:
        """Exponential smoothing, fitted anew at every origin.

        Raises:
            TaskError: statsmodels is not installed.
        """
        assert isinstance(held, Windows)
        return {"exponential smoothing": self._scores(held, held.outlook(forecasting.exponential_smoothing))}

    def findings(self, held: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """Scores by the step of the horizon, and a picture of some windows."""
        assert isinstance(held, Windows)
        outlook = _joined(held, outputs)
        rows: list[Sequence[object]] = [("step", "wql", "coverage_80", "coverage_95")]
        for step in sorted({round(share * (held.horizon - 1)) for share in (0, 0.25, 0.5, 0.75, 1)}):
            cut = Outlook(outlook.mean[:, step : step + 1], outlook.quantiles[:, step : step + 1])
            at = forecasting.scores(held.actual[:, step : step + 1], cut, held.units)
            rows.append((step + 1, at["wql"], at["coverage_80"], at["coverage_95"]))
        shown = np.linspace(0, len(held) - 1, min(len(held), 3)).astype(int).tolist()
        futures = [self._future(held, place, Outlook(*(part[place] for part in outlook))) for place in shown]
        return Findings({"By step of the horizon": rows}, {"forecast": lambda figure: draw(figure, futures)})

    def preview(self, network: nn.Module, seed: int) -> str:
        """Nothing: a forecast is no line of text."""
        return ""

    def use(self) -> list[str]:
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
        for data in batch.seq.data.split(max(1, _AT_ONCE // count), 1):
            paths = network.paths(data, count, generator)
            levels = torch.tensor(LEVELS, device=paths.device)
            quantiles = torch.stack([part.quantile(levels, 1) for part in paths])  # [H, Q, B]
            found += torch.cat([paths.mean(1)[:, None], quantiles], 1).permute(2, 0, 1).cpu()
        return found

    def answer(self, output: Any, record: Record) -> dict[str, Any]:
        """An error: a forecast belongs to a series, not to a record.

        Raises:
            TaskError: always.
        """
        raise TaskError("predict", "a forecaster, which answers no record", remedy="elman forecast RUN FILE")

    def futures(self, windows: Sequence[Example], outputs: Sequence[Any]) -> list[Future]:
        """What was predicted for windows without targets, one at the end of each series."""
        assert isinstance(windows, Windows)
        outlook = _joined(windows, outputs)
        return [
            self._future(windows, place, Outlook(*(part[place, : self.horizon] for part in outlook)))
            for place in range(len(windows))
        ]

    @property
    def _steps(self) -> int:
        """Steps of the horizon of a window: what is learnt, or more."""
        return max(self.horizon, self.outline.layout.horizon)

    def _body(self, inputs: int) -> Recurrent:
        config = self._run.network
        return Recurrent(
            config.cell,
            inputs,
            config.hidden,
            layers=config.layers,
            dropout=config.dropout,
            variational=config.variational,
            recurrent_dropout=config.recurrent_dropout,
            weight_dropout=config.weight_dropout,
            layer_norm=config.layer_norm,
            residual=config.residual,
            skip=config.skip,
            learn_initial=config.learn_initial,
            init=config.init,
        )

    def _bounds(self, one: Series, part: str, labelled: bool) -> tuple[int, int]:
        """From which step to before which the horizons of a series lie.

        Raises:
            DataError: it is too short for one.
        """
        layout = self.outline.layout
        if not labelled:
            start, end = one.length, one.length + self._steps
        else:
            train, valid = _cut(one, self._run, layout.horizon, part)
            spans = {"train": (0, train), "valid": (train, valid), "test": (valid, one.length)}
            start, end = spans.get(part, (0, one.length))
        first = start if start else layout.origin
        if first < layout.origin or end - first < self._steps:
            raise _too_short(one, end, layout, self._steps)
        return first, end

    def _stride(self, bounds: Sequence[tuple[int, int]], part: str) -> int:
        options = self._options
        said, most = (
            (options.learn_every, _MOST_LEARNT) if part == "train" else (options.score_every, _MOST_SCORED)
        )
        windows = sum(end - start - self._steps + 1 for start, end in bounds)
        return said or -(-windows // most)

    def _scores(self, held: Sequence[Example], outlook: Outlook) -> Scores:
        assert isinstance(held, Windows)
        found = held.scores(outlook)
        if self._options.standardise:
            return {**forecasting.errors(held.actual, outlook, held.scale), **found}
        return found

    def _future(self, windows: Windows, place: int, outlook: Outlook) -> Future:
        which, at = windows.places[place].tolist()
        one, frequency = windows.tracks[which].series, self.outline.frequency
        times = frequency.after(one.times[0], at + np.arange(len(outlook.mean)))
        actual = one.values[at : min(at + len(times), one.length)]
        shown = [frequency.show(time) for time in times]
        return Future(
            one.name, shown, outlook, one.values[:at], actual if len(actual) == len(times) else actual[:0]
        )


def _joined(held: Sequence[Example], outputs: Sequence[Any]) -> Outlook:
    """Outputs [H, 1 + Q] of windows, in the data's own units."""
    assert isinstance(held, Windows)
    numbers = torch.stack(list(outputs)).double().numpy()
    return held.in_units(Outlook(numbers[..., 0], numbers[..., 1:]))


def _marked(records: Sequence[Record], part: str) -> list[Record]:
    return [Part(records[0].fields, records[0].where, part), *records[1:]]


def _part(records: Sequence[Record]) -> str:
    return records[0].part if isinstance(records[0], Part) else "all"


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _columns(records: Sequence[Record], options: ForecastConfig) -> Columns:
    return columns.find(
        records,
        form="" if options.form == "auto" else options.form,
        time=options.time,
        id=options.id,
        values=_names(options.value),
        known=_names(options.known),
        past=_names(options.past),
        static=_names(options.static),
    )


def _between(found: list[Series], frequency: Frequency, options: ForecastConfig) -> list[Series]:
    """The series without what is before `start` and after `end`."""
    if not (options.start or options.end):
        return found
    return [series.between(one, options.start, options.end) for one in found]


def _cut(one: Series, run: Run, horizon: int, part: str) -> tuple[int, int]:
    """Where the training and the validation part of a series end; all trains if no part is meant."""
    options, data = run.options, run.data
    assert isinstance(options, ForecastConfig)
    if part == "all":
        return one.length, one.length
    test = options.test_steps or max(horizon, round(data.test * one.length))
    valid = options.valid_steps or max(horizon, round(data.valid * one.length))
    after = one.length - (test if data.test else 0)
    return after - (valid if data.valid else 0), after


def _layout(options: ForecastConfig, horizon: int, season: int, shortest: int) -> Layout:
    """How windows are made, from the settings and the shortest training part."""
    lags = _lags(options.lags, season)
    before = max((1, *lags))
    context = options.context
    if not context:
        wanted = max(3 * horizon, 2 * season)
        room = (shortest - before - horizon) * 2 // 3
        context = max(1, min(wanted, room) // options.patch) * options.patch
    if context % options.patch:
        remedy = f"such as {max(1, context // options.patch) * options.patch}"
        got = f"{context} with a patch of {options.patch}"
        raise ConfigError("forecast.context", got, expected="a multiple of the patch", remedy=remedy)
    return Layout(context=context, horizon=horizon, lags=lags)


def _lags(text: str, season: int) -> tuple[int, ...]:
    if text in ("season", "none"):
        return (season,) if text == "season" and season > 1 else ()
    lags = _names(text)
    if not lags or not all(lag.isdecimal() and int(lag) > 0 for lag in lags):
        raise ConfigError("forecast.lags", repr(text), expected="season, none, or steps such as 24,168")
    return tuple(sorted({int(lag) for lag in lags}))


def _check(found: Sequence[Series], ends: Sequence[int], layout: Layout, options: ForecastConfig) -> None:
    """Fail where a series is too short to learn from, or its values are none that the distribution has."""
    counts = options.model == "autoregressive" and options.distribution == "negative_binomial"
    for one, end in zip(found, ends, strict=True):
        if end < layout.origin + layout.horizon:
            raise _too_short(one, end, layout, layout.horizon)
        there = one.values[~np.isnan(one.values)]
        if counts and ((there < 0) | (there != there.round())).any():
            wrong = there[(there < 0) | (there != there.round())][0]
            remedy = "set forecast.distribution = student_t"
            raise DataError(one.where, f"the value {wrong:g}", expected="counts 0, 1, 2, ...", remedy=remedy)


def _too_short(one: Series, steps: int, layout: Layout, horizon: int) -> DataError:
    of = f"series {one.name!r} has" if one.name else "it has"
    return DataError(
        one.where,
        f"{of} {max(steps, 0)} steps up to the end of that part",
        expected=f"{layout.origin + horizon}: {layout.before} to look back, a context of {layout.context}, "
        f"a horizon of {horizon}",
        remedy="set a smaller forecast.context, forecast.lags or forecast.horizon, or leave the series out",
    )


def _cycles(found: Sequence[Series], ends: Sequence[int], frequency: Frequency) -> tuple[str, ...]:
    longest = max(zip(found, ends, strict=True), key=lambda pair: pair[1])
    return calendar.turned(frequency, longest[0].times[: longest[1]])


def _codings(found: Sequence[Series], ends: Sequence[int], named: Columns) -> Iterator[covariates.Coding]:
    for column in named.extras:
        cells = [cell for one, end in zip(found, ends, strict=True) for cell in one.extras[column][:end]]
        yield covariates.learn(column, cells, found[0].where)


def _standards(found: Sequence[Series], ends: Sequence[int]) -> dict[str, tuple[float, float]]:
    return {one.name: tracks.standard(one.values[:end]) for one, end in zip(found, ends, strict=True)}


def _facts(outline: Outline, found: Sequence[Series]) -> dict[str, str]:
    layout, lengths = outline.layout, [one.length for one in found]
    spread = f"{min(lengths):,}" + (f" to {max(lengths):,}" if min(lengths) < max(lengths) else "")
    beside = {
        "known ahead": outline.columns.known,
        "past": outline.columns.past,
        "static": outline.columns.static,
    }
    words = "; ".join(f"{name}: {', '.join(names)}" for name, names in beside.items() if names)
    cycles = f", calendar: {', '.join(outline.cycles)}" if outline.cycles else ""
    lags = f", looking back {', '.join(map(str, layout.lags))} steps" if layout.lags else ""
    return {
        "columns": outline.columns.words() + (f"; {words}" if words else ""),
        "series": f"{len(found):,} of {spread} steps, "
        f"{outline.frequency.words} apart, season {outline.season}",
        "windows": f"context {layout.context}, horizon {layout.horizon}{lags}{cycles}",
    }
