"""Long short-term memory with coupled gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.nn.cells.base import Cell


@dataclass(frozen=True)
class CIFGEquations(Cell):
    """Long short-term memory whose input gate is what its forget gate leaves.

    Equation, with a = W x + b + U h + b' in the gate order f, g, o:
        f, o = sigmoid(a_f), sigmoid(a_o)
        c' = f * c + (1 - f) * tanh(a_g)
        h' = o * tanh(c')

    Shapes:
        x [B, F]; h, c [B, H]; W [3 * H, F]; U [3 * H, H]

    Source: Greff et al. (2017), LSTM: a search space odyssey.
    """

    gates: ClassVar[int] = 3
    states: ClassVar[int] = 2
    gate_names: ClassVar[tuple[str, ...]] = ("forget", "cell", "output")
    keeps: ClassVar[str] = "forget"

    @property
    def name(self) -> str:
        """`cifg`."""
        return "cifg"

    def pointwise(self, wx: Tensor, uh: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Keep, write and read; shapes as in `Cell.pointwise`."""
        f, g, o = (wx + uh).chunk(3, -1)
        f, g = torch.sigmoid(f), torch.tanh(g)
        c = g + f * (state[1] - g)
        return torch.sigmoid(o) * torch.tanh(c), c

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """As `Cell.initialise`, with a forget bias of 1 (Gers et al. 2000)."""
        super().initialise(w_ih, w_hh, b_ih, b_hh)
        if b_ih is not None:
            nn.init.ones_(b_ih.chunk(3)[0])
