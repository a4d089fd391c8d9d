"""Long short-term memory whose gates see the cell state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.nn.cells.base import Cell, Learnt, Recur


@dataclass(frozen=True)
class PeepholeLSTMEquations(Cell):
    """Long short-term memory with peepholes: each gate sees its unit's own cell state.

    Equation, with a = W x + b + U h + b' in the gate order i, f, g, o:
        i = sigmoid(a_i + p_i * c)
        f = sigmoid(a_f + p_f * c)
        c' = f * c + i * tanh(a_g)
        o = sigmoid(a_o + p_o * c')
        h' = o * tanh(c')

    Shapes:
        x [B, F]; h, c [B, H]; W [4 * H, F]; U [4 * H, H]; p [H] each

    Source: Gers, Schraudolph and Schmidhuber (2002), Learning precise timing with LSTM recurrent networks.
    """

    gates: ClassVar[int] = 4
    states: ClassVar[int] = 2
    gate_names: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")
    keeps: ClassVar[str] = "forget"
    writes: ClassVar[str] = "input"
    learnt: ClassVar[tuple[Learnt, ...]] = (
        Learnt("peephole_input"),
        Learnt("peephole_forget"),
        Learnt("peephole_output"),
    )

    @property
    def name(self) -> str:
        """`peephole_lstm`."""
        return "peephole_lstm"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Write, keep and read; the state is (h, c); shapes as in `Cell.step`."""
        h, c = state
        p_i, p_f, p_o = recur.learnt
        i, f, g, o = (wx + recur(h)).chunk(4, -1)
        c = torch.sigmoid(f + p_f * c) * c + torch.sigmoid(i + p_i * c) * torch.tanh(g)
        return torch.sigmoid(o + p_o * c) * torch.tanh(c), c

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """As `Cell.initialise`, with a forget bias of 1 (Gers et al. 2000); peepholes start at zero."""
        super().initialise(w_ih, w_hh, b_ih, b_hh)
        if b_ih is not None:
            nn.init.ones_(b_ih.chunk(4)[1])
