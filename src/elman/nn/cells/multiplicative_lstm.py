"""The multiplicative LSTM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.nn.cells.base import Cell, Recur


@dataclass(frozen=True)
class MultiplicativeLSTMEquations(Cell):
    """A multiplicative LSTM: another transition for each input, through a product of both.

    Equation:
        m = (W_m x + b_m) * (U_m h + b'_m)
        a = W x + b + U m + b'
        i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)
        c' = f * c + i * tanh(a_g)
        h' = o * tanh(c')

    Shapes:
        x [B, F]; h, c [B, H]; W [5 * H, F]; U [5 * H, H], both in the order m, i, f, g, o

    Source: Krause et al. (2017), Multiplicative LSTM for sequence modelling.
    """

    gates: ClassVar[int] = 5
    states: ClassVar[int] = 2
    gate_names: ClassVar[tuple[str, ...]] = ("multiplied", "input", "forget", "cell", "output")
    keeps: ClassVar[str] = "forget"
    writes: ClassVar[str] = "input"

    @property
    def name(self) -> str:
        """`multiplicative_lstm`."""
        return "multiplicative_lstm"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Multiply, write, keep and read; the state is (h, c); shapes as in `Cell.step`."""
        h, c = state
        wx_m, wx = wx.split([h.shape[-1], 4 * h.shape[-1]], -1)
        m = wx_m * recur(h, 0, 1)
        i, f, g, o = (wx + recur(m, 1, 5)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """As `Cell.initialise`, with a forget bias of 1 (Gers et al. 2000)."""
        super().initialise(w_ih, w_hh, b_ih, b_hh)
        if b_ih is not None:
            nn.init.ones_(b_ih.chunk(5)[2])
