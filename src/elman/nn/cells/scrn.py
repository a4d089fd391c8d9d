"""The structurally constrained recurrent network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Recur


@dataclass(frozen=True)
class SCRNEquations(Cell):
    """A structurally constrained network: beside the hidden state a context that changes slowly.

    Equation:
        s' = (1 - alpha) * (W_s x + b_s) + alpha * s
        h' = sigmoid(W_h x + b_h + U_s s' + b'_s + U_h h + b'_h)

    Shapes:
        x [B, F]; h, s [B, H]; W [2 * H, F]; U [2 * H, H], both in the order s, h

    Source: Mikolov et al. (2015), Learning longer memory in recurrent neural networks.
    """

    gates: ClassVar[int] = 2
    states: ClassVar[int] = 2
    gate_names: ClassVar[tuple[str, ...]] = ("context", "state")
    alpha: float = 0.95

    @property
    def name(self) -> str:
        """`scrn`."""
        return "scrn"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Average, add and bend; the state is (h, s); shapes as in `Cell.step`."""
        h, s = state
        wx_s, wx_h = wx.chunk(2, -1)
        s = (1 - self.alpha) * wx_s + self.alpha * s
        return torch.sigmoid(wx_h + recur(s, 0, 1) + recur(h, 1, 2)), s
