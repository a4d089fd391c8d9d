"""What the first layer of a network reads of a step: moves of a pen, frames of notes, or any numbers."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.nn.mixture_densities import PEN_STATES, MixtureScale
from elman.nn.readers import InputLayer


class _Features(InputLayer):
    """What the first layer reads of a step, disturbed in training as `signal.noise` says."""

    def __init__(self, width: int, noise: float) -> None:
        super().__init__(width)
        self._noise = noise

    def _disturbed(self, data: Tensor) -> Tensor:
        return data + self._noise * torch.randn_like(data) if self.training and self._noise else data


class Scaled(_Features):
    """Values [T, B, C] with their centre taken off, divided by their deviation."""

    centre: Tensor
    deviation: Tensor

    def __init__(self, width: int, noise: float, scale: MixtureScale) -> None:
        super().__init__(width, noise)
        self.register_buffer("centre", scale.centre, persistent=False)
        self.register_buffer("deviation", scale.deviation, persistent=False)

    def _scaled(self, data: Tensor) -> Tensor:
        return self._disturbed((data - self.centre) / self.deviation)


@final
class Moves(Scaled):
    """Moves of a pen: dx and dy scaled, and which state the pen is in."""

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """[T, B, 2 + 3] of [T, B, 3]."""
        states = F.one_hot(data[..., 2].long(), PEN_STATES).to(data)
        return torch.cat([self._scaled(data[..., :2]), states], -1)


@final
class NumberFeatures(Scaled):
    """Any numbers, scaled."""

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """[T, B, C], the same shape as came in."""
        return self._scaled(data)


@final
class FrameFeatures(_Features):
    """Frames of notes as they are."""

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """[T, B, C], the same shape as came in."""
        return self._disturbed(data)
