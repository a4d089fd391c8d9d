"""Long short-term memory with exponential gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from elman.nn.cells.base import Cell


@dataclass(frozen=True)
class SLSTMEquations(Cell):
    """Long short-term memory with an exponential input gate, a normaliser n and a stabiliser m.

    Equation, with a = W x + b + U h + b' in the gate order i, f, z, o:
        f, o = sigmoid(a_f), sigmoid(a_o)
        m' = max(log(f) + m, a_i)
        keep, write = exp(log(f) + m - m'), exp(a_i - m')
        c' = keep * c + write * tanh(a_z)
        n' = keep * n + write
        h' = o * c' / n'

    Shapes:
        x [B, F]; h, c, n, m [B, H]; W [4 * H, F]; U [4 * H, H]

    Source: Beck et al. (2024), xLSTM: extended long short-term memory.
    """

    gates: ClassVar[int] = 4
    states: ClassVar[int] = 4
    gate_names: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")

    @property
    def name(self) -> str:
        """`slstm`."""
        return "slstm"

    def pointwise(self, wx: Tensor, uh: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Write, keep and read; the state is (h, c, n, m); shapes as in `Cell.pointwise`."""
        _, c, n, m = state
        i, f, z, o = (wx + uh).chunk(4, -1)
        kept = F.logsigmoid(f) + m
        m = torch.maximum(kept, i)
        keep, write = torch.exp(kept - m), torch.exp(i - m)
        c, n = keep * c + write * torch.tanh(z), keep * n + write
        return torch.sigmoid(o) * c / n, c, n, m

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """As `Cell.initialise`, with forget biases from 3 to 6, as published."""
        super().initialise(w_ih, w_hh, b_ih, b_hh)
        if b_ih is not None:
            forget = b_ih.chunk(4)[1]
            forget.copy_(torch.linspace(3, 6, len(forget)))
