"""Damaged patterns to be scored on, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from elman.core.records import Example
from elman.nn import hopfield
from elman.tasks.recall.settings import RecallConfig

LADDER = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Shares, flipped or erased, of which a report tells what is recalled."""

CLOSE = 0.1
"""A number is right within so much, a twentieth of the range of all numbers; a bit, where its sign is."""

_MOST, _MOST_NUMBERS = 10_000, 2_000_000
"""Most cues of a part, and most numbers in them together."""
_RUNG = 200
"""Most cues of a rung of the ladder."""


@dataclass(frozen=True)
class Query(Example):
    """A damaged pattern, and the whole one.

    The target is the whole pattern too, or not-a-number in a cue that is of the ladder and not scored.

    Args:
        whole: [N].
        name: what the pattern is called.
        flipped, erased: the shares of it that were.
    """

    whole: Tensor = field(default_factory=lambda: torch.empty(0))
    name: str = ""
    flipped: float = 0.0
    erased: float = 0.0

    @property
    def scored(self) -> bool:
        """Whether it counts in the scores, which are of one damage alone."""
        return not bool(self.target[0].isnan())


class RecallResult(NamedTuple):
    """What a memory made of a cue.

    Args:
        whole: [N], the last state; of bits, its signs.
        states: [S + 1, N], the cue first.
        energies: [S + 1]; none of a memory without an energy.
        nearest: the place of the stored pattern that is nearest to it.
        overlap: with that one.
        steps: S.
    """

    whole: Tensor
    states: Tensor
    energies: Tensor
    nearest: int
    overlap: float
    steps: int


def made(patterns: Tensor, names: Sequence[str], options: RecallConfig, seed: int) -> list[Query]:
    """Cues of patterns [P, N]: those that are scored, then those of the ladder; the same for a seed.

    Where there are many patterns, they are spread over them.
    """
    generator = torch.Generator().manual_seed(seed)
    count, size = patterns.shape
    most = max(1, min(_MOST, _MOST_NUMBERS // size))
    scored = _spread(count, options.draws, most)
    found = list(_cues(patterns, names, scored, options, generator))
    rungs = [(share, 0.0) for share in LADDER] + [(0.0, share) for share in LADDER[1:]]
    places = _spread(count, options.draws, max(1, min(_RUNG, most // len(rungs))))
    for flipped, erased in rungs:
        whole = patterns[places]
        cues = hopfield.damaged(whole, flipped, erased, generator)
        found += [
            Query(cue[None], torch.full_like(cue, torch.nan), size, right, names[place], flipped, erased)
            for cue, right, place in zip(cues, whole, places.tolist(), strict=True)
        ]
    return found


def _cues(
    patterns: Tensor,
    names: Sequence[str],
    places: Tensor,
    options: RecallConfig,
    generator: torch.Generator,
) -> Iterator[Query]:
    """The cues that are scored: flipped, erased and with noise, as the settings say."""
    whole, flipped, erased = patterns[places], options.flip, options.erase
    damaged = hopfield.damaged(whole, flipped, erased, generator)
    noise = options.jitter * torch.randn(damaged.shape, generator=generator)
    for cue, right, place in zip(damaged + noise, whole, places.tolist(), strict=True):
        yield Query(cue[None], right, len(right), right, names[place], flipped, erased)


def _spread(count: int, draws: int, most: int) -> Tensor:
    """Places of patterns: each `draws` times or less; or, evenly spread, as many of them as there may be."""
    if count >= most:
        return torch.linspace(0, count - 1, most).round().long()
    return torch.arange(count).repeat(min(draws, most // count))


def close(states: Tensor, wholes: Tensor, *, bits: bool) -> Tensor:
    """Whether each number is right: its sign, of bits, or its value within `CLOSE`."""
    return states.sign() == wholes if bits else (states - wholes).abs() <= CLOSE


def overlap(states: Tensor, wholes: Tensor) -> Tensor:
    """x . s / x . x of states s and patterns x [..., N]; of bits the share right less the share wrong."""
    return (states * wholes).sum(-1) / wholes.square().sum(-1).clamp(min=1e-12)


def nearest(cues: Tensor, patterns: Tensor, *, gaps: bool) -> Tensor:
    """For each cue [B, N] the place [B] of the nearest pattern [P, N]: least squared distance.

    Args:
        cues: what is asked for.
        patterns: what is stored.
        gaps: whether places where a cue is 0 are not known, and do not count.
    """
    known = (cues != 0).to(cues) if gaps else torch.ones_like(cues)
    return (known @ patterns.square().t() - 2 * cues @ patterns.t()).argmin(1)
