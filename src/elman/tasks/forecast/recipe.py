"""Choose a forecaster's settings from its data: how many series, how long, and of which season."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.tasks.base import Choice
from elman.tasks.forecast.fit_encoder import survey
from elman.tasks.forecast.settings import ForecastConfig

_SEASON = 8
"""Steps of a season from which on the network reads a season at once."""

_SEASONS, _MANY_SEASONS = 20, 100
"""Seasons of the shortest series from which on a week of them is read, and two weeks."""

_MANY_WINDOWS, _WINDOWS = 50_000, 80_000
"""Windows from which on there is much to learn, and those that an epoch then has."""


class SeriesFacts(NamedTuple):
    """What is known of the series before training.

    Args:
        count: of series.
        shortest: steps of the shortest training part.
        windows: all that the training parts have.
        season: in steps; 1: none.
        horizon: in steps.
    """

    count: int
    shortest: int
    windows: int
    season: int
    horizon: int


def facts(records: Sequence[Record], run: RunConfig[ForecastConfig]) -> SeriesFacts:
    """Return what is known of the series.

    Raises:
        DataError: the records are not regular series.
    """
    found = survey(records, run)
    windows = sum(max(0, end - found.horizon) for end in found.ends)
    return SeriesFacts(len(found.series), min(found.ends), windows, found.season, found.horizon)


def choices(data: SeriesFacts, run: RunConfig[ForecastConfig]) -> Iterator[Choice]:
    """Yield the settings that suit the data."""
    own = {"context", "patch", "lags"} & {name.partition(".")[2] for name in run.given}
    if run.options.model == "quantiles" and not own:
        yield from _by_season(data)
    if data.windows >= _MANY_WINDOWS:
        several = f"{data.windows:,} windows"
        every = max(1, round(data.windows / _WINDOWS))
        yield Choice("forecast.learn_every", every, f"{several}: an epoch has some {_WINDOWS:,} of them")
        yield Choice("network.hidden", 96, several)
        yield Choice("training.batch_size", 128, several)
        yield Choice("training.lr", 0.002, "the rate for these")
        yield Choice("training.epochs", 10, several)


def _by_season(data: SeriesFacts) -> Iterator[Choice]:
    """Yield how a window is read, a season at once, if there are seasons enough."""
    season, seasons = data.season, data.shortest // data.season
    if season < _SEASON or seasons < _SEASONS:
        return
    many = seasons >= _MANY_SEASONS
    context = season * (14 if many else 7)
    needed = max(context, 3 * data.horizon)
    context = season * -(-needed // season)
    if context + data.horizon + 7 * season > data.shortest:
        return
    why = f"a season of {season} steps is read at once: the recurrence is {context // season} long"
    yield Choice("forecast.patch", season, why)
    yield Choice("forecast.context", context, f"the shortest series has {seasons:,} seasons")
    yield Choice("forecast.calendar", False, "the context tells what day and season it is")
    if many:
        yield Choice("forecast.lags", "none", "the context has them all")
        yield Choice("network.output_dropout", 0.5, "one kind of series is soon learnt by heart")
        yield Choice("training.ema", 0.999, "the mean of many weights is better than the last")
    else:
        yield Choice("forecast.lags", f"{season},{7 * season}", "a season ago, and seven")
