"""Long short-term memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.nn.cells.base import Cell


@dataclass(frozen=True)
class LSTMEquations(Cell):
    """Long short-term memory: a cell state that gates write, keep and read.

    Equation, with a = W x + b + U h + b' in the gate order i, f, g, o of torch:
        i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)
        g = tanh(a_g)
        c' = f * c + i * g
        h' = o * tanh(c')

    Shapes:
        x [B, F]; h, c [B, H]; W [4 * H, F]; U [4 * H, H]

    Source: Hochreiter and Schmidhuber (1997); the forget gate: Gers et al. (2000).
    """

    gates: ClassVar[int] = 4
    states: ClassVar[int] = 2
    gate_names: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")
    keeps: ClassVar[str] = "forget"
    writes: ClassVar[str] = "input"

    @property
    def name(self) -> str:
        """`lstm`."""
        return "lstm"

    def pointwise(self, wx: Tensor, uh: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Write, keep and read; shapes as in `Cell.pointwise`, the state is (h, c)."""
        i, f, g, o = (wx + uh).chunk(4, -1)
        c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """As `Cell.initialise`, with a forget bias of 1, so that it remembers at first (Gers et al. 2000)."""
        super().initialise(w_ih, w_hh, b_ih, b_hh)
        if b_ih is not None:
            nn.init.ones_(b_ih.chunk(4)[1])
