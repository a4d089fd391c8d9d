"""Windows of series at rolling origins: examples cut as views when asked for, and what is scored there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
import torch
from torch import Tensor

from elman.core.records import Example
from elman.metrics import forecasting
from elman.metrics.baselines import naive_forecasts
from elman.metrics.baselines.naive_forecasts import Predictor
from elman.metrics.forecasting import QuantileForecast
from elman.tasks.forecast.networks import WindowLayout
from elman.tasks.forecast.series import Series


@dataclass(frozen=True)
class EncodedSeries:
    """A series as a network sees it.

    Args:
        series: what it was made from.
        channels: [T, F] as `networks` says, without the values.
        values: [T] float64, filled forward and, if asked, standardised.
        targets: [T] float64, the same but not-a-number where one is missing.
        centre, scale: by what values were standardised.
        learnt: how many steps of it belong to the past of what is scored, for the unit of MASE.
    """

    series: Series
    channels: Tensor
    values: Tensor
    targets: Tensor
    centre: float
    scale: float
    learnt: int


class RollingWindows(Sequence[Example]):
    """One example for each (track, origin), cut on demand: views, for all windows at stride 1 are too many.

    Args:
        tracks: the series.
        places: [N, 2] the number of a track, and the first step of the horizon in it.
        layout: how a window is made.
        horizon: steps to forecast.
        season: steps of a season, for the scores.
        labelled: whether examples have targets.
        context_too: whether the context's steps have targets too.
        taught: whether those count; else they are not-a-number.
        centred: whether each window is given less its last known value, taken off before numbers are rounded
            to float32; counts are not.
    """

    def __init__(
        self,
        tracks: Sequence[EncodedSeries],
        places: np.ndarray,
        layout: WindowLayout,
        *,
        horizon: int,
        season: int,
        labelled: bool = True,
        context_too: bool = False,
        taught: bool = False,
        centred: bool = True,
    ) -> None:
        self.tracks, self.places, self.layout = tracks, places, layout
        self.horizon, self.season = horizon, season
        self._labelled, self._context_too, self._taught = labelled, context_too, taught
        self._centred = centred

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> RollingWindows: ...
    def __getitem__(self, index: int | slice) -> Example | RollingWindows:
        if isinstance(index, slice):
            return self._of(self.places[index])
        which, origin = self.places[index].tolist()
        track, layout = self.tracks[which], self.layout
        inside = slice(origin - layout.origin, origin + self.horizon)
        values = track.values[inside] - self._centre(track, origin)
        data = torch.cat([values.float()[:, None], track.channels[inside]], 1)
        if layout.past:
            data[layout.origin :, -layout.past :] = 0
        return Example(data, self._target(track, origin), self.horizon)

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))

    def _target(self, track: EncodedSeries, origin: int) -> Tensor:
        if not self._labelled:
            return torch.zeros(0)
        context = self.layout.context if self._context_too else 0
        targets = track.targets[origin - context : origin + self.horizon] - self._centre(track, origin)
        if not self._taught:
            targets[:context] = torch.nan
        return targets.float()

    def _centre(self, track: EncodedSeries, origin: int) -> float:
        """What is taken off the values of a window: the last one that is known."""
        return float(track.values[origin - 1]) if self._centred else 0.0

    def _of(self, places: np.ndarray) -> RollingWindows:
        return RollingWindows(
            self.tracks,
            places,
            self.layout,
            horizon=self.horizon,
            season=self.season,
            labelled=self._labelled,
            context_too=self._context_too,
            taught=self._taught,
            centred=self._centred,
        )

    @cached_property
    def actual(self) -> np.ndarray:
        """What came true: [N, H] in the data's own units."""
        cut = [self.tracks[which].series.values[at : at + self.horizon] for which, at in self.places.tolist()]
        return np.stack(cut)

    @cached_property
    def units(self) -> np.ndarray:
        """[N] the unit of MASE: from the part of each series before what is scored."""
        by_track = {
            which: forecasting.seasonal_unit(track.series.values[: track.learnt], self.season)
            for which in np.unique(self.places[:, 0]).tolist()
            for track in [self.tracks[which]]
        }
        return np.array([by_track[which] for which in self.places[:, 0].tolist()])

    @cached_property
    def scale(self) -> np.ndarray:
        """[N] by what values were standardised."""
        return np.array([self.tracks[which].scale for which in self.places[:, 0].tolist()])

    @cached_property
    def naive2(self) -> dict[str, float]:
        """The scores of Naive2, which OWA compares with."""
        return forecasting.forecast_scores(self.actual, self.forecast(naive_forecasts.naive2), self.units)

    def forecast(self, predictor: Predictor) -> QuantileForecast:
        """What a predictor makes of the whole past of each window."""
        return QuantileForecast.joined(
            [
                predictor(self.tracks[which].series.values[:at], self.season, self.horizon)
                for which, at in self.places.tolist()
            ]
        )

    def in_units(self, forecast: QuantileForecast) -> QuantileForecast:
        """Outlooks [N, H] of all windows, as the network counts, in the data's own units."""
        found = [(self.tracks[which], origin) for which, origin in self.places.tolist()]
        scale = self.scale[:, None]
        centres = [track.centre + track.scale * self._centre(track, at) for track, at in found]
        centre = np.array(centres)[:, None]
        mean = forecast.mean * scale + centre
        return QuantileForecast(mean, forecast.quantiles * scale[..., None] + centre[..., None])

    def scores(self, forecast: QuantileForecast) -> dict[str, float]:
        """The scores of forecasts [N, H] in the data's own units, owa among them."""
        found = forecasting.forecast_scores(self.actual, forecast, self.units)
        return {**found, "owa": forecasting.owa(found, self.naive2)}


def origins(lengths: Sequence[tuple[int, int]], horizon: int, stride: int) -> np.ndarray:
    """The places of all windows: [N, 2].

    Args:
        lengths: for each track, from which step to before which its horizons may lie.
        horizon: steps of a horizon.
        stride: steps from an origin to the next.
    """
    found = [
        np.stack([np.full_like(at, which), at], 1)
        for which, (start, end) in enumerate(lengths)
        for at in [np.arange(start, end - horizon + 1, stride)]
    ]
    return np.concatenate(found)
