"""The antisymmetric recurrent network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.nn.cells.base import Cell, Recur


@dataclass(frozen=True)
class AntisymmetricRNNEquations(Cell):
    """An antisymmetric network: an Euler step of a differential equation that neither grows nor fades.

    Equation:
        h' = h + epsilon * tanh(W x + b + (U - U^T - gamma I) h + b')

    Shapes:
        x [B, F]; h [B, H]; W [H, F]; U [H, H]

    Source: Chang et al. (2019), AntisymmetricRNN: a dynamical system view on recurrent neural networks.
    """

    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("state",)
    epsilon: float = 0.01
    gamma: float = 0.01

    @property
    def name(self) -> str:
        """`antisymmetric_rnn`."""
        return "antisymmetric_rnn"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Push and move; shapes as in `Cell.step`."""
        h = state[0]
        return (h + self.epsilon * torch.tanh(wx + recur(h) - self.gamma * h),)

    def recurrent(self, w_hh: Tensor) -> Tensor:
        """U - U^T; see `Cell.recurrent`."""
        return w_hh - w_hh.T

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """W ~ N(0, 1 / F), and U ~ N(0, 1 / H), as published."""
        super().initialise(w_ih, w_hh, b_ih, b_hh)
        nn.init.normal_(w_hh, std=w_hh.shape[1] ** -0.5)
