"""The simple recurrent unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.nn.cells.base import Cell, Learnt, Recur


@dataclass(frozen=True)
class SRUEquations(Cell):
    """A simple recurrent unit: each unit's gates see its own memory alone, and a highway passes it by.

    Equation:
        f = sigmoid(W_f x + v_f * c + b_f)
        r = sigmoid(W_r x + v_r * c + b_r)
        c' = f * c + (1 - f) * (W x + b)
        h' = r * c' + (1 - r) * (W_s x + b_s)

    Shapes:
        x [B, F]; h, c, v [B, H]; W [4 * H, F] in the order content, f, r, s; there is no U

    The published highway is the input itself where F = H; W_s, which starts from the paper's scale sqrt(3),
    serves any F.

    Source: Lei et al. (2018), Simple recurrent units for highly parallelizable recurrence.
    """

    gates: ClassVar[int] = 4
    recurrent_gates: ClassVar[int | None] = 0
    states: ClassVar[int] = 2
    gate_names: ClassVar[tuple[str, ...]] = ("content", "forget", "reset", "highway")
    keeps: ClassVar[str] = "forget"
    learnt: ClassVar[tuple[Learnt, ...]] = (Learnt("recurrent_forget"), Learnt("recurrent_reset"))

    @property
    def name(self) -> str:
        """`sru`."""
        return "sru"

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Keep and pass by; the state is (h, c); shapes as in `Cell.step`."""
        content, forget, reset, highway = wx.chunk(4, -1)
        (v_f, v_r), c = recur.learnt, state[1]
        f, r = torch.sigmoid(forget + v_f * c), torch.sigmoid(reset + v_r * c)
        c = content + f * (c - content)
        return highway + r * (c - highway), c

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """As `Cell.initialise`, with the highway times sqrt(3), which keeps the variance of the output."""
        super().initialise(w_ih, w_hh, b_ih, b_hh)
        w_ih.chunk(4)[3].mul_(3**0.5)

    @torch.no_grad()
    def initialise_own(self, own: tuple[Tensor, ...]) -> None:
        """Uniform within sqrt(3 / H)."""
        for v in own:
            nn.init.uniform_(v, -((3 / len(v)) ** 0.5), (3 / len(v)) ** 0.5)
