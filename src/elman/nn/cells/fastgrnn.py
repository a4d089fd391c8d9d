"""The gated network whose gate and proposal share their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Learnt, Recur


@dataclass(frozen=True)
class FastGRNNEquations(Cell):
    """A gated network whose gate and proposal have the same weights, and biases of their own.

    Equation:
        a = W x + b + U h + b'
        z, n = sigmoid(a + b_z), tanh(a + b_n)
        h' = (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * n + z * h

    Shapes:
        x [B, F]; h, b_z, b_n [B, H]; W [H, F]; U [H, H]; zeta, nu [], learnt

    Source: Kusupati et al. (2018), FastGRNN: a fast, accurate, stable and tiny kilobyte sized gated network.
    """

    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1
    learnt: ClassVar[tuple[Learnt, ...]] = (
        Learnt("bias_gate", 1.0),
        Learnt("bias_update", 1.0),
        Learnt("zeta", 1.0, scalar=True),
        Learnt("nu", -4.0, scalar=True),
    )

    @property
    def name(self) -> str:
        """`fastgrnn`."""
        return "fastgrnn"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Keep or propose; shapes as in `Cell.step`."""
        b_z, b_n, zeta, nu = recur.learnt
        a = wx + recur(state[0])
        z = torch.sigmoid(a + b_z)
        return ((torch.sigmoid(zeta) * (1 - z) + torch.sigmoid(nu)) * torch.tanh(a + b_n) + z * state[0],)
