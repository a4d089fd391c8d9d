"""Distributions of a whole step of several numbers: mixtures of Gaussians, with a pen; and notes that are on.

A network gives raw numbers for each step, which are made valid here. Likelihoods are exact and of what stands
in the data's own units, so that they compare from one network to another; none overflows.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, Self, final

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_CORRELATED = 0.999
_LOG_2PI = math.log(2 * math.pi)

PEN_STATES = 3
DOWN, UP, END = range(PEN_STATES)
"""What a point of a drawing is: one that a line goes on from, the last of a stroke, or none but the end."""


class MixtureScale(NamedTuple):
    """How values are made small: x -> (x - centre) / deviation.

    Args:
        centre: [C].
        deviation: [C], above 0.
        least: the smallest deviation that a Gaussian may have, in parts of `deviation`. Data that lie on a
            grid would else be hit by ever narrower Gaussians, whose density is unbounded.
    """

    centre: Tensor
    deviation: Tensor
    least: float


class StepDistribution(ABC):
    """How a step is distributed, at every place of a tensor of any shape [...]."""

    @abstractmethod
    def nats(self, values: Tensor) -> Tensor:
        """The surprise -ln p(step), [...]; values [..., C] in the data's own units."""

    @abstractmethod
    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """One draw at every place, [..., C]; temperature 0 takes the likeliest."""


@final
@dataclass(frozen=True)
class Gaussians(StepDistribution):
    """A mixture of M Gaussians whose C channels are independent of each other (Bishop 1994).

        p(x) = sum_m pi_m prod_c N(x_c; mean_mc, std_mc),    pi = softmax(logits)

    Draws are by Graves's (2013) bias b = 1 / temperature - 1: pi = softmax(logits (1 + b)), std exp(-b).

    Args:
        logits: [..., M].
        mean, std: [..., M, C].
    """

    logits: Tensor
    mean: Tensor
    std: Tensor

    @staticmethod
    def parameters(count: int, channels: int) -> int:
        """How many raw numbers a mixture of `count` Gaussians takes."""
        return count * (1 + 2 * channels)

    @classmethod
    def of(cls, raw: Tensor, count: int, scale: MixtureScale) -> Self:
        """The mixture that raw numbers [..., parameters] stand for, whatever they are."""
        logits, mean, wide = raw.split([count, *[count * len(scale.centre)] * 2], -1)
        mean, wide = (part.unflatten(-1, (count, -1)) for part in (mean, wide))
        return cls(logits, scale.centre + scale.deviation * mean, _deviation(wide, scale))

    def nats(self, values: Tensor) -> Tensor:
        z = (values.unsqueeze(-2) - self.mean) / self.std
        return _mixed(self.logits, 0.5 * (z * z + _LOG_2PI).sum(-1) + self.std.log().sum(-1))

    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        which = _pick(self.logits, generator, temperature)
        mean, std = _of(self.mean, which), _of(self.std, which)
        return mean + std * _narrowing(temperature) * _normal(mean, generator)


@final
@dataclass(frozen=True)
class PenMixture(StepDistribution):
    """A move of a pen by a mixture of M Gaussians in the plane, and what the pen does then (Graves 2013).

        p(dx, dy, pen) = p(pen) sum_m pi_m N(dx, dy; mean_m, std_m, rho_m),    p(END) alone at the end
        N = exp(-(u^2 + v^2 - 2 rho u v) / (2 (1 - rho^2))) / (2 pi std_x std_y sqrt(1 - rho^2))
        u = (dx - mean_x) / std_x,    v = (dy - mean_y) / std_y

    Values are [..., 3]: dx, dy, and the state DOWN, UP or END, beside which dx and dy play no part. Draws are
    by a bias as of `Gaussians`.

    Args:
        logits: [..., M], of the weights pi.
        mean, std: [..., M, 2].
        rho: [..., M], the correlation of dx and dy.
        pen: [..., 3], logits of the states.
    """

    logits: Tensor
    mean: Tensor
    std: Tensor
    rho: Tensor
    pen: Tensor

    @staticmethod
    def parameters(count: int) -> int:
        """How many raw numbers a mixture of `count` Gaussians takes."""
        return 6 * count + PEN_STATES

    @classmethod
    def of(cls, raw: Tensor, count: int, scale: MixtureScale) -> Self:
        """The distribution that raw numbers [..., parameters] stand for, whatever they are."""
        logits, mean, wide, bent, pen = raw.split([count, 2 * count, 2 * count, count, PEN_STATES], -1)
        mean, wide = (part.unflatten(-1, (count, 2)) for part in (mean, wide))
        rho = MOST_CORRELATED * torch.tanh(bent)
        return cls(logits, scale.centre + scale.deviation * mean, _deviation(wide, scale), rho, pen)

    def nats(self, values: Tensor) -> Tensor:
        u, v = ((values[..., None, :2] - self.mean) / self.std).unbind(-1)
        free = 1 - self.rho * self.rho
        square = (u * u + v * v - 2 * self.rho * u * v) / free
        move = _mixed(self.logits, 0.5 * (square + free.log()) + _LOG_2PI + self.std.log().sum(-1))
        state = values[..., 2].long()
        logp = -self.pen.log_softmax(-1).expand(*state.shape, PEN_STATES)
        return logp.gather(-1, state[..., None])[..., 0] + move.masked_fill(state == END, 0.0)

    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        which, state = (_pick(logits, generator, temperature) for logits in (self.logits, self.pen))
        mean, std, rho = _of(self.mean, which), _of(self.std, which), _of(self.rho[..., None], which)[..., 0]
        u, other = (_normal(mean, generator) * _narrowing(temperature)).unbind(-1)
        v = rho * u + (1 - rho * rho).sqrt() * other
        return torch.cat([mean + std * torch.stack([u, v], -1), state[..., None].to(mean)], -1)


@final
@dataclass(frozen=True)
class IndependentNotes(StepDistribution):
    """N notes, each on or off whatever the others are.

        p(v) = prod_i sigmoid(logits_i)^v_i (1 - sigmoid(logits_i))^(1 - v_i)

    Args:
        logits: [..., N].
    """

    logits: Tensor

    def nats(self, values: Tensor) -> Tensor:
        """See `Steps`; values are 0 or 1."""
        return F.binary_cross_entropy_with_logits(self.logits, values, reduction="none").sum(-1)

    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        return (_uniform(self.logits, generator) < _sharper(self.logits, temperature)).to(self.logits)


@final
@dataclass(frozen=True)
class ChordNADE(StepDistribution):
    """N notes, each on or off given those below it (NADE, Larochelle & Murray 2011).

        p(v) = prod_i p(v_i | v_1 .. v_(i-1))
        p(v_i = 1 | v_1 .. v_(i-1)) = sigmoid(b_i + V_i . tanh(c + sum_(j < i) v_j W_j))

    b and c come from a recurrent network, as in the RNN-NADE of Boulanger-Lewandowski et al. (2012). The
    hidden part changes after notes that are on alone, which are few: it is computed once for each of these.

    Args:
        bias: [..., N], b.
        start: [..., H], c.
        write: [N, H], V.
        read: [N, H], W.
    """

    bias: Tensor
    start: Tensor
    write: Tensor
    read: Tensor

    def nats(self, values: Tensor) -> Tensor:
        """See `Steps`; values are 0 or 1."""
        on = values.flatten(0, -2)
        most = int(on.sum(-1).max())
        places = on.argsort(dim=-1, descending=True, stable=True)[
            :, :most
        ]  # of the notes that are on, upwards
        added = F.embedding(places, self.read) * on.gather(1, places)[..., None]
        start = self.start.flatten(0, -2)[:, None]
        hidden = torch.tanh(torch.cat([start, start + added.cumsum(1)], 1))  # [R, most + 1, H]
        before = (on.cumsum(-1) - on).long()  # how many notes below each are on
        logits = (hidden @ self.write.t()).gather(1, before[:, None])[:, 0].view_as(values) + self.bias
        return F.binary_cross_entropy_with_logits(logits, values, reduction="none").sum(-1)

    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """See `Steps`: the lowest note that is on is found, then the next above it, until there is none."""
        dice, bias = _uniform(self.bias, generator).flatten(0, -2), self.bias.flatten(0, -2)
        hidden, values = self.start.flatten(0, -2), torch.zeros_like(bias)
        numbers, last = torch.arange(bias.shape[1], device=bias.device), bias.new_full((len(bias), 1), -1)
        while True:
            chance = _sharper(bias + torch.tanh(hidden) @ self.write.t(), temperature)
            hits = (dice < chance) & (numbers > last)
            if not hits.any():
                return values.view_as(self.bias)
            some, first = hits.any(1), hits.int().argmax(1)
            values = values.where(~(some[:, None] & (numbers == first[:, None])), 1.0)
            hidden = hidden + self.read[first] * some[:, None]
            last = first[:, None].to(last).where(some[:, None], last.new_tensor(len(numbers)))


def _deviation(wide: Tensor, scale: MixtureScale) -> Tensor:
    """Deviations [..., M, C] in the data's units, above the least one, of any numbers."""
    return scale.deviation * (F.softplus(wide) + scale.least)


def _mixed(logits: Tensor, nats: Tensor) -> Tensor:
    """The surprise [...] of a mixture, by its weights' logits and its parts' surprises, [..., M]."""
    return logits.logsumexp(-1) - (logits - nats).logsumexp(-1)


def _of(parts: Tensor, which: Tensor) -> Tensor:
    """That part [..., C] of some [..., M, C] which is picked at each place [...]."""
    return parts.gather(-2, which[..., None, None].expand(*which.shape, 1, parts.shape[-1]))[..., 0, :]


def _pick(logits: Tensor, generator: torch.Generator, temperature: float) -> Tensor:
    """A number below M at every place, [...], drawn from the softmax of logits [..., M] / temperature."""
    if temperature == 0:
        return logits.argmax(-1)
    return (logits / temperature - (-_uniform(logits, generator).log()).log()).argmax(-1)


def _sharper(logits: Tensor, temperature: float) -> Tensor:
    """The probability that each note is on."""
    return (logits > 0).to(logits) if temperature == 0 else (logits / temperature).sigmoid()


def _narrowing(temperature: float) -> float:
    """What deviations are multiplied by: exp(-b), b = 1 / temperature - 1."""
    return math.exp(1 - 1 / temperature) if temperature else 0.0


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)


def _uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    """From 0 to below 1."""
    return torch.rand(like.shape, generator=generator, dtype=like.dtype, device=like.device)
