"""The independently recurrent network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Learnt, Recur


@dataclass(frozen=True)
class IndRNNEquations(Cell):
    """An independently recurrent network: each unit sees itself alone.

    Equation:
        h' = relu(W x + b + u * h)

    Shapes:
        x [B, F]; h, u [B, H]; W [H, F]; there is no U

    Source: Li et al. (2018), Independently recurrent neural network (IndRNN).
    """

    gates: ClassVar[int] = 1
    recurrent_gates: ClassVar[int | None] = 0
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("state",)
    learnt: ClassVar[tuple[Learnt, ...]] = (Learnt("recurrent", 0.0, 1.0),)

    @property
    def name(self) -> str:
        """`indrnn`."""
        return "indrnn"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Add and bend; shapes as in `Cell.step`."""
        (u,) = recur.learnt
        return (torch.relu(wx + u * state[0]),)
