"""Forecasting as a stream: with each observation a forecast of what comes after it.

A forecast looks at the last steps alone, as many as a window has: they are the state. Before these have come
there is no forecast.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from elman.core import json_schema
from elman.core.errors import DataError, TaskError
from elman.core.records import Seq, State
from elman.data import times
from elman.data.times import AUTO, NUMBERS, TimeStyle
from elman.inputs.incremental import IncrementalEncoder
from elman.metrics.forecasting import LEVELS
from elman.streaming.base import IncrementalDecoder, LineProtocol, ModuleRunner, StreamCodec, Streamer, latest
from elman.tasks.forecast import frequencies
from elman.tasks.forecast.frequencies import Frequency, NumericSteps
from elman.tasks.forecast.result import significant
from elman.tasks.forecast.series import number
from elman.tasks.forecast.series_encoder import SeriesEncoder

_WHERE = "an observation"

_LARGEST = float(np.finfo(np.float32).max)

Says = Callable[[Tensor], Tensor]
"""Windows [before + context + horizon, N, F] -> mean and quantiles [N, H, 1 + Q], as a network counts."""


class FirstTime(NamedTuple):
    """The time of the first observation, as it is kept and as it was written."""

    time: float
    style: TimeStyle


class StepForecast(NamedTuple):
    """What comes after an observation.

    Args:
        numbers: [H, 1 + Q] float64, the mean and the quantiles at `LEVELS` of each step, in the data's units.
        after: the number of the observation, from 0.
        first: the time of the first one; None: not known.
        frequency: the step from one time to the next.
    """

    numbers: Tensor
    after: int
    first: FirstTime | None
    frequency: Frequency

    @property
    def times(self) -> list[str]:
        """The times of the steps, where that of the first observation is known."""
        if self.first is None:
            return []
        steps = self.after + 1 + np.arange(len(self.numbers))
        ahead = self.frequency.after(self.first.time, steps)
        return [frequencies.shown(self.frequency, self.first.style, time) for time in ahead]


@final
class ForecastStreamer(Streamer):
    """The last steps, and a forecast from them after each.

    The state [before + context, B, F + 1] is these steps, not-a-number where there were none yet. A value is
    two numbers: itself in float32 and, at the end of its step, what that left over.

    Args:
        outline: what was learnt from the training part.
        horizon: steps to forecast.
        says: what the network says of windows.
        like: a tensor of the network.
        centred: whether a window is given less its last value.
    """

    def __init__(self, outline: SeriesEncoder, horizon: int, says: Says, like: Tensor, centred: bool) -> None:
        self._outline, self._horizon, self._says, self._like = outline, horizon, says, like
        self._centred = centred

    @property
    def hidden(self) -> int:
        """See `Streamer`: layers start anew in each window."""
        return 0

    def start(self, begin: Any) -> State:
        """See `Streamer`: from the name of a series, where each of several has a scale of its own."""
        _standard(self._outline, begin)
        layout = self._outline.layout
        channels = _own_channels(self._outline)
        return (self._like.detach().new_full((layout.origin, 1, channels), torch.nan),)

    def ends(self, begin: Any) -> StreamCodec:
        centre, scale = _standard(self._outline, begin)
        encoder = Observations(self._outline, self._horizon, centre, scale)
        return StreamCodec(encoder, _InUnits(encoder, self._outline.frequency, centre, scale))

    @torch.no_grad()
    def run(self, seq: Seq, state: State) -> tuple[Tensor, State]:
        """See `Streamer`: [T, B, 1 + H, 1 + Q], not-a-number where there is no forecast yet.

        First stand the two numbers of the value that was taken off, then the quantiles of each step.
        """
        layout, horizon = self._outline.layout, self._horizon
        own, ahead = seq.data.split([_own_channels(self._outline), horizon * layout.known], -1)
        rows = torch.cat([*state, own])
        windows = rows.unfold(0, layout.origin, 1)[1:].permute(3, 0, 1, 2)  # [origin, T, B, F + 1]
        future = own.new_zeros(horizon, *own.shape)
        known = ahead.unflatten(-1, (horizon, layout.known)).permute(2, 0, 1, 3)
        future[..., 2 : 2 + layout.known] = known
        future[..., 0] = own[..., 0]  # what is filled in forward; no network looks at it
        data = torch.cat([windows, future]).flatten(1, 2)
        last = data[layout.origin - 1, :, [0, -1]] * self._centred
        data, left = data[..., : layout.channels].clone(), data[..., -1] * self._centred
        data[..., 0] = (data[..., 0] - last[:, 0]) + (left - last[:, 1])
        ready = ~data.isnan().any(0).any(-1)
        said = data.new_full((data.shape[1], 1 + horizon, 1 + len(LEVELS)), torch.nan)
        said[:, 0, :2] = last
        if ready.any():
            said[ready, 1:] = self._says(data[:, ready]).to(said)
        return said.unflatten(0, own.shape[:2]), (_tails(rows, layout.origin, seq.lengths),)

    def runner(self, state: State) -> ModuleRunner:
        return ModuleRunner(self, state, self._like)

    def answer(self, output: StepForecast) -> dict[str, Any]:
        """Mean, median and quantiles of each step, and its time, where that is known."""
        digits = significant(output.numbers[:, 1:].numpy())
        columns = [[float(f"{x:.{digits}g}") for x in column] for column in output.numbers.t().tolist()]
        named = {f"q{level:g}": column for level, column in zip(LEVELS, columns[1:], strict=True)}
        told = {"prediction": columns[0], "median": named["q0.5"], **named}
        return {"times": output.times, **told} if output.first is not None else told

    def lines(self, state: State) -> LineProtocol:
        """The forecast after each line, which is a number, or a time and a number: CSV."""
        return latest(self, _observation)


def _own_channels(outline: SeriesEncoder) -> int:
    """Channels of a step in a stream: those of a window, and what the value leaves over in float32."""
    return outline.layout.channels + (not outline.is_old)


def _observation(line: str) -> list[Any]:
    """The observation in a line: of one cell, or of a time and a value; an empty cell is a missing value."""
    try:
        cells = next(csv.reader([line.strip()]), [""])
    except csv.Error as error:  # a carriage return in a cell, or one of more than 131,072 characters
        raise DataError(_WHERE, f"no CSV: {error}", expected="a number, or time and number") from error
    return [cells[0] if len(cells) == 1 else tuple(cells)]


class _ForecastKept(NamedTuple):
    first: Any
    count: Annotated[int, ("minimum", 0)]
    last: float | None
    style: TimeStyle = TimeStyle()


class _Counted(NamedTuple):
    count: Annotated[int, ("minimum", 0)]


@final
class Observations(IncrementalEncoder):
    """A series as it comes: numbers, pairs of time and number, or rows by their columns' names.

    What comes before the first number is left out, as it is of a file.

    Args:
        outline: what was learnt from the training part.
        horizon: steps to forecast, whose calendar goes with each observation.
        centre, scale: of the series, where it is standardised.

    Attributes:
        first: the time of the first observation, where it was given.
    """

    def __init__(self, outline: SeriesEncoder, horizon: int, centre: float, scale: float) -> None:
        self._outline, self._horizon = outline, horizon
        self._centre, self._scale = centre, scale
        self.first: FirstTime | None = None
        self._count, self._last = 0, math.nan

    def encode_step(self, x: Any) -> Tensor | None:
        """See `IncrementalEncoder`: an observation; a missing one is None, "" or not-a-number."""
        row = self._row(x, self.first, self._count, self._last)
        return None if row is None else self._kept([row])[0]

    def encode(self, chunk: Any) -> Tensor:
        """See `IncrementalEncoder`: a list or array of observations."""
        if isinstance(chunk, str | Mapping) or not np.iterable(chunk):
            raise DataError("a piece of a series", f"{chunk!r:.40}", expected="a list or array")
        rows: list[_Row] = []
        at = self.first, self._count, self._last
        for x in chunk:
            if (row := self._row(x, *at)) is not None:
                rows.append(row)
                at = row.first, at[1] + 1, row.value
        return self._kept(rows)

    def flush(self) -> Tensor:
        """See `IncrementalEncoder`: nothing is buffered."""
        return self._kept([])

    def content(self) -> dict[str, Any]:
        last = None if math.isnan(self._last) else self._last
        first, style = self.first or FirstTime(math.nan, TimeStyle())
        first = None if self.first is None else first
        return {"first": first, "count": self._count, "last": last, "style": asdict(style)}

    def restore(self, content: dict[str, Any]) -> None:
        found = json_schema.build(_ForecastKept, content)
        if found.first is not None and type(found.first) not in (int, float):
            raise ValueError(f"{found.first!r:.40} for the first time")
        self.first = None if found.first is None else FirstTime(found.first, found.style)
        self._count = found.count
        self._last = math.nan if found.last is None else found.last

    def _kept(self, rows: list[_Row]) -> Tensor:
        if not rows:
            layout = self._outline.layout
            return torch.zeros(0, _own_channels(self._outline) + self._horizon * layout.known)
        self.first, self._last = rows[-1].first, rows[-1].value
        self._count += len(rows)
        return torch.from_numpy(np.stack([row.channels for row in rows]))

    def _row(self, x: Any, first: FirstTime | None, count: int, last: float) -> _Row | None:
        """The observation after `count` others, of which the last value was `last`; None before the first."""
        time, cell, cells = self._parts(x)
        value = number(None if isinstance(cell, float) and math.isnan(cell) else cell, _WHERE, "of values")
        there = not math.isnan(value)
        if not there and not count:
            return None
        first = self._checked(time, first, count)
        value = value if there else last
        outline, frequency = self._outline, self._outline.frequency
        always = np.zeros((1 + self._horizon, 0), np.float32)
        if outline.cycles:
            if first is None:
                remedy = f"give pairs of time and number, or rows with {outline.columns.time!r}"
                raise DataError(_WHERE, "no time", expected="one, for the calendar", remedy=remedy)
            steps = frequency.after(first.time, count + np.arange(1 + self._horizon))
            always = frequencies.features(frequency, steps, outline.cycles)
        static = self._coded(outline.columns.static, cells)
        always = np.concatenate([always, np.repeat(static[None], len(always), 0)], 1)
        past = self._coded(outline.columns.past, cells)
        scaled = (value - self._centre) / self._scale
        if abs(scaled) > _LARGEST:
            raise DataError(_WHERE, f"{cell!r:.60}", expected="a number that float32 holds")
        left = [] if outline.is_old else [scaled - float(np.float32(scaled))]
        channels = np.concatenate([[scaled, there], always[0], past, left, always[1:].ravel()])
        return _Row(first, value, channels.astype(np.float32))

    def _parts(self, x: Any) -> tuple[Any, Any, Mapping[str, Any]]:
        """Return the time, if given, the value, and the cells by their columns."""
        columns = self._outline.columns
        if isinstance(x, Mapping):
            names = [name for name in columns.values if name in x]
            if len(names) != 1:
                expected = f"one of {', '.join(map(repr, columns.values))}"
                raise DataError(_WHERE, f"a row with {', '.join(map(repr, x))}", expected=expected)
            return x.get(columns.time), x[names[0]], x
        if isinstance(x, tuple | list) and len(x) == 2:
            return x[0], x[1], {}
        return None, x.item() if isinstance(x, np.generic) else x, {}

    def _checked(self, time: Any, first: FirstTime | None, count: int) -> FirstTime | None:
        """Return the time of the first observation, this one being the next by the frequency, if given."""
        if time is None:
            return first
        frequency, notation = self._outline.frequency, self._outline.notation
        dated, values, style = times.read(
            [time],
            lambda _: _WHERE,
            notation=NUMBERS if isinstance(frequency, NumericSteps) else notation or AUTO,
            name=self._outline.columns.time,
            daily=frequency.daily,
            style=first.style if first else TimeStyle() if self._outline.is_old else None,
        )
        found = values[0].item()
        if not count or first is None:
            start = frequency.after(found, np.array([-count]))[0].item() if count else found
            return FirstTime(start, style)
        (due,) = frequency.after(first.time, np.array([count]))
        if dated != isinstance(first.time, int) or abs(due - found) > (0 if dated else 0.1):
            remedy = "give every step, a missing one with an empty value; reset() begins anew"
            expected = frequencies.shown(frequency, first.style, due)
            raise DataError(_WHERE, f"the time {time}", expected=expected, remedy=remedy)
        return first

    def _coded(self, names: tuple[str, ...], cells: Mapping[str, Any]) -> np.ndarray:
        found = [np.zeros(0, np.float32)]
        for name in names:
            if name not in cells:
                remedy = f"give rows by the names of their columns, {name!r} among them"
                raise DataError(_WHERE, f"no {name!r}", remedy=remedy)
            coding = next(coding for coding in self._outline.codings if coding.column == name)
            found.append(coding.encode([cells[name]], _WHERE)[0])
        return np.concatenate(found)


class _Row(NamedTuple):
    """An observation.

    Args:
        first: the time of the first one.
        value: this one's, or where it is missing the last that was there.
        channels: of it, and of the steps after it.
    """

    first: FirstTime | None
    value: float
    channels: np.ndarray


@final
class _InUnits(IncrementalDecoder):
    """Forecasts in the data's units, as soon as there are any.

    Args:
        observations: what they follow.
        frequency: the step from one time to the next.
        centre, scale: of the series, where it is standardised.
    """

    def __init__(self, observations: Observations, frequency: Frequency, centre: float, scale: float) -> None:
        self._observations, self._frequency = observations, frequency
        self._centre, self._scale, self._count = centre, scale, 0

    def decode(self, raw: Tensor) -> StepForecast | None:
        self._count += 1
        if bool(raw[1, 0].isnan()):
            return None
        raw = raw.double().cpu()
        numbers = (raw[1:] + raw[0, :2].sum()) * self._scale + self._centre
        return StepForecast(numbers, self._count - 1, self._observations.first, self._frequency)

    def flush(self) -> list[Any]:
        return []

    def content(self) -> dict[str, Any]:
        return {"count": self._count}

    def restore(self, content: dict[str, Any]) -> None:
        (self._count,) = json_schema.build(_Counted, content)


def _standard(outline: SeriesEncoder, name: Any) -> tuple[float, float]:
    """By what the values of a series are standardised: of an only one, or of the one of that name."""
    standards = outline.standards
    if standards is None:
        return 0.0, 1.0
    if name is None and len(standards) == 1:
        return next(iter(standards.values()))
    if name not in standards:
        some = ", ".join(map(repr, list(standards)[:8])) + ", ..." * (len(standards) > 8)
        remedy = "name the series: start=NAME, or train with forecast.standardise = false"
        raise TaskError("start", repr(name), expected=f"one of {some}", remedy=remedy)
    return standards[name]


def _tails(rows: Tensor, count: int, lengths: Tensor | None) -> Tensor:
    """The last rows [count, B, F] of [count + T, B, F], after each column's last step."""
    if lengths is None:
        return rows[-count:]
    places = lengths.to(rows.device) + torch.arange(count, device=rows.device)[:, None]
    return rows.gather(0, places[..., None].expand(-1, -1, rows.shape[2]))
