"""The coupled oscillatory recurrent network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.nn.cells.base import Cell, Recur


@dataclass(frozen=True)
class CoRNNEquations(Cell):
    """A coupled oscillatory recurrent network: units are damped oscillators that drive each other.

    Equation:
        z' = z + dt * (tanh(W x + b + U_h h + b'_h + U_z z + b'_z) - gamma * h - epsilon * z)
        h' = h + dt * z'

    Shapes:
        x [B, F]; h, z [B, H]; W [H, F]; U [2 * H, H]

    Source: Rusch and Mishra (2021), Coupled oscillatory recurrent neural network (coRNN), where dt, gamma and
        epsilon are from.
    """

    gates: ClassVar[int] = 1
    recurrent_gates: ClassVar[int | None] = 2
    states: ClassVar[int] = 2
    gate_names: ClassVar[tuple[str, ...]] = ("force",)
    dt: float = 0.042
    gamma: float = 2.7
    epsilon: float = 4.7

    @property
    def name(self) -> str:
        """`cornn`."""
        return "cornn"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Push and move; the state is (h, z); shapes as in `Cell.step`."""
        h, z = state
        force = torch.tanh(wx + recur(h, 0, 1) + recur(z, 1, 2))
        z = z + self.dt * (force - self.gamma * h - self.epsilon * z)
        return h + self.dt * z, z

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """Uniform within 1 / sqrt(F) and 1 / sqrt(2 H), as published: one map of (h, z) there."""
        nn.init.uniform_(w_ih, -(w_ih.shape[1] ** -0.5), w_ih.shape[1] ** -0.5)
        nn.init.uniform_(w_hh, -((2 * w_hh.shape[1]) ** -0.5), (2 * w_hh.shape[1]) ** -0.5)
        for bias in (b_ih, b_hh):
            if bias is not None:
                nn.init.zeros_(bias)
