"""The minimal long short-term memory whose gates see the input alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Recur
from elman.nn.cells.mingru import positive

_LEAST = 1e-30
"""Beside gates that are both shut the state is kept, not divided by zero."""


@dataclass(frozen=True)
class MinLSTMEquations(Cell):
    """A minimal LSTM: its gates see the input alone, and their sum is one.

    Equation:
        f, i = sigmoid(W_f x + b_f), sigmoid(W_i x + b_i)
        h' = f / (f + i) * h + i / (f + i) * g(W_h x + b_h), with g as in `mingru`

    Shapes:
        x [B, F]; h [B, H]; W [3 * H, F] in the order f, i, h; there is no U

    Source: Feng et al. (2024), Were RNNs all we needed?, in the form that they train in log space.
    """

    gates: ClassVar[int] = 3
    recurrent_gates: ClassVar[int | None] = 0
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("forget", "input", "proposal")
    keeps: ClassVar[str] = "forget"
    writes: ClassVar[str] = "input"

    @property
    def name(self) -> str:
        """`minlstm`."""
        return "minlstm"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Weigh and add; shapes as in `Cell.step`."""
        forget, write, proposal = wx.chunk(3, -1)
        f, i = torch.sigmoid(forget) + _LEAST, torch.sigmoid(write)
        return (state[0] + i / (f + i) * (positive(proposal) - state[0]),)
