"""The light gated recurrent unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell


@dataclass(frozen=True)
class LiGRUEquations(Cell):
    """A light gated recurrent unit: no reset gate, and a relu. (Published with batch normalisation of W x.)

    Equation, with a = W x + b + U h + b' in the gate order z, n:
        z = sigmoid(a_z)
        h' = z * h + (1 - z) * relu(a_n)

    Shapes:
        x [B, F]; h [B, H]; W [2 * H, F]; U [2 * H, H]

    Source: Ravanelli et al. (2018), Light gated recurrent units for speech recognition.
    """

    gates: ClassVar[int] = 2
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("update", "proposal")
    keeps: ClassVar[str] = "update"

    @property
    def name(self) -> str:
        """`ligru`."""
        return "ligru"

    def pointwise(self, wx: Tensor, uh: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Keep or propose; shapes as in `Cell.pointwise`."""
        z, n = (wx + uh).chunk(2, -1)
        n = torch.relu(n)
        return (n + torch.sigmoid(z) * (state[0] - n),)
