"""Layers that turn the raw steps of an input into vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

from torch import Tensor, nn


class InputLayer(nn.Module, ABC):
    """The first layer of a network: from what `Input.encode` gave to vectors [T, B, width].

    Args:
        width: how many features a vector has.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    @abstractmethod
    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Vectors [T, B, width] of symbols [T, B] or features [T, B, F], of any value beyond a length [B]."""


CHANNELS = 3


@final
class PixelInput(InputLayer):
    """Pixels [T, B, H * W * 3] uint8 as numbers from -1 to 1, of the same shape."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__(height * width * CHANNELS)
        self.shape = height, width, CHANNELS

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """See the class."""
        return data.float() / 127.5 - 1

    def planes(self, data: Tensor) -> Tensor:
        """The numbers of [T, B, H * W * 3] pixels as a convolution takes them: [T, B, 3, H, W]."""
        return self(data).unflatten(2, self.shape).movedim(4, 2)
