"""The minimal recurrent network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Recur


@dataclass(frozen=True)
class MinimalRNNEquations(Cell):
    """A minimal recurrent network: inputs are mapped to the space of states, where one gate mixes them in.

    Equation:
        z = tanh(W x + b)
        u = sigmoid(U_h h + U_z z + b'_h + b'_z)
        h' = u * h + (1 - u) * z

    Shapes:
        x [B, F]; h [B, H]; W [H, F]; U [2 * H, H]

    Source: Chen (2017), MinimalRNN: toward more interpretable and trainable recurrent neural networks.
    """

    gates: ClassVar[int] = 1
    recurrent_gates: ClassVar[int | None] = 2
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("input",)

    @property
    def name(self) -> str:
        """`minimal_rnn`."""
        return "minimal_rnn"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Map and mix; shapes as in `Cell.step`."""
        h, z = state[0], torch.tanh(wx)
        u = torch.sigmoid(recur(h, 0, 1) + recur(z, 1, 2))
        return (z + u * (h - z),)
