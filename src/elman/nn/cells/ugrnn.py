"""The update gate recurrent network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.nn.cells.base import Cell


@dataclass(frozen=True)
class UGRNNEquations(Cell):
    """An update gate recurrent network: one gate between the state and a proposal.

    Equation, with a = W x + b + U h + b' in the gate order g, c:
        g = sigmoid(a_g)
        h' = g * h + (1 - g) * tanh(a_c)

    Shapes:
        x [B, F]; h [B, H]; W [2 * H, F]; U [2 * H, H]

    Source: Collins et al. (2017), Capacity and trainability in recurrent neural networks.
    """

    gates: ClassVar[int] = 2
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("update", "proposal")
    keeps: ClassVar[str] = "update"

    @property
    def name(self) -> str:
        """`ugrnn`."""
        return "ugrnn"

    def pointwise(self, wx: Tensor, uh: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Keep or propose; shapes as in `Cell.pointwise`."""
        g, c = (wx + uh).chunk(2, -1)
        c = torch.tanh(c)
        return (c + torch.sigmoid(g) * (state[0] - c),)

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """As `Cell.initialise`, with an update bias of 1, so that it keeps at first."""
        super().initialise(w_ih, w_hh, b_ih, b_hh)
        if b_ih is not None:
            nn.init.ones_(b_ih.chunk(2)[0])
