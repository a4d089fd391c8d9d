"""The undamped independent controlled oscillatory network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Learnt, Recur


@dataclass(frozen=True)
class UnICORNNEquations(Cell):
    """Undamped oscillators, each driven by the input and by itself alone, at a pace of its own.

    Equation:
        z' = z - dt * sigmoid(c) * (tanh(w * h + W x + b) + alpha * h)
        h' = h + dt * sigmoid(c) * z'

    Shapes:
        x [B, F]; h, z, w, c [B, H]; W [H, F]; there is no U

    Source: Rusch and Mishra (2021), UnICORNN: a recurrent model for learning very long time dependencies.
    """

    gates: ClassVar[int] = 1
    recurrent_gates: ClassVar[int | None] = 0
    states: ClassVar[int] = 2
    gate_names: ClassVar[tuple[str, ...]] = ("force",)
    learnt: ClassVar[tuple[Learnt, ...]] = (
        Learnt("recurrent", 0.0, 1.0),
        Learnt("pace", -0.1, 0.1),
    )
    dt: float = 0.19
    alpha: float = 0.9

    @property
    def name(self) -> str:
        """`unicornn`."""
        return "unicornn"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Push and move; the state is (h, z); shapes as in `Cell.step`."""
        h, z = state
        w, c = recur.learnt
        pace = self.dt * torch.sigmoid(c)
        z = z - pace * (torch.tanh(w * h + wx) + self.alpha * h)
        return h + pace * z, z
