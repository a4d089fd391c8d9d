"""The simple recurrent network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from elman.nn.cells.base import Cell


@dataclass(frozen=True)
class RNNEquations(Cell):
    """A simple recurrent network: the new hidden state is one nonlinear layer of input and hidden state.

    Equation:
        h' = tanh(W x + b + U h + b'), or relu in place of tanh

    Shapes:
        x [B, F]; h [B, H]; W [H, F]; U [H, H]

    Source: Elman (1990), Finding structure in time.
    """

    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("state",)
    nonlinearity: Literal["tanh", "relu"] = "tanh"

    @property
    def name(self) -> str:
        """`rnn` or `rnn_relu`."""
        return "rnn" if self.nonlinearity == "tanh" else "rnn_relu"

    def pointwise(self, wx: Tensor, uh: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Add and bend; shapes as in `Cell.pointwise`."""
        bend = torch.tanh if self.nonlinearity == "tanh" else torch.relu
        return (bend(wx + uh),)
