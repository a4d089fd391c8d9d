"""Long expressive memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.nn.cells.base import Cell, Recur


@dataclass(frozen=True)
class LEMEquations(Cell):
    """Long expressive memory: two states that move at paces of their own, learnt and gated.

    Equation:
        t, s = dt * sigmoid(W_1 x + b_1 + U_1 h + b'_1), dt * sigmoid(W_2 x + b_2 + U_2 h + b'_2)
        z' = (1 - t) * z + t * tanh(W_z x + b_z + U_z h + b'_z)
        h' = (1 - s) * h + s * tanh(W_h x + b_h + U_h z' + b'_h)

    Shapes:
        x [B, F]; h, z [B, H]; W [4 * H, F]; U [4 * H, H], both in the order 1, 2, z, h

    Source: Rusch et al. (2022), Long expressive memory for sequence modeling.
    """

    gates: ClassVar[int] = 4
    states: ClassVar[int] = 2
    gate_names: ClassVar[tuple[str, ...]] = ("pace", "pace_hidden", "memory", "hidden")
    dt: float = 1.0

    @property
    def name(self) -> str:
        """`lem`."""
        return "lem"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Move the memory, then the hidden state; the state is (h, z); shapes as in `Cell.step`."""
        h, z = state
        wx_t, wx_s, wx_z, wx_h = wx.chunk(4, -1)
        uh_t, uh_s, uh_z = recur(h, 0, 3).chunk(3, -1)
        t, s = self.dt * torch.sigmoid(wx_t + uh_t), self.dt * torch.sigmoid(wx_s + uh_s)
        z = z + t * (torch.tanh(wx_z + uh_z) - z)
        return h + s * (torch.tanh(wx_h + recur(z, 3, 4)) - h), z

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """Uniform within 1 / sqrt(H), as published."""
        for weight in (w_ih, w_hh, b_ih, b_hh):
            if weight is not None:
                nn.init.uniform_(weight, -(w_hh.shape[1] ** -0.5), w_hh.shape[1] ** -0.5)
