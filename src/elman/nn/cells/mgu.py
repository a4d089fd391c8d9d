"""The minimal gated unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Recur


@dataclass(frozen=True)
class MGUEquations(Cell):
    """A minimal gated unit: a GRU whose one gate both resets and updates.

    Equation:
        f = sigmoid(W_f x + b_f + U_f h + b'_f)
        n = tanh(W_n x + b_n + U_n (f * h) + b'_n)
        h' = (1 - f) * h + f * n

    Shapes:
        x [B, F]; h [B, H]; W [2 * H, F]; U [2 * H, H]

    Source: Zhou et al. (2016), Minimal gated unit for recurrent neural networks.
    """

    gates: ClassVar[int] = 2
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("forget", "proposal")

    @property
    def name(self) -> str:
        """`mgu`."""
        return "mgu"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Forget and propose; shapes as in `Cell.step`."""
        h, (wx_f, wx_n) = state[0], wx.chunk(2, -1)
        f = torch.sigmoid(wx_f + recur(h, 0, 1))
        n = torch.tanh(wx_n + recur(f * h, 1, 2))
        return (h + f * (n - h),)
