"""The networks that forecast: one step by step by distributions, one all steps at once by quantiles.

Both read [before + context + horizon, B, F] with the channels

    value, observed (1 or 0), what is known of every step, what is known of the past only,

in the data's own units, from which any number may have been taken: but for the scale "size" only differences
count. They scale each window by its own context, and look at no value of the horizon but to be taught:
`Autoregressive` reads what came before each step, where it learns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from elman.core import interruption
from elman.core.errors import DataError
from elman.core.records import Seq, State
from elman.nn.distributions import Distribution
from elman.nn.recurrent import Recurrent

_LARGE = 30.0
"""From here on softplus gives its argument, to rounding."""


class Scaling(NamedTuple):
    """What makes windows alike: (value - centre) / scale.

    Args:
        centre, scale: [B].
    """

    centre: Tensor
    scale: Tensor


Scale = Callable[..., Scaling]
"""From the values and indicators [C, B] of a context to its scaling; of one that never changes the scale is
the third argument, 1 if it is left out."""


def by_last(values: Tensor, observed: Tensor, unit: float = 1.0) -> Scaling:
    """Around the last value, in standard deviations (like Kim et al. 2022)."""
    return Scaling(values[-1], by_mean(values, observed, unit).scale)


def by_mean(values: Tensor, observed: Tensor, unit: float = 1.0) -> Scaling:
    """Around the mean, in standard deviations; exact where values are far from 0, small or large."""
    count = observed.sum(0).clamp(min=1)
    off = (values - values[-1]) * observed
    mean = off.sum(0) / count
    widest = off.abs().amax(0)
    widest = torch.where(widest > 0, widest, torch.ones_like(widest))
    spread = widest * ((off - mean * observed) / widest).square().sum(0).div(count).sqrt()
    return Scaling(values[-1] + mean, torch.where(spread > 0, spread, torch.full_like(spread, unit)))


def by_size(values: Tensor, observed: Tensor, unit: float = 1.0) -> Scaling:
    """Around zero, in mean absolute values (Salinas et al. 2020): for counts and what is never negative."""
    size = (values.abs() * observed).sum(0) / observed.sum(0).clamp(min=1)
    return Scaling(torch.zeros_like(size), torch.where(size > 0, size, torch.full_like(size, unit)))


SCALES: dict[str, Scale] = {"last": by_last, "mean": by_mean, "size": by_size}


@dataclass(frozen=True, kw_only=True)
class WindowLayout:
    """How a window is made.

    Args:
        context: C, the steps that the network reads before it forecasts.
        horizon: H, the steps that it learns to forecast.
        lags: how many steps back values are seen beside each step.
        known: channels that are known of every step.
        past: channels that are known of the past only.
    """

    context: int
    horizon: int
    lags: tuple[int, ...] = ()
    known: int = 0
    past: int = 0

    @property
    def before(self) -> int:
        """Steps before the context that are only looked back to."""
        return max((1, *self.lags))

    @property
    def origin(self) -> int:
        """The first step of the horizon."""
        return self.before + self.context

    @property
    def channels(self) -> int:
        """F."""
        return 2 + self.known + self.past

    def check(self, data: Tensor) -> None:
        """Fail where [T, B, F] has no horizon or other channels."""
        if data.ndim != 3 or data.shape[0] <= self.origin or data.shape[2] != self.channels:
            expected = f"[more than {self.origin}, B, {self.channels}]"
            raise DataError("input of the forecaster", str(list(data.shape)), expected=expected)

    def scaling(self, data: Tensor, scale: Scale, unit: float = 1.0) -> Scaling:
        """The scaling of each window [T, B, F] from its context."""
        inside = slice(self.before, self.origin)
        return scale(data[inside, :, 0], data[inside, :, 1], unit)


class Densities(NamedTuple):
    """What `Autoregressive` says: the parameters of a distribution at each step.

    Args:
        raw: [C + H, B, P], in the window's scale.
        scaling: of the windows.
        kind: which distribution.
    """

    raw: Tensor
    scaling: Scaling
    kind: type[Distribution]

    def at(self, raw: Tensor) -> Distribution:
        """The distribution that raw numbers [..., B, P] stand for, in the data's own units."""
        shape = raw.shape[:-1]
        return self.kind.of(raw, self.scaling.centre.expand(shape), self.scaling.scale.expand(shape))

    def losses(self, targets: Tensor) -> Tensor:
        """The nats at each target that is there: [N], of targets [C + H, B]."""
        there = ~targets.isnan()
        return self.at(self.raw).nats(targets.nan_to_num())[there]


class Quantiles(NamedTuple):
    """What `Direct` says: the mean and the quantiles at each step of the horizon.

    Args:
        raw: [H, B, 1 + Q], in the window's scale.
        scaling: of the windows.
        levels: [Q] of the quantiles.
    """

    raw: Tensor
    scaling: Scaling
    levels: Tensor

    def losses(self, targets: Tensor) -> Tensor:
        """At each target that is there, the mean over the levels of 2 max(q e, (q - 1) e), in scales: [N].

        Here e = target - quantile; the mean over ever more levels is the CRPS.
        """
        there, missed = self._missed(targets)
        over = missed[..., 1:]
        return torch.maximum(self.levels * over, (self.levels - 1) * over).mul(2).mean(-1)[there]

    def squares(self, targets: Tensor) -> Tensor:
        """Half the squared error of the mean at each target, in scales, linear beyond ten: [N]."""
        there, missed = self._missed(targets)
        return F.huber_loss(missed[..., 0], torch.zeros_like(missed[..., 0]), reduction="none", delta=10)[
            there
        ]

    def in_units(self) -> Tensor:
        """[H, B, 1 + Q] in the data's own units, the quantiles in order."""
        raw = torch.cat([self.raw[..., :1], self.raw[..., 1:].sort(-1).values], -1)
        return self.scaling.centre[:, None] + self.scaling.scale[:, None] * raw

    def _missed(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        scaled = (targets - self.scaling.centre) / self.scaling.scale
        return ~targets.isnan(), scaled.nan_to_num()[..., None] - self.raw


class Autoregressive(nn.Module):
    """One step at a time: a recurrent network reads the last value, and gives a distribution of the next.

        h_t = cell([z_(t-1), o_(t-1), z_(t-k) for all lags k, known_t, past_(t-1), ln(scale / unit)], h_(t-1))
        z_t ~ Distribution(W h_t + b)

    (Salinas et al. 2020). In training z are the true values; a forecast draws paths, each from its own draws.

    Args:
        layout: how windows are made.
        kind: which distribution.
        scale: what makes windows alike.
        body: makes the recurrent network for a number of inputs.
        dropout: share dropped of what leaves it.
        unit: the usual scale, and that of windows that never change.
        dispersion: of counts, the shape that they begin with; 0: any.
    """

    def __init__(
        self,
        layout: WindowLayout,
        kind: type[Distribution],
        scale: Scale,
        body: Callable[[int], Recurrent],
        dropout: float = 0.0,
        unit: float = 1.0,
        dispersion: float = 0.0,
    ) -> None:
        super().__init__()
        self.layout, self.kind, self.scale, self.unit = layout, kind, scale, unit
        self.recurrent = body(3 + len(layout.lags) + layout.known + layout.past)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(self.recurrent.output_size, kind.parameters)
        if dispersion:
            self._begin_counts(dispersion)

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Densities, State]:
        """The distribution at every step of context and horizon, the values before each being known.

        Args:
            seq: [before + C + H, B, F].
            state: of the recurrent network before the context; None: its initial one.
        """
        self.layout.check(seq.data)
        scaling = self.layout.scaling(seq.data, self.scale, self.unit)
        inputs = self._inputs(seq.data, scaling, self.layout.before, seq.data.shape[0])
        read, state = self.recurrent(Seq(inputs), state)
        return Densities(self.output(self.dropout(read.data)), scaling, self.kind), state

    @torch.no_grad()
    def paths(self, data: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Draws of the horizon.

        Args:
            data: [before + C + H, B, F]; the values of the horizon are not looked at.
            count: how many paths, S.
            generator: where chance comes from.

        Returns:
            [H, S, B] in the data's own units.
        """
        self.layout.check(data)
        origin, scaling = self.layout.origin, self.layout.scaling(data, self.scale, self.unit)
        data = data.clone()
        data[origin:, :, :2] = 0
        inputs = self._inputs(data, scaling, self.layout.before, origin)
        _, state = self.recurrent(Seq(inputs))
        before = self.layout.before
        data = data[origin - before :].repeat(1, count, 1)
        wide = Scaling(*(part.repeat(count) for part in scaling))
        state = tuple(part.repeat(1, count, 1) for part in state)
        for step in range(before, len(data)):
            interruption.look()
            read, state = self.recurrent(Seq(self._inputs(data, wide, step, step + 1)), state)
            said = Densities(self.output(read.data), wide, self.kind)
            data[step, :, 0] = said.at(said.raw[0]).sample(generator)
            data[step, :, 1] = 1
        return data[before:, :, 0].unflatten(1, (count, -1))

    @torch.no_grad()
    def _begin_counts(self, dispersion: float) -> None:
        """Begin with the mean of each window, and a shape: softplus(bias) = 1 and `dispersion`."""
        self.output.weight.zero_()
        shape = dispersion if dispersion > _LARGE else math.log(math.expm1(dispersion))
        self.output.bias.copy_(torch.tensor([math.log(math.expm1(1)), shape]))

    def _inputs(self, data: Tensor, scaling: Scaling, start: int, end: int) -> Tensor:
        """What the recurrent network reads at the steps from `start` to before `end`: [end - start, B, I]."""
        lags = (1, *self.layout.lags)
        seen = [(data[start - lag : end - lag, :, 0] - scaling.centre) / scaling.scale for lag in lags]
        known = data[start:end, :, 2 : 2 + self.layout.known]
        past = data[start - 1 : end - 1, :, 2 + self.layout.known :]
        size = (scaling.scale / self.unit).log().expand(end - start, -1)
        observed = data[start - 1 : end - 1, :, 1]
        return torch.cat([torch.stack([*seen, observed, size], -1), known, past], -1)


class Direct(nn.Module):
    """All steps of the horizon at once: a recurrent network reads the context, a decoder gives quantiles.

        h = cell over the context, `patch` steps at a time
        y_j = A_j h + B relu(C h + D [known_j, z_(j-k) for all lags k] + e_j) + s_j . z

    (Wen et al. 2017, with a linear path s beside the network as Lai et al. 2018). A lag that would look into
    the horizon looks back by the next multiple that does not.

    Args:
        layout: how windows are made.
        levels: of the quantiles.
        scale: what makes windows alike.
        body: makes the recurrent network for a number of inputs.
        patch: steps of the context that are read at once.
        linear: whether there is the linear path.
        dropout: share dropped of what leaves the recurrent network.
        input_dropout: share dropped of what enters it.
        unit: the usual scale, and that of windows that never change.
    """

    levels: Tensor

    def __init__(
        self,
        layout: WindowLayout,
        levels: tuple[float, ...],
        scale: Scale,
        body: Callable[[int], Recurrent],
        *,
        patch: int = 1,
        linear: bool = True,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        unit: float = 1.0,
    ) -> None:
        super().__init__()
        assert layout.context % patch == 0
        self.layout, self.scale, self.unit, self.patch = layout, scale, unit, patch
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.recurrent = body(layout.channels * patch + 1)
        hidden, numbers = self.recurrent.output_size, 1 + len(levels)
        self.dropout, self.input_dropout = nn.Dropout(dropout), nn.Dropout(input_dropout)
        self.whole = nn.Linear(hidden, layout.horizon * numbers)
        self.common = nn.Linear(hidden, hidden)
        beside = layout.known + len(layout.lags)
        self.each = nn.Linear(beside, hidden, bias=False) if beside else None
        self.place = nn.Parameter(torch.zeros(layout.horizon, 1, hidden))
        self.local = nn.Linear(hidden, numbers, bias=False)
        self.linear = nn.Linear(layout.context, layout.horizon, bias=False) if linear else None
        for weight in (
            *self.whole.parameters(),
            self.local.weight,
            *(self.linear.parameters() if self.linear else ()),
        ):
            nn.init.zeros_(weight)

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Quantiles, State]:
        """The quantiles at every step of the horizon.

        Args:
            seq: [before + C + H, B, F]; the values of the horizon are not looked at.
            state: of the recurrent network before the context; None: its initial one.

        Raises:
            DataError: another horizon than the one that was learnt.
        """
        layout, data = self.layout, seq.data
        layout.check(data)
        if len(data) != layout.origin + layout.horizon:
            raise DataError(
                "horizon",
                f"{len(data) - layout.origin} steps",
                expected=f"{layout.horizon}, as it was trained",
                remedy="train with that horizon, or forecast.model=autoregressive, which goes on for ever",
            )
        scaling = layout.scaling(data, self.scale, self.unit)
        values = (data[: layout.origin, :, 0] - scaling.centre) / scaling.scale
        inputs = self.input_dropout(self._patches(data, values, scaling))
        read, state = self.recurrent(Seq(inputs), state)
        hidden = self.dropout(read.data[-1])
        raw = self.whole(hidden).unflatten(-1, (layout.horizon, -1)).transpose(0, 1)
        each = 0 if self.each is None else self.each(self._ahead(data, values))
        raw = raw + self.local(torch.relu(self.common(hidden) + each + self.place))
        if self.linear is not None:
            raw = raw + self.linear(values[layout.before :].t()).t()[..., None]
        return Quantiles(raw, scaling, self.levels), state

    def _patches(self, data: Tensor, values: Tensor, scaling: Scaling) -> Tensor:
        """What the recurrent network reads: [C / patch, B, patch F + 1]."""
        inside = slice(self.layout.before, self.layout.origin)
        steps = torch.cat([values[inside, :, None], data[inside, :, 1:]], -1)
        steps = steps.unflatten(0, (-1, self.patch)).transpose(1, 2).flatten(2)
        size = (scaling.scale / self.unit).log()
        return torch.cat([steps, size.expand(len(steps), -1)[..., None]], -1)

    def _ahead(self, data: Tensor, values: Tensor) -> Tensor:
        """What is known of each step of the horizon: [H, B, known + lags]."""
        known = data[self.layout.origin :, :, 2 : 2 + self.layout.known]
        places = torch.arange(self.layout.horizon, device=data.device)
        back = [values[len(values) - lag + places % lag] for lag in self.layout.lags]
        return torch.cat([known, *(each[..., None] for each in back)], -1)
