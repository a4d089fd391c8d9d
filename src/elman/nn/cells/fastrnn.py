"""The simple network with a residual connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Learnt, Recur


@dataclass(frozen=True)
class FastRNNEquations(Cell):
    """A simple recurrent network with a weighted residual connection.

    Equation:
        h' = sigmoid(alpha) * tanh(W x + b + U h + b') + sigmoid(beta) * h

    Shapes:
        x [B, F]; h [B, H]; W [H, F]; U [H, H]; alpha, beta [], learnt

    Source: Kusupati et al. (2018), FastGRNN: a fast, accurate, stable and tiny kilobyte sized gated network.
    """

    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("state",)
    learnt: ClassVar[tuple[Learnt, ...]] = (
        Learnt("alpha", -3.0, scalar=True),
        Learnt("beta", 3.0, scalar=True),
    )

    @property
    def name(self) -> str:
        """`fastrnn`."""
        return "fastrnn"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Add and bend; shapes as in `Cell.step`."""
        alpha, beta = recur.learnt
        return (torch.sigmoid(alpha) * torch.tanh(wx + recur(state[0])) + torch.sigmoid(beta) * state[0],)
