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
LEAST_SHAPE = 1e-12


class Distribution(ABC):
    """A distribution at every place of a tensor of any shape.

    A network gives `parameters` raw numbers for each, which are made valid here, for values that were divided
    by a scale after a centre was taken from them.
    """

    parameters: ClassVar[int]
    spread: ClassVar[int] = 1
    """Which of them says how far values spread: the more, the further."""
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
        """See `Distribution`: mean and shape, both positive; the centre plays no part.

        The mean is in scales; the shape, which has no unit, is not.
        """
        return cls(scale * _positive(raw[..., 0]), F.softplus(raw[..., 1]) + LEAST_SHAPE)

    def nats(self, values: Tensor) -> Tensor:
        """See `Distribution`; values are counts.

        With r = 1 / shape, G(z) = (z - 1/2) ln z - z + ln(2 pi) / 2 + s(z) is put in for ln Gamma(z), so that
        what is large cancels on paper (like Loader 2000): this holds at any mean and shape, in float64.
        """
        x, mean, r = _wide(values), _wide(self.mean), 1 / _wide(self.shape)
        off = x - mean
        there = x > 0
        own = torch.where(there, x * torch.log1p(torch.where(there, off / mean, torch.zeros_like(off))), x)
        both = (x + r) * torch.log1p(off / (mean + r))
        ways = 0.5 * (torch.log1p(x / r)) + stirling(r) - stirling(x + r)
        alone = torch.where(
            there, 0.5 * torch.log(2 * math.pi * x.clamp(min=1)) + stirling(x.clamp(min=1)), x
        )
        return (own - both + ways + alone).to(self.mean.dtype)

    def sample(self, generator: torch.Generator) -> Tensor:
        """See `Distribution`: a Poisson draw whose rate is a draw of a gamma distribution."""
        rate = torch._standard_gamma(1 / self.shape, generator=generator) * self.shape * self.mean
        return torch.poisson(rate, generator=generator)


@final
@dataclass(frozen=True)
class ScaledNegativeBinomial(NegativeBinomial):
    """As `NegativeBinomial`, but for a shape over the root of the scale: of models that learnt it so."""

    @classmethod
    def of(cls, raw: Tensor, centre: Tensor, scale: Tensor) -> Self:
        """See `Distribution` (Salinas et al. 2020)."""
        return cls(scale * _positive(raw[..., 0]), _positive(raw[..., 1]) / scale.sqrt())


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "gaussian": Gaussian,
    "student_t": StudentT,
    "negative_binomial": NegativeBinomial,
}


def _positive(raw: Tensor) -> Tensor:
    return F.softplus(raw) + LEAST


def stirling(z: Tensor) -> Tensor:
    """What Stirling's formula lacks: ln Gamma(z) - (z - 1/2) ln z + z - ln(2 pi) / 2, of z above 0."""
    inverse = 1 / z.clamp(min=_STIRLING)
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    small = z.clamp(max=_STIRLING)
    plain = torch.lgamma(small) - (small - 0.5) * small.log() + small - 0.5 * math.log(2 * math.pi)
    return torch.where(z < _STIRLING, plain, series)


_STIRLING = 16.0


def _wide(numbers: Tensor) -> Tensor:
    """The numbers in float64, where the device has it."""
    return numbers if numbers.device.type == "mps" else numbers.double()


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)


def _uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    """From above 0 to 1."""
    return 1 - torch.rand(like.shape, generator=generator, dtype=like.dtype, device=like.device)
