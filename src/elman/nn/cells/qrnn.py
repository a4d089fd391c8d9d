"""The quasi-recurrent network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Recur


@dataclass(frozen=True)
class QRNNEquations(Cell):
    """A quasi-recurrent network with fo-pooling: all products are of the input.

    Equation:
        z, f, o = tanh(W_z x + b_z), sigmoid(W_f x + b_f), sigmoid(W_o x + b_o)
        c' = f * c + (1 - f) * z
        h' = o * c'

    Shapes:
        x [B, F]; h, c [B, H]; W [3 * H, F] in the order z, f, o; there is no U

    The published W reads a window of inputs: give them side by side as x.

    Source: Bradbury et al. (2017), Quasi-recurrent neural networks.
    """

    gates: ClassVar[int] = 3
    recurrent_gates: ClassVar[int | None] = 0
    states: ClassVar[int] = 2
    gate_names: ClassVar[tuple[str, ...]] = ("content", "forget", "output")
    keeps: ClassVar[str] = "forget"

    @property
    def name(self) -> str:
        """`qrnn`."""
        return "qrnn"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Pool and let out; the state is (h, c); shapes as in `Cell.step`."""
        content, forget, output = wx.chunk(3, -1)
        z = torch.tanh(content)
        c = z + torch.sigmoid(forget) * (state[1] - z)
        return torch.sigmoid(output) * c, c
