"""The gated recurrent unit, with the reset gate after or before the recurrent product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Recur


@dataclass(frozen=True)
class GRUEquations(Cell):
    """A gated recurrent unit: the hidden state moves towards a proposal n as far as the gate z lets it.

    Equation, in the gate order r, z, n of torch:
        r = sigmoid(W_r x + b_r + U_r h + b'_r)
        z = sigmoid(W_z x + b_z + U_z h + b'_z)
        n = tanh(W_n x + b_n + r * (U_n h + b'_n))   reset after the product, as torch and cuDNN
        n = tanh(W_n x + b_n + U_n (r * h) + b'_n)   reset before it, as first published
        h' = (1 - z) * n + z * h

    Shapes:
        x [B, F]; h [B, H]; W [3 * H, F]; U [3 * H, H]

    Source: Cho et al. (2014).
    """

    gates: ClassVar[int] = 3
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("reset", "update", "proposal")
    keeps: ClassVar[str] = "update"
    reset: Literal["after", "before"] = "after"

    @property
    def name(self) -> str:
        """`gru` or `gru_reset_before`."""
        return "gru" if self.reset == "after" else "gru_reset_before"

    def pointwise(self, wx: Tensor, uh: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Propose and move; shapes as in `Cell.pointwise`; with reset before, uh ends in U_n (r * h)."""
        wx_r, wx_z, wx_n = wx.chunk(3, -1)
        uh_r, uh_z, uh_n = uh.chunk(3, -1)
        if self.reset == "after":
            uh_n = torch.sigmoid(wx_r + uh_r) * uh_n
        n = torch.tanh(wx_n + uh_n)
        return (n + torch.sigmoid(wx_z + uh_z) * (state[0] - n),)

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """One step; with reset before, two products, for the second needs the gate r of the first."""
        if self.reset == "after":
            return super().step(wx, state, recur)
        gates = recur(state[0], 0, 2)
        r = torch.sigmoid(wx.chunk(3, -1)[0] + gates.chunk(2, -1)[0])
        return self.pointwise(wx, torch.cat([gates, recur(r * state[0], 2)], -1), state)
