"""Layers that turn the raw steps of an input into vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

from torch import Tensor, nn

from elman.core.records import Seq
from elman.nn.framing import Frame, framed
from elman.nn.masks import step_mask


class InputLayer(nn.Module, ABC):
    """The first layer of a network: from what `Input.encode` gave to vectors [T, B, width].

    Args:
        width: how many features a vector has.
        input_width: how many a step has; 0: as many.
    """

    def __init__(self, width: int, input_width: int = 0) -> None:
        super().__init__()
        self.width, self.input_width = width, input_width or width

    @abstractmethod
    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Vectors [T, B, width] of symbols [T, B] or features [T, B, F], of any value beyond a length [B]."""

    def frame_width(self, frame: Frame) -> int:
        """Return how many features a frame has: those of its steps, side by side."""
        return self.width * frame.size

    def frames(self, seq: Seq, frame: Frame) -> Seq:
        """Return the vectors [T', B, frame_width] of frames of [T, B] or [T, B, F]; zero beyond a length."""
        vectors = Seq(self(seq.data, seq.lengths), seq.lengths)
        if seq.lengths is not None:
            vectors = Seq(vectors.data * step_mask(seq.data, seq.lengths)[..., None], seq.lengths)
        return framed(vectors, frame)


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
