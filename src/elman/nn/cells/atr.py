"""The addition-subtraction twin-gated recurrent network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell


@dataclass(frozen=True)
class ATREquations(Cell):
    """A twin-gated recurrent network: both gates from one pair of products, by sum and difference.

    Equation:
        p, q = W x + b, U h + b'
        i, f = sigmoid(p + q), sigmoid(p - q)
        h' = i * p + f * h

    Shapes:
        x [B, F]; h [B, H]; W [H, F]; U [H, H]

    Source: Zhang et al. (2018), Simplifying neural machine translation with addition-subtraction twin-gated
        recurrent networks.
    """

    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """`atr`."""
        return "atr"

    def pointwise(self, wx: Tensor, uh: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Add and subtract; shapes as in `Cell.pointwise`."""
        return (torch.sigmoid(wx + uh) * wx + torch.sigmoid(wx - uh) * state[0],)
