"""The recurrent highway network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.nn.cells.base import Cell, Recur


@dataclass(frozen=True)
class RHNEquations(Cell):
    """A recurrent highway network: each step is some layers deep, each layer carried past by a gate.

    Equation:
        for each layer l of a step, with x in the first alone:
            n = tanh(W_n x + b_n + U_n^l h + b'_n^l)
            t = sigmoid(W_t x + b_t + U_t^l h + b'_t^l)
            h = n * t + h * (1 - t)

    Shapes:
        x [B, F]; h [B, H]; W [2 * H, F]; U [6 * H, H], for each layer n and t

    Source: Zilly et al. (2017), Recurrent highway networks; here of depth 3.
    """

    gates: ClassVar[int] = 2
    recurrent_gates: ClassVar[int | None] = 6
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("proposal", "transform")

    @property
    def name(self) -> str:
        """`rhn`."""
        return "rhn"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Move layer by layer; shapes as in `Cell.step`."""
        (h,), (wx_n, wx_t) = state, wx.chunk(2, -1)
        for layer in range(3):
            uh_n, uh_t = recur(h, 2 * layer, 2 * layer + 2).chunk(2, -1)
            n, t = (uh_n, uh_t) if layer else (wx_n + uh_n, wx_t + uh_t)
            h = h + torch.sigmoid(t) * (torch.tanh(n) - h)
        return (h,)

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """As `Cell.initialise`, with biases of -2 of the gates, so that they carry at first."""
        super().initialise(w_ih, w_hh, b_ih, b_hh)
        if b_hh is not None:
            for gate in b_hh.chunk(6)[1::2]:
                nn.init.constant_(gate, -2)
