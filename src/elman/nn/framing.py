"""Join several steps into one frame."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from elman.core.records import Seq


class Frame(NamedTuple):
    """How many steps are put side by side into one, and how many lie from one to the next."""

    size: int = 1
    hop: int = 1

    def frames(self, steps: int) -> int:
        """Return the number of frames of a sequence of `steps`."""
        return 1 + max(0, -((self.size - steps) // self.hop))

    def counts(self, lengths: Tensor) -> Tensor:
        """Return the numbers of frames [B] of sequences of `lengths` [B] steps."""
        return (-((self.size - lengths).clamp(max=0) // self.hop)) + 1


EACH_STEP = Frame()


def framed(seq: Seq, frame: Frame) -> Seq:
    """Steps side by side in frames, each beginning `hop` steps after the one before.

    Args:
        seq: [T, B, F], zero beyond a length.
        frame: of how many steps, and how far apart.

    Returns:
        [T', B, size * F]; a sequence of n steps has 1 + ceil((n - size) / hop) frames, and at least one, the
        last one filled up with zeros.
    """
    if frame == EACH_STEP:
        return seq
    steps, counts = seq.data.shape[0], None
    if seq.lengths is None:
        most = frame.frames(steps)  # no number of a tensor: a graph can be made of it
    else:
        counts = frame.counts(seq.lengths)
        most = int(counts.max())
    needed = (most - 1) * frame.hop + frame.size
    padded = F.pad(seq.data, (0, 0, 0, 0, 0, max(0, needed - steps)))[:needed]
    data = padded.unfold(0, frame.size, frame.hop).transpose(2, 3).flatten(2)
    return Seq(data, counts)


def summed(x: Tensor, frame: Frame) -> Tensor:
    """Return the sums [B, C, T'] over the steps of each frame of [B, C, T], zeros standing after the last."""
    if frame == EACH_STEP:
        return x
    steps = x.shape[2]
    needed = (frame.frames(steps) - 1) * frame.hop + frame.size
    return F.avg_pool1d(F.pad(x, (0, max(0, needed - steps))), frame.size, frame.hop) * frame.size
