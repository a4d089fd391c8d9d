"""Distributions that a network gives at each step: from its raw numbers to likelihood, samples and mean."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self, final

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST = 1e-6


class Distribution(ABC):
    """A distribution at every place of a tensor of any shape.

    A network gives `parameters` raw numbers for each, which are made valid here, for values that were divided
    by a scale after a centre was taken from them.
    """

    parameters: ClassVar[int]
    centred: ClassVar[bool]
    """Whether values may be shifted by a centre; counts may not."""

    @classmethod
    @abstractmethod
    def of(cls, raw: Tensor, centre: Tensor, scale: Tensor) -> Self:
        """The distribution of what stands in the data's own units.

        Args:
            raw: [..., parameters], any real numbers.
            centre: [...], what was taken from the values.
            scale: [...], above 0, by what they were divided.
        """

    @abstractmethod
    def nats(self, values: Tensor) -> Tensor:
        """The surprise -ln p(value), [...]; values [...] in the data's own units."""

    @abstractmethod
    def sample(self, generator: torch.Generator) -> Tensor:
        """One draw at every place, [...]."""


@final
@dataclass(frozen=True)
class Gaussian(Distribution):
    """p(x) = exp(-((x - mean) / std)^2 / 2) / (std sqrt(2 pi)).

    Args:
        mean, std: [...].
    """

    mean: Tensor
    std: Tensor
    parameters = 2
    centred = True

    @classmethod
    def of(cls, raw: Tensor, centre: Tensor, scale: Tensor) -> Self:
        """See `Distribution`: mean and log-like width."""
        return cls(centre + scale * raw[..., 0], scale * _positive(raw[..., 1]))

    def nats(self, values: Tensor) -> Tensor:
        z = (values - self.mean) / self.std
        return 0.5 * (z * z + math.log(2 * math.pi)) + self.std.log()

    def sample(self, generator: torch.Generator) -> Tensor:
        return self.mean + self.std * _normal(self.mean, generator)


@final
@dataclass(frozen=True)
class StudentT(Distribution):
    """Heavier tails than a Gaussian: surprises cost less, so one wild value teaches less.

    p(x) = G((d + 1) / 2) / (G(d / 2) sqrt(pi d) width) (1 + z^2 / d)^(-(d + 1) / 2),  z = (x - mean) / width

    Args:
        mean, width: [...].
        degrees: [...] d, above 2, so that the variance is finite.
    """

    mean: Tensor
    width: Tensor
    degrees: Tensor
    parameters = 3
    centred = True

    @classmethod
    def of(cls, raw: Tensor, centre: Tensor, scale: Tensor) -> Self:
        """See `Distribution`: mean, log-like width, degrees of freedom."""
        return cls(centre + scale * raw[..., 0], scale * _positive(raw[..., 1]), 2 + _positive(raw[..., 2]))

    def nats(self, values: Tensor) -> Tensor:
        d, z = self.degrees, (values - self.mean) / self.width
        spread = torch.log1p(z * z / d) * (d + 1) / 2 + self.width.log()
        return spread + torch.lgamma(d / 2) - torch.lgamma((d + 1) / 2) + 0.5 * (math.pi * d).log()

    def sample(self, generator: torch.Generator) -> Tensor:
        """See `Distribution`; by the polar method (Bailey 1994)."""
        u, v = (_uniform(self.mean, generator) for _ in range(2))
        radius = (self.degrees * torch.expm1(-2 / self.degrees * u.log())).sqrt()
        return self.mean + self.width * radius * torch.cos(2 * math.pi * v)


@final
@dataclass(frozen=True)
class NegativeBinomial(Distribution):
    """Counts 0, 1, 2, ... whose variance is mean + shape mean^2 (Salinas et al. 2020).

    p(x) = G(x + r) / (x! G(r)) (1 / (1 + a m))^r (a m / (1 + a m))^x,  m = mean, a = shape, r = 1 / a

    Args:
        mean, shape: [...], above 0.
    """

    mean: Tensor
    shape: Tensor
    parameters = 2
    centred = False

    @classmethod
    def of(cls, raw: Tensor, centre: Tensor, scale: Tensor) -> Self:
        """See `Distribution`: mean and shape, both positive; the centre plays no part."""
        return cls(scale * _positive(raw[..., 0]), _positive(raw[..., 1]) / scale.sqrt())

    def nats(self, values: Tensor) -> Tensor:
        """See `Distribution`; values are counts."""
        r, odds = 1 / self.shape, self.shape * self.mean
        ways = torch.lgamma(values + r) - torch.lgamma(r) - torch.lgamma(values + 1)
        return (values + r) * torch.log1p(odds) - values * odds.log() - ways

    def sample(self, generator: torch.Generator) -> Tensor:
        """See `Distribution`: a Poisson draw whose rate is a draw of a gamma distribution."""
        rate = torch._standard_gamma(1 / self.shape, generator=generator) * self.shape * self.mean
        return torch.poisson(rate, generator=generator)


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "gaussian": Gaussian,
    "student_t": StudentT,
    "negative_binomial": NegativeBinomial,
}


def _positive(raw: Tensor) -> Tensor:
    return F.softplus(raw) + LEAST


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)


def _uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    """From above 0 to 1."""
    return 1 - torch.rand(like.shape, generator=generator, dtype=like.dtype, device=like.device)
