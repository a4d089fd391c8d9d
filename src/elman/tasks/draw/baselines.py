"""Trivial predictors of the next step, which know that before it at most."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor

from elman.nn.mixture_densities import END, PEN_STATES

_LOG_2PI = math.log(2 * math.pi)


class Baseline(ABC):
    """A predictor that is fitted to steps and says how surprised it is by others."""

    @abstractmethod
    def nats(self, seen: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> float:
        """The surprise of steps, summed.

        Args:
            seen: [N, C] what stood before each step of the training part, and [N, C] the steps.
            other: the same of another part.
        """


@final
class RandomWalk(Baseline):
    """Each move is a draw of one Gaussian, and the pen's state one of its frequencies.

    Args:
        least: the smallest deviation, as the network has it.
        by_pen: whether there is one of each for each state of the pen before the move.
    """

    def __init__(self, least: float, *, by_pen: bool) -> None:
        self._least, self._by_pen = least, by_pen

    def nats(self, seen: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> float:
        if not self._by_pen:
            return self._walk(seen[1], other[1])
        pens = (seen[0][:, 2], other[0][:, 2])
        parts = (tuple(part[pen == state] for part, pen in zip((seen[1], other[1]), pens, strict=True))
                 for state in range(PEN_STATES))  # fmt: skip
        return sum(self._walk(*part) for part in parts)

    def _walk(self, seen: Tensor, other: Tensor) -> float:
        seen, other = seen.double(), other.double()
        counts = torch.bincount(seen[:, 2].long(), minlength=PEN_STATES) + 1
        pen = -(counts / counts.sum()).log()[other[:, 2].long()].sum()
        moves, asked = (steps[steps[:, 2] != END, :2] for steps in (seen, other))
        mean, wide = torch.zeros(2).double(), torch.eye(2).double() * self._least**2
        if len(moves):
            mean = moves.mean(0)
            wide = wide + (moves - mean).t() @ (moves - mean) / len(moves)
        off = asked - mean
        squares = (off @ torch.linalg.inv(wide) * off).sum()
        return float(pen + 0.5 * squares + len(asked) * (_LOG_2PI + 0.5 * torch.logdet(wide)))


@final
class Frequencies(Baseline):
    """Each note sounds as often as it did in the training part, in any frame; or after itself and else.

    Args:
        after: whether it counts if the note sounded in the frame before.
    """

    def __init__(self, *, after: bool) -> None:
        self._after = after

    def nats(self, seen: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> float:
        before, frames = (part.double() for part in seen)
        asked, wanted = (part.double() for part in other)
        if not self._after:
            return _coins((frames.sum(0) + 1) / (len(frames) + 2), wanted)
        chances = [
            ((was * frames).sum(0) + 1) / (was.sum(0) + 2) for was in (1 - before, before)
        ]  # after silence, after itself
        return _coins(torch.where(asked > 0, chances[1], chances[0]), wanted)


@final
class GaussianSteps(Baseline):
    """Each channel is a Gaussian; around its mean, or a line from its value a step before.

    Args:
        least: [C] the smallest deviations, as the network has them.
        after: whether it follows from the value before.
    """

    def __init__(self, least: Tensor, *, after: bool) -> None:
        self._least, self._after = least.double(), after

    def nats(self, seen: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> float:
        before, steps = (part.double() for part in seen)
        asked, wanted = (part.double() for part in other)
        spread = (before - before.mean(0)).square().sum(0)
        shared = ((before - before.mean(0)) * (steps - steps.mean(0))).sum(0)
        slope = shared / spread.clamp(min=1e-12) * self._after
        level = steps.mean(0) - slope * before.mean(0)
        wide = ((steps - level - slope * before).square().mean(0) + self._least**2).sqrt()
        z = (wanted - level - slope * asked) / wide
        return float((0.5 * (z * z + _LOG_2PI) + wide.log()).sum())


def _coins(chance: Tensor, wanted: Tensor) -> float:
    return float(-torch.where(wanted > 0, chance, 1 - chance).log().sum())
