"""The recurrent additive network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Recur


@dataclass(frozen=True)
class RANEquations(Cell):
    """A recurrent additive network: the cell state is a weighted sum of the inputs, and no more.

    Equation:
        i, f = sigmoid(W_i x + b_i + U_i h + b'_i), sigmoid(W_f x + b_f + U_f h + b'_f)
        c' = i * (W_c x + b_c) + f * c
        h' = tanh(c')

    Shapes:
        x [B, F]; h, c [B, H]; W [3 * H, F] in the order c, i, f; U [2 * H, H] in the order i, f

    Source: Lee, Levy and Zettlemoyer (2017), Recurrent additive networks.
    """

    gates: ClassVar[int] = 3
    recurrent_gates: ClassVar[int | None] = 2
    states: ClassVar[int] = 2
    gate_names: ClassVar[tuple[str, ...]] = ("content", "input", "forget")
    keeps: ClassVar[str] = "forget"
    writes: ClassVar[str] = "input"

    @property
    def name(self) -> str:
        """`ran`."""
        return "ran"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Weigh and add; the state is (h, c); shapes as in `Cell.step`."""
        h, c = state
        content, wx_i, wx_f = wx.chunk(3, -1)
        uh_i, uh_f = recur(h).chunk(2, -1)
        c = torch.sigmoid(wx_i + uh_i) * content + torch.sigmoid(wx_f + uh_f) * c
        return torch.tanh(c), c
