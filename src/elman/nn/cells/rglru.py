"""The real-gated linear recurrent unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.nn.cells.base import Cell, Learnt, Recur

_LEAST = 1e-12
"""Below which the root of what is written is flat: its slope at 0 is not finite."""


@dataclass(frozen=True)
class RGLRUEquations(Cell):
    """A real-gated linear recurrent unit: the input says how fast each unit fades, by a pace of its own.

    Equation:
        r, i = sigmoid(W_r x + b_r), sigmoid(W_i x + b_i)
        a = sigmoid(decay)^(8 * r)
        h' = a * h + sqrt(1 - a^2) * (i * (W_x x + b_x))

    Shapes:
        x [B, F]; h, decay [B, H]; W [3 * H, F] in the order x, r, i; there is no U

    Source: De et al. (2024), Griffin: mixing gated linear recurrences with local attention.
    """

    gates: ClassVar[int] = 3
    recurrent_gates: ClassVar[int | None] = 0
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("content", "recurrence", "input")
    learnt: ClassVar[tuple[Learnt, ...]] = (Learnt("decay"),)
    power: float = 8.0

    @property
    def name(self) -> str:
        """`rglru`."""
        return "rglru"

    def entering(self, own: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """-power * log(sigmoid(decay)), [H]."""
        return (self.power * torch.nn.functional.softplus(-own[0]),)

    def decay(self, own: tuple[Tensor, ...]) -> Tensor:
        """a where the gate r is half open, [H]."""
        return torch.exp(-own[0] / 2)

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Fade and add; `recur.learnt` is what `entering` made; shapes as in `Cell.step`."""
        content, recurrence, write = wx.chunk(3, -1)
        fade = recur.learnt[0] * torch.sigmoid(recurrence)
        bent = torch.tanh(fade)  # 1 - exp(-2 fade) = 2 bent / (1 + bent), which keeps its digits
        share = torch.sqrt(torch.clamp(2 * bent / (1 + bent), min=_LEAST))
        return (torch.exp(-fade) * state[0] + share * (torch.sigmoid(write) * content),)

    @torch.no_grad()
    def initialise_own(self, own: tuple[Tensor, ...]) -> None:
        """Such that sigmoid(decay)^power is uniform from 0.9 to 0.999."""
        nn.init.uniform_(own[0], 0.9, 0.999).pow_(1 / self.power).logit_()
