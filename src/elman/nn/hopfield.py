"""Associative memory: patterns are attractors of a recurrent network, found again from a part or with noise.

Binary memories have units of -1 and 1 and symmetric weights without a diagonal (Hopfield 1982), learnt by
Hebb's rule, Storkey's, or the pseudo-inverse. The modern memory has real units and keeps the patterns
themselves (Ramsauer et al. 2021). All patterns and queries are rows. Independent of files, tasks and
training.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.core import interruption
from elman.core.errors import ConfigError, DataError

SETTLED = 1e-5
"""A state has settled when no unit moves by more in a step."""

ROUNDING = 1e-6
"""A field within this of 0 moves no unit."""

_LOST = 0.7
"""Overlaps of retrieval are above 0.96, those of lost patterns around 0.35, and few lie between."""

# What is learnt


def hebb(patterns: Tensor) -> Tensor:
    """The weights of Hebb's rule, W = X^T X / N without its diagonal (Hopfield 1982).

    Args:
        patterns: X [P, N] of -1 and 1.

    Returns:
        [N, N].
    """
    weights = patterns.t() @ patterns / patterns.shape[1]
    return weights.fill_diagonal_(0)


def pseudo_inverse(patterns: Tensor) -> Tensor:
    """The projection onto the patterns, W = X^+ X without its diagonal (Personnaz, Guyon & Dreyfus 1985).

    Every pattern is a fixed point as long as the patterns are linearly independent and fewer than N. Without
    the diagonal they attract from further away (Kanter & Sompolinsky 1987).

    Args:
        patterns: X [P, N] of -1 and 1.

    Returns:
        [N, N].
    """
    exact = patterns.double()
    weights = torch.linalg.pinv(exact) @ exact
    return ((weights + weights.t()) / 2).to(patterns.dtype).fill_diagonal_(0)


def storkey(patterns: Tensor) -> Tensor:
    """The weights of Storkey's rule, one pattern x after the other (Storkey 1997).

    w_ij <- w_ij + (x_i x_j - x_i h_ji - h_ij x_j) / N, with h_ij the field of unit i without i and j.

    Args:
        patterns: [P, N] of -1 and 1.

    Returns:
        [N, N].
    """
    size = patterns.shape[1]
    weights = patterns.new_zeros(size, size)
    for x in patterns:
        fields = (weights @ x)[:, None] - weights * x  # h_ij [N, N]: the diagonal is zero, so i is left out
        weights = weights + (torch.outer(x, x) - x[:, None] * fields.t() - fields * x) / size
        weights.fill_diagonal_(0)
    return weights


# What recalls


class AssociativeMemory(ABC):
    """A recurrent network whose attractors are what it remembers."""

    @abstractmethod
    def update(self, states: Tensor, step: int) -> Tensor:
        """The states [B, N] after step `step` (from 0) from states [B, N]."""

    @abstractmethod
    def energy(self, states: Tensor) -> Tensor:
        """The energy [B] of states [B, N], which no step raises unless the memory says so."""


@final
@dataclass(frozen=True, eq=False)
class Asynchronous(AssociativeMemory):
    """A binary memory whose units are updated one after the other, in another order at each step.

    s_i <- sign(sum_j w_ij s_j), and s_i stays where that is 0. A step updates every unit once; no update
    raises the energy E = -1/2 s^T W s (Hopfield 1982).

    Args:
        weights: [N, N], symmetric, the diagonal zero.
        seed: of the orders; they are the same for all queries.
    """

    weights: Tensor
    seed: int = 1

    def update(self, states: Tensor, step: int) -> Tensor:
        """See the class."""
        units = states.t().clone(memory_format=torch.contiguous_format)  # [N, B]
        rows, weights = units.unbind(0), self.weights.unbind(0)  # views: what is written is seen by the next
        for unit in self.order(step):
            rows[unit].copy_(_sign(weights[unit] @ units, rows[unit]))
        return units.t()

    def order(self, step: int) -> list[int]:
        """The units in the order of that step."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        return torch.randperm(len(self.weights), generator=generator).tolist()

    def energy(self, states: Tensor) -> Tensor:
        """E [B] = -1/2 s^T W s."""
        return binary_energy(self.weights, states)


@final
@dataclass(frozen=True, eq=False)
class Synchronous(AssociativeMemory):
    """A binary memory whose units are all updated at once (Little 1974).

    s <- sign(W s). It is faster, but the energy may rise, and two states may follow each other for ever.

    Args:
        weights: [N, N], symmetric, the diagonal zero.
    """

    weights: Tensor

    def update(self, states: Tensor, step: int) -> Tensor:
        """See the class."""
        return _sign(states @ self.weights, states)

    def energy(self, states: Tensor) -> Tensor:
        """E [B] = -1/2 s^T W s."""
        return binary_energy(self.weights, states)


@final
@dataclass(frozen=True, eq=False)
class Modern(AssociativeMemory):
    """A memory of real units that holds its patterns and softly takes the nearest one (Ramsauer et al. 2021).

    xi <- X^T softmax(b (X xi - |x|^2 / 2)), and no step raises the energy
    E = -1/b log sum_p exp(b (x_p . xi - |x_p|^2 / 2)) + |xi|^2 / 2 = -1/b log sum_p exp(-b |x_p - xi|^2 / 2).

    Ramsauer et al. have no |x|^2 / 2, which changes nothing where all patterns are of one length, such as
    those of -1 and 1: the softmax is the same, and the energy differs by a constant. Where they are not, it
    is what keeps the longest patterns from being the nearest to everything.

    Args:
        patterns: X [P, N].
        beta: b, the inverse temperature: the larger, the more of the softmax is on one pattern.

    Raises:
        ConfigError: beta is not above 0.
    """

    patterns: Tensor
    beta: float = 1.0

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise ConfigError("beta", str(self.beta), expected="a number above 0")

    def update(self, states: Tensor, step: int) -> Tensor:
        """See the class."""
        return self._similarities(states).softmax(1) @ self.patterns

    def energy(self, states: Tensor) -> Tensor:
        """E [B] as in the class."""
        return states.square().sum(1) / 2 - self._similarities(states).logsumexp(1) / self.beta

    def _similarities(self, states: Tensor) -> Tensor:
        return self.beta * (states @ self.patterns.t() - self.patterns.square().sum(1) / 2)


def binary_energy(weights: Tensor, states: Tensor) -> Tensor:
    """E [B] = -1/2 s^T W s of states [B, N] under weights [N, N] (Hopfield 1982)."""
    return -((states @ weights) * states).sum(1) / 2


def _sign(fields: Tensor, states: Tensor) -> Tensor:
    """The sign of each field; where that is 0, but for what rounding left, the state as it is."""
    return F.hardshrink(fields, ROUNDING).add_(states, alpha=ROUNDING / 2).sign_()


@dataclass(frozen=True, eq=False)
class RecallTrace:
    """What became of B queries in S steps; those that had settled stay as they were.

    Args:
        states: [S + 1, B, N], the queries first.
        energies: [S + 1, B].
        steps: [B], steps that changed something.
        settled: [B], whether a further step changes nothing.
    """

    states: Tensor
    energies: Tensor
    steps: Tensor
    settled: Tensor

    @property
    def final(self) -> Tensor:
        """The last states [B, N]."""
        return self.states[-1]


@torch.no_grad()
def recall(memory: AssociativeMemory, queries: Tensor, steps: int = 100) -> RecallTrace:
    """Run states from queries until all have settled, or for at most `steps`.

    Args:
        memory: which one.
        queries: [B, N]; a unit that is not known is 0.
        steps: most steps.

    Raises:
        ConfigError: no step.
    """
    if steps < 1:
        raise ConfigError("steps", str(steps), expected="at least 1")
    states, energies = [queries], [memory.energy(queries)]
    moving = torch.ones(len(queries), dtype=torch.bool, device=queries.device)
    taken = torch.zeros(len(queries), dtype=torch.int64, device=queries.device)
    while moving.any() and len(states) <= steps:
        interruption.look()
        before, after, energy = states[-1][moving], states[-1].clone(), energies[-1].clone()
        changed = memory.update(before, len(states) - 1)
        after[moving], energy[moving] = changed, memory.energy(changed)
        moved = (changed - before).abs().amax(1) > SETTLED
        moving[moving.clone()] = moved
        taken += moving
        states.append(after)
        energies.append(energy)
    return RecallTrace(torch.stack(states), torch.stack(energies), taken, ~moving)


# What is measured


def damaged(patterns: Tensor, flipped: float, erased: float, generator: torch.Generator) -> Tensor:
    """Patterns of which an exact share of the units, drawn for each, has its sign turned, or is 0.

    Args:
        patterns: [P, N].
        flipped, erased: shares of the N units, rounded to whole ones.
        generator: of the random places.

    Returns:
        [P, N].

    Raises:
        ConfigError: a share is below 0, or both are above 1 together.
    """
    if min(flipped, erased) < 0 or flipped + erased > 1:
        expected = "shares from 0 to 1, and together no more than 1"
        raise ConfigError("flipped, erased", f"{flipped:g}, {erased:g}", expected=expected)
    size = patterns.shape[1]
    turn = round(flipped * size)
    gone = min(round(erased * size), size - turn)
    place = torch.rand(patterns.shape, generator=generator).argsort(1).argsort(1).to(patterns.device)
    kept = patterns.masked_fill(place >= size - gone, 0)
    return torch.where(place < turn, -kept, kept)


def overlap(states: Tensor, patterns: Tensor) -> Tensor:
    """m [B] = x . s / N of states and patterns [B, N]: 1 where they are the same, 0 by chance."""
    return (states * patterns).mean(-1)


def random_patterns(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Random patterns [count, size] of -1 and 1, each as likely as the other."""
    return torch.randint(0, 2, (count, size), generator=generator).float() * 2 - 1


def basin(
    memory: AssociativeMemory,
    patterns: Tensor,
    shares: Sequence[float],
    *,
    draws: int = 1,
    seed: int = 1,
    steps: int = 100,
) -> Tensor:
    """How far patterns attract: the share that is recalled to the last sign, by the share that was flipped.

    Args:
        memory: which one.
        patterns: [P, N] of -1 and 1, as it has stored them.
        shares: of the units that are flipped.
        draws: of the damage, for each pattern.
        seed: of the damage.
        steps: most steps.

    Returns:
        [len(shares)], each from 0 to 1.
    """
    generator = torch.Generator().manual_seed(seed)
    wanted = patterns.repeat(draws, 1)
    found = [
        recall(memory, damaged(wanted, share, 0.0, generator), steps).final.sign() == wanted
        for share in shares
    ]
    return torch.stack([same.all(1).double().mean() for same in found])


@dataclass(frozen=True, eq=False)
class Capacity:
    """What memories of N units hold at loads a = P / N: L loads, D draws of random patterns at each.

    Args:
        size: N.
        loads: [L], rising.
        overlaps: [L, D], the mean overlap of the patterns with the states they run to.
        retrieved: [L, D], the share of the patterns whose overlap stays above 0.7.
    """

    size: int
    loads: Tensor
    overlaps: Tensor
    retrieved: Tensor

    def critical(self, least: float) -> float:
        """The load at which the mean overlap over all draws falls below `least`, between loads by a line.

        Raises:
            DataError: it does so at none of the loads, or before the first one.
        """
        means = self.overlaps.mean(1)
        below = (means < least).nonzero()
        place = int(below[0]) if len(below) else 0
        if not place:
            got = f"a mean overlap of {means[0]:.3f} to {means[-1]:.3f}"
            expected = f"one that falls through {least:.3f}"
            raise DataError("loads", got, expected=expected, remedy="give loads on both sides")
        (above, under), (first, last) = means[place - 1 : place + 1], self.loads[place - 1 : place + 1]
        return float(first + (last - first) * (above - least) / (above - under))


def capacity(
    make: Callable[[Tensor], AssociativeMemory],
    size: int,
    loads: Sequence[float],
    *,
    draws: int = 1,
    seed: int = 1,
    steps: int = 100,
) -> Capacity:
    """Store more and more random patterns, start from each of them, and see whether the state stays there.

    Args:
        make: a memory of patterns [P, N].
        size: N.
        loads: P / N, rising.
        draws: of the patterns, at each load.
        seed: of the patterns.
        steps: most steps.
    """
    generator = torch.Generator().manual_seed(seed)
    overlaps = [
        [
            _kept(make, random_patterns(max(1, round(load * size)), size, generator), steps)
            for _ in range(draws)
        ]
        for load in loads
    ]
    table = torch.tensor(overlaps, dtype=torch.float64)
    return Capacity(size, torch.tensor(list(loads), dtype=torch.float64), *table.unbind(2))


def _kept(make: Callable[[Tensor], AssociativeMemory], patterns: Tensor, steps: int) -> tuple[float, float]:
    """The mean overlap of patterns with what they run to, and the share whose overlap stays high."""
    kept = overlap(recall(make(patterns), patterns, steps).final, patterns)
    return float(kept.mean()), float((kept > _LOST).double().mean())


def hebb_theory(points: int = 400) -> tuple[Tensor, Tensor]:
    """The overlap of retrieval by load for Hebb's rule, N -> infinity and no noise (Amit et al. 1985).

    With y > 0: a = (erf(y) / y - 2 / sqrt(pi) exp(-y^2))^2 / 2 and m = erf(y). The largest a is the capacity,
    0.138, where m is still 0.967; there m falls to 0 at once.

    Args:
        points: how many.

    Returns:
        Loads [points] that rise from near 0 to the capacity, and overlaps [points].
    """
    y = torch.linspace(1.0, 5.0, 40_001, dtype=torch.float64)
    loads = (torch.erf(y) / y - 2 / math.sqrt(math.pi) * torch.exp(-y * y)).square() / 2
    y = torch.linspace(float(y[loads.argmax()]), 5.0, points, dtype=torch.float64).flip(0)
    loads = (torch.erf(y) / y - 2 / math.sqrt(math.pi) * torch.exp(-y * y)).square() / 2
    return loads, torch.erf(y)
