"""The minimal gated recurrent unit whose gates see the input alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Recur


@dataclass(frozen=True)
class MinGRUEquations(Cell):
    """A minimal GRU: its gate and its proposal see the input alone, so that the state is linear in itself.

    Equation:
        z = sigmoid(W_z x + b_z)
        h' = (1 - z) * h + z * g(W_h x + b_h), with g(a) = a + 1/2 where a >= 0, else sigmoid(a)

    Shapes:
        x [B, F]; h [B, H]; W [2 * H, F] in the order z, h; there is no U

    Source: Feng et al. (2024), Were RNNs all we needed?, in the form that they train in log space.
    """

    gates: ClassVar[int] = 2
    recurrent_gates: ClassVar[int | None] = 0
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("update", "proposal")
    writes: ClassVar[str] = "update"

    @property
    def name(self) -> str:
        """`mingru`."""
        return "mingru"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Blend; shapes as in `Cell.step`."""
        update, proposal = wx.chunk(2, -1)
        z = torch.sigmoid(update)
        return (state[0] + z * (positive(proposal) - state[0]),)


def positive(x: Tensor) -> Tensor:
    """Return x + 1/2 where x is not negative, else sigmoid(x): above 0, as a logarithm wants it; any shape.

    Source: Feng et al. (2024).
    """
    return torch.where(x >= 0, x + 0.5, torch.sigmoid(x))
