"""The last layer: from hidden features to how the next step is distributed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn

from elman.nn.mixture_densities import (
    PEN_STATES,
    ChordNADE,
    Gaussians,
    IndependentNotes,
    MixtureScale,
    PenMixture,
    StepDistribution,
)


class Head(nn.Module, ABC):
    """Features -> a distribution."""

    @abstractmethod
    def forward(self, features: Tensor) -> StepDistribution:
        """How the next step is distributed at every place [...] of features [..., size]."""


class Mixture(Head):
    """A linear layer to the raw numbers of a mixture in the data's units.

    Args:
        size: of the features.
        parameters: how many raw numbers.
        count: Gaussians.
        scale: of the values that are mixed.
    """

    centre: Tensor
    deviation: Tensor

    def __init__(self, size: int, parameters: int, count: int, scale: MixtureScale) -> None:
        super().__init__()
        self.count, self.least = count, scale.least
        self.output = nn.Linear(size, parameters)
        self.register_buffer("centre", scale.centre, persistent=False)
        self.register_buffer("deviation", scale.deviation, persistent=False)
        with torch.no_grad():  # Gaussians that begin at one place would learn alike
            nn.init.zeros_(self.output.bias)
            self.output.bias[count : count * (1 + len(scale.centre))].normal_()

    def _said(self, features: Tensor) -> tuple[Tensor, int, MixtureScale]:
        return (
            self.output(features).float(),
            self.count,
            MixtureScale(self.centre, self.deviation, self.least),
        )


@final
class PenHead(Mixture):
    """Moves and states of a pen."""

    def __init__(self, size: int, count: int, scale: MixtureScale) -> None:
        super().__init__(size, PenMixture.parameters(count), count, scale)
        with torch.no_grad():
            self.output.bias[-PEN_STATES:] = torch.tensor([2.0, 0.0, 0.0])  # most points go on

    def forward(self, features: Tensor) -> PenMixture:
        return PenMixture.of(*self._said(features))


@final
class ValuesHead(Mixture):
    """Any numbers."""

    def __init__(self, size: int, count: int, scale: MixtureScale) -> None:
        super().__init__(size, Gaussians.parameters(count, len(scale.centre)), count, scale)

    def forward(self, features: Tensor) -> Gaussians:
        return Gaussians.of(*self._said(features))


@final
class NotesHead(Head):
    """Notes, each for itself, by a linear layer of `size` features."""

    def __init__(self, size: int, notes: int) -> None:
        super().__init__()
        self.output = nn.Linear(size, notes)
        nn.init.constant_(self.output.bias, -3.0)  # few notes are on

    def forward(self, features: Tensor) -> IndependentNotes:
        return IndependentNotes(self.output(features).float())


@final
class ChordHead(Head):
    """Notes that depend on those below them, through `hidden` units."""

    def __init__(self, size: int, notes: int, hidden: int) -> None:
        super().__init__()
        self._notes = notes
        self.output = nn.Linear(size, notes + hidden)
        self.write = nn.Parameter(torch.randn(notes, hidden) * hidden**-0.5)
        self.read = nn.Parameter(torch.randn(notes, hidden) * hidden**-0.5)
        nn.init.constant_(self.output.bias[:notes], -3.0)

    def forward(self, features: Tensor) -> ChordNADE:
        bias, start = self.output(features).float().tensor_split([self._notes], -1)
        return ChordNADE(bias, start, self.write, self.read)
