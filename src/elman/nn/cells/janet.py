"""The forget gate alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.nn.cells.base import Cell


@dataclass(frozen=True)
class JANETEquations(Cell):
    """Just another network: long short-term memory with the forget gate alone.

    Equation, with a = W x + b + U h + b' in the gate order f, g:
        f = sigmoid(a_f)
        h' = f * h + (1 - sigmoid(a_f - beta)) * tanh(a_g)

    Shapes:
        x [B, F]; h [B, H]; W [2 * H, F]; U [2 * H, H]

    Source: Van der Westhuizen and Lasenby (2018), The unreasonable effectiveness of the forget gate.
    """

    gates: ClassVar[int] = 2
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("forget", "cell")
    keeps: ClassVar[str] = "forget"
    beta: float = 1.0

    @property
    def name(self) -> str:
        """`janet`."""
        return "janet"

    def pointwise(self, wx: Tensor, uh: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Keep and write; shapes as in `Cell.pointwise`."""
        s, g = (wx + uh).chunk(2, -1)
        return (torch.sigmoid(s) * state[0] + (1 - torch.sigmoid(s - self.beta)) * torch.tanh(g),)

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """As `Cell.initialise`, with a forget bias of 1."""
        super().initialise(w_ih, w_hh, b_ih, b_hh)
        if b_ih is not None:
            nn.init.ones_(b_ih.chunk(2)[0])
