"""Describe the shape of a series by fixed convolutions and thresholds: MiniRocket, Dempster et al. 2021.

Independent of tasks and files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.core.records import Seq
from elman.nn.augmentation import SignalAugmentation
from elman.nn.framing import EACH_STEP, Frame, summed
from elman.nn.masks import step_mask
from elman.nn.readers import InputLayer

LENGTH = 9
"""Steps that a kernel looks at."""

PATTERNS = len(list(combinations(range(LENGTH), 3)))
"""Kernels of a dilation: of nine weights three are 2 and the others -1, so that shape counts, not level."""

_MOST_DILATIONS = 8

_MOST_CHANNELS = 9
"""Channels that a kernel adds at most."""

_PROBED, _PROBED_STEPS = 16, 4000
"""Sequences, and steps of them, whose convolutions the thresholds are quantiles of."""

_GOLDEN = (math.sqrt(5) - 1) / 2
"""Multiples of it, without their whole part, are spread evenly however many there are."""

_EDGE = 0.02
"""No threshold is a smaller quantile, or a larger one than 1 less this: too few steps would tell."""


class KernelBank(NamedTuple):
    """Kernels of several dilations, the channels that each adds, and its thresholds.

    Args:
        dilations: D of them.
        channels: [D][PATTERNS], the channels of each kernel.
        thresholds: [D][PATTERNS][Q].
    """

    dilations: list[int]
    channels: list[list[list[int]]]
    thresholds: list[list[list[float]]]

    @property
    def features(self) -> int:
        """Return how many thresholds there are in all."""
        return len(self.dilations) * PATTERNS * len(self.thresholds[0][0])

    def check(self, width: int) -> None:
        """See that the parts fit each other and steps of `width` features.

        Raises:
            ValueError: they do not.
        """
        count = len(self.dilations)
        kernels = [*self.channels, *self.thresholds]
        fits = count > 0 and len(self.channels) == len(self.thresholds) == count and min(self.dilations) > 0
        if not fits or any(len(each) != PATTERNS for each in kernels):
            raise ValueError(f"{count} dilations of kernels that do not fit them")
        if len({len(each) for place in self.thresholds for each in place}) != 1:
            raise ValueError("kernels with different numbers of thresholds")
        if any(not 0 <= one < width for place in self.channels for each in place for one in each):
            raise ValueError(f"kernels of other channels than {width}")

    def shares(self) -> Tensor:
        """Return the share of steps [features] expected above each threshold."""
        quantiles = [_quantiles(place, len(self.thresholds[0][0])) for place in range(len(self.dilations))]
        return torch.cat([(1 - each).repeat_interleave(PATTERNS) for each in quantiles])

    def weight(self, place: int, width: int) -> Tensor:
        """Return the kernels [PATTERNS, width, LENGTH] of a dilation over sequences of `width` channels."""
        mixed = torch.zeros(PATTERNS, width)
        for kernel, channels in enumerate(self.channels[place]):
            mixed[kernel, channels] = 1
        return mixed[:, :, None] * _patterns()[:, None]


def learn(sequences: Sequence[Tensor], features: int, seed: int) -> KernelBank:
    """Return a bank of about `features` features for sequences [T, F] such as these.

    Args:
        sequences: standardised.
        features: thresholds in all; at least one for each kernel and dilation.
        seed: of the channels, and of the sequences that are looked at.
    """
    random = torch.Generator().manual_seed(seed)
    width = sequences[0].shape[1]
    dilations = _dilations(sorted(map(len, sequences))[len(sequences) // 2])
    count = max(1, features // (PATTERNS * len(dilations)))
    channels = [[_some(width, random) for _ in range(PATTERNS)] for _ in dilations]
    bank = KernelBank(dilations, channels, [])
    probed = [
        sequences[place] for place in torch.randperm(len(sequences), generator=random)[:_PROBED].tolist()
    ]
    for place in range(len(dilations)):
        seen = [convolved(each.t()[None], bank.weight(place, width), dilations[place])[0] for each in probed]
        values = torch.cat(seen, 1)
        values = values[:, torch.randperm(values.shape[1], generator=random)[:_PROBED_STEPS]]
        bank.thresholds.append(torch.quantile(values, _quantiles(place, count), dim=1).t().tolist())
    return bank


def convolved(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    """Return [B, PATTERNS, T] of [B, F, T], with zeros before the first and after the last step."""
    return F.conv1d(x, weight, padding=LENGTH // 2 * dilation, dilation=dilation)


@final
class RandomKernels(InputLayer):
    """Features of frames: the share of a frame's steps at which a fixed convolution exceeds a threshold.

    Each is centred and scaled by what a threshold's quantile lets expect.

    Args:
        bank: kernels and thresholds.
        augmentation: what training does to the steps before.
    """

    expected: Tensor
    scale: Tensor

    def __init__(self, bank: KernelBank, augmentation: SignalAugmentation) -> None:
        super().__init__(bank.features, augmentation.width)
        self.augmentation, self.dilations = augmentation, bank.dilations
        for place in range(len(bank.dilations)):
            self._fix(f"weight_{place}", bank.weight(place, augmentation.width))
            self._fix(f"threshold_{place}", torch.tensor(bank.thresholds[place]).t())
        expected = bank.shares()
        self._fix("expected", expected)
        self._fix("scale", (expected * (1 - expected)).sqrt())

    def _fix(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)  # the input's file has them

    def parts(self) -> Iterator[tuple[Tensor, Tensor, int]]:
        """Yield the kernels [PATTERNS, F, LENGTH], thresholds [Q, PATTERNS] and dilation of each dilation."""
        for place, dilation in enumerate(self.dilations):
            yield self.get_buffer(f"weight_{place}"), self.get_buffer(f"threshold_{place}"), dilation

    def frame_width(self, frame: Frame) -> int:
        """Return the number of features, which does not depend on a frame's steps."""
        return self.width

    def frames(self, seq: Seq, frame: Frame) -> Seq:
        """Return the features [T', B, width] of frames of steps [T, B, F]."""
        steps, batch = seq.data.shape[:2]
        inside = seq.data.new_ones(steps, batch)
        if seq.lengths is not None:
            inside = step_mask(seq.data, seq.lengths).to(seq.data)
        x = (self.augmentation(seq.data, seq.lengths) * inside[..., None]).permute(1, 2, 0)
        counted = inside.t()[:, None]
        there = summed(counted, frame).clamp(min=1)
        found = []
        for weight, thresholds, dilation in self.parts():
            above = (convolved(x, weight, dilation)[:, None] > thresholds[..., None]) * counted[:, None]
            found.append(summed(above.flatten(1, 2), frame) / there)
        shares = torch.cat(found, 1).permute(2, 0, 1)
        lengths = None if seq.lengths is None else frame.counts(seq.lengths)
        return Seq((shares - self.expected) / self.scale, lengths)

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return whether each convolution exceeds each threshold at each step, centred and scaled."""
        return self.frames(Seq(data, lengths), EACH_STEP).data


def _patterns() -> Tensor:
    """Return the kernels [PATTERNS, LENGTH]."""
    weights = torch.full((PATTERNS, LENGTH), -1.0)
    for kernel, places in enumerate(combinations(range(LENGTH), 3)):
        weights[kernel, list(places)] = 2.0
    return weights


def _dilations(steps: int) -> list[int]:
    """Return up to eight dilations from 1 to that whose kernel is as long as a sequence."""
    most = max(1, (steps - 1) // (LENGTH - 1))
    count = min(most, _MOST_DILATIONS)
    exponents = [math.log2(most) * place / max(1, count - 1) for place in range(count)]
    return sorted({round(2**exponent) for exponent in exponents})


def _quantiles(place: int, count: int) -> Tensor:
    """Return the quantiles [count] of a dilation's thresholds: of all dilations together spread evenly."""
    spread = [(place * count + each + 1) * _GOLDEN % 1 for each in range(count)]
    return _EDGE + (1 - 2 * _EDGE) * torch.tensor(spread)


def _some(width: int, random: torch.Generator) -> list[int]:
    """Return some channels: one or few more often than many."""
    most = min(width, _MOST_CHANNELS)
    count = int(2 ** (float(torch.rand((), generator=random)) * math.log2(most + 1)))
    return sorted(torch.randperm(width, generator=random)[: max(1, min(count, most))].tolist())
