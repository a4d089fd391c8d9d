"""What is learnt from the training part before there is a network: columns, frequency, layout, codings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from elman.core.errors import ConfigError, DataError
from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.data import cells
from elman.tasks.forecast import column_roles, covariates, frequencies, series, series_encoder
from elman.tasks.forecast.column_roles import ColumnRoles
from elman.tasks.forecast.frequencies import Frequency
from elman.tasks.forecast.networks import WindowLayout
from elman.tasks.forecast.series import Series
from elman.tasks.forecast.series_encoder import SeriesEncoder
from elman.tasks.forecast.settings import ForecastConfig


class SeriesSurvey(NamedTuple):
    """What the series are, before anything of them is learnt.

    Args:
        columns: which column is what.
        series: all of them.
        frequency: of their steps.
        season: in steps.
        horizon: steps to forecast.
        ends: at which step the training part of each ends.
    """

    columns: ColumnRoles
    series: list[Series]
    frequency: Frequency
    season: int
    horizon: int
    ends: list[int]


def survey(records: Sequence[Record], run: RunConfig[ForecastConfig]) -> SeriesSurvey:
    """Return what the series are.

    Raises:
        DataError: the records are not regular series.
    """
    options, found = run.options, _columns(records, run)
    all_series, frequency = series.read(
        records, found, fill=options.fill, notation=run.data.dates, resample=options.resample
    )
    all_series = between(all_series, options)
    season = options.season or frequencies.season(frequency, all_series[0].times)
    horizon, ends = _cut(all_series, run, season)
    if not options.season and season + 1 + horizon > min(ends):  # too short to look a season back
        season = 1
        horizon, ends = _cut(all_series, run, season)
    return SeriesSurvey(found, all_series, frequency, season, horizon, ends)


def fit(records: Sequence[Record], run: RunConfig[ForecastConfig]) -> SeriesEncoder:
    """The outline that fits the records.

    Args:
        records: all of the data.
        run: the settings.

    Raises:
        DataError: the records are not regular series, or too short.
        ConfigError: a setting that does not fit the others.
    """
    options = run.options
    found, all_series, frequency, season, horizon, ends = survey(records, run)
    layout = _layout(options, horizon, season, min(ends))
    _check(all_series, ends, layout, options)
    return SeriesEncoder(
        columns=found,
        found=_in_words(all_series),
        frequency=frequency,
        season=season,
        layout=layout,
        cycles=_cycles(all_series, ends, frequency) if options.calendar else (),
        fill=options.fill,
        resample=options.resample,
        unit=_unit(all_series, ends),
        dispersion=_dispersion(all_series, ends, season) if options.counts else 0.0,
        notation=all_series[0].style.notation,
        codings=tuple(_codings(all_series, ends, found)),
        standards=_standards(all_series, ends) if options.standardise else None,
    ).with_layout(layout)


def between(found: list[Series], options: ForecastConfig) -> list[Series]:
    """The series without what is before `start` and after `end`."""
    if not (options.start or options.end):
        return found
    return [series.between(one, options.start, options.end) for one in found]


def cut(one: Series, run: RunConfig[ForecastConfig], horizon: int) -> tuple[int, int]:
    """At which steps the training and the validation part of a series end."""
    options, data = run.options, run.data
    test = options.test_steps or max(horizon, round(data.test * one.length))
    valid = options.valid_steps or max(horizon, round(data.valid * one.length))
    after = one.length - (test if data.test and not data.test_path else 0)
    return after - (valid if data.valid and not data.valid_path else 0), after


def _cut(found: Sequence[Series], run: RunConfig[ForecastConfig], season: int) -> tuple[int, list[int]]:
    """The horizon, and at which steps the training parts end."""
    horizon = run.options.horizon or (season if 4 <= season <= 100 else 8)
    return horizon, [cut(one, run, horizon)[0] for one in found]


def too_short(one: Series, steps: int, layout: WindowLayout, horizon: int) -> DataError:
    """The error that a series is too short for a window."""
    of = f"series {one.name!r} has" if one.name else "it has"
    return DataError(
        one.where,
        f"{of} {max(steps, 0)} steps up to the end of that part",
        expected=f"{layout.origin + horizon}: {layout.before} to look back, a context of {layout.context}, "
        f"a horizon of {horizon}",
        remedy="set a smaller forecast.context, forecast.lags or forecast.horizon, or leave the series out",
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _columns(records: Sequence[Record], run: RunConfig[ForecastConfig]) -> ColumnRoles:
    """Which column is what; several targets are forecast jointly.

    The settings of the data that name columns mean the same as the task's own, which prevail: `group` is
    `id`, `time` is `time`, `target` is `value`, and `input` is `past`, but for what is `known` or `static`.
    """
    options, data = run.options, run.data
    targets, known, static = (_names(text) for text in (data.target, options.known, options.static))
    time, values = options.time or data.time, _names(options.value) or targets
    read = cells.named(records[0], data.input) if data.input != cells.ALL else []
    apart = {*known, *static, *values, time, *_names(options.id or data.group)}
    return column_roles.find(
        records,
        form="" if options.form == "auto" else options.form,
        time=time,
        id=options.id or data.group,
        values=values,
        known=known,
        past=_names(options.past) or [name for name in read if name not in apart],
        static=static,
        joint=len(targets) > 1 and not options.value,
    )


def _layout(options: ForecastConfig, horizon: int, season: int, shortest: int) -> WindowLayout:
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
    return WindowLayout(context=context, horizon=horizon, lags=lags)


def _lags(text: str, season: int) -> tuple[int, ...]:
    if text in ("season", "none"):
        return (season,) if text == "season" and season > 1 else ()
    lags = _names(text)
    if not lags or not all(lag.isdecimal() and len(lag) < 10 and int(lag) > 0 for lag in lags):
        raise ConfigError("forecast.lags", repr(text), expected="season, none, or steps such as 24,168")
    return tuple(sorted({int(lag) for lag in lags}))


def _check(
    found: Sequence[Series], ends: Sequence[int], layout: WindowLayout, options: ForecastConfig
) -> None:
    """Fail where a series is too short to learn from, or its values are none that the distribution has."""
    for one, end in zip(found, ends, strict=True):
        if end < layout.origin + layout.horizon:
            raise too_short(one, end, layout, layout.horizon)
        there = one.values[~np.isnan(one.values)]
        if options.counts and ((there < 0) | (there != there.round())).any():
            wrong = there[(there < 0) | (there != there.round())][0]
            remedy = "set forecast.distribution = student_t"
            raise DataError(one.where, f"the value {wrong:g}", expected="counts 0, 1, 2, ...", remedy=remedy)


def _cycles(found: Sequence[Series], ends: Sequence[int], frequency: Frequency) -> tuple[str, ...]:
    longest = max(zip(found, ends, strict=True), key=lambda pair: pair[1])
    return frequencies.turned(frequency, longest[0].times[: longest[1]])


def _codings(found: Sequence[Series], ends: Sequence[int], named: ColumnRoles) -> Iterator[covariates.Coding]:
    for column in named.extras:
        cells = [cell for one, end in zip(found, ends, strict=True) for cell in one.extras[column][:end]]
        yield covariates.learn(column, cells, found[0].where)


def _standards(found: Sequence[Series], ends: Sequence[int]) -> dict[str, tuple[float, float]]:
    return {one.name: series_encoder.standard(one.values[:end]) for one, end in zip(found, ends, strict=True)}


def _unit(found: Sequence[Series], ends: Sequence[int]) -> float:
    """The median of the deviations of series that change."""
    widths = [series_encoder.standard(one.values[:end])[1] for one, end in zip(found, ends, strict=True)]
    return float(np.median(widths))


def _dispersion(found: Sequence[Series], ends: Sequence[int], season: int) -> float:
    """The median of what series vary by beyond a Poisson distribution, over the square of their mean.

    The variance is half of what values differ by from the last or the last season, whichever is less.
    """
    shapes = []
    for one, end in zip(found, ends, strict=True):
        mean = float(np.nanmean(one.values[:end]))
        missed = [one.values[lag:end] - one.values[: end - lag] for lag in {1, season} if lag < end]
        variance = min(float(np.nanmean(each**2)) / 2 for each in missed)
        shapes.append(max(variance - mean, 0.01 * mean) / mean**2 if mean > 0 else 1.0)
    return min(10.0, float(np.median(shapes)))


def _in_words(found: Sequence[Series]) -> str:
    """How many series there are, and how long."""
    lengths = [one.length for one in found]
    spread = f"{min(lengths):,}" + (f" to {max(lengths):,}" if min(lengths) < max(lengths) else "")
    style = f", dates {words}" if (words := found[0].style.words) else ""
    return f"{len(found):,} of {spread} steps{style}"
