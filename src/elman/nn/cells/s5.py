"""The simplified state space layer, with a diagonal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Learnt, Recur


@dataclass(frozen=True)
class S5Equations(Cell):
    """A diagonal state space, complex, in steps of its own: a linear system, its input constant in a step.

    Equation, with z complex, of the parts h and s:
        a = -exp(alpha) + i * omega, d = exp(delta)
        z' = exp(a * d) * z + (exp(a * d) - 1) / a * (W_re x + b_re + i * (W_im x + b_im))
        h' = 2 * Re(z')

    Shapes:
        x [B, F]; h, s, alpha, omega, delta [B, H]; W [2 * H, F] in the order re, im; there is no U

    The state kept is 2 * z, so that its real part is the output. What reads the layer takes the place of the
    published C, of the real parts, and a residual that of D.

    Source: Smith, Warrington and Linderman (2023), Simplified state space layers for sequence modeling, with
        the diagonal of Gu et al. (2022), S4D-Lin, to start from.
    """

    gates: ClassVar[int] = 2
    recurrent_gates: ClassVar[int | None] = 0
    states: ClassVar[int] = 2
    gate_names: ClassVar[tuple[str, ...]] = ("real", "imaginary")
    learnt: ClassVar[tuple[Learnt, ...]] = (
        Learnt("alpha", math.log(0.5)),
        Learnt("omega"),
        Learnt("delta", math.log(1e-3), math.log(1e-1)),
    )

    @property
    def name(self) -> str:
        """`s5`."""
        return "s5"

    @property
    def entering_scalars(self) -> tuple[bool, ...]:
        """Four for each unit."""
        return (False,) * 4

    def entering(self, own: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Re and Im of the factors of the state and of twice the input, [H] each."""
        alpha, omega, delta = own
        fall, d = -torch.exp(alpha), torch.exp(delta)
        rest, angle = torch.expm1(fall * d), omega * d
        real, imaginary = (rest + 1) * torch.cos(angle), (rest + 1) * torch.sin(angle)
        # exp(a d) - 1 with its digits, which are few where d is small.
        less = rest * torch.cos(angle) - 2 * torch.sin(angle / 2).square()
        size = (fall.square() + omega.square()) / 2
        return (
            real,
            imaginary,
            (less * fall + imaginary * omega) / size,
            (imaginary * fall - less * omega) / size,
        )

    def decay(self, own: tuple[Tensor, ...]) -> Tensor:
        """|exp(a d)|, [H]."""
        return torch.hypot(own[0], own[1])

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Turn, fade and add; the state is (h, s), `recur.learnt` what `entering` made; as `Cell.step`."""
        (h, s), (a_re, a_im, b_re, b_im) = state, recur.learnt
        wx_re, wx_im = wx.chunk(2, -1)
        return (
            a_re * h - a_im * s + b_re * wx_re - b_im * wx_im,
            a_im * h + a_re * s + b_im * wx_re + b_re * wx_im,
        )

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """W ~ N(0, 1 / (2 F)), so that a complex product has the variance 1; no bias."""
        super().initialise(w_ih, w_hh, b_ih, b_hh)
        w_ih.mul_(2**-0.5)

    @torch.no_grad()
    def initialise_own(self, own: tuple[Tensor, ...]) -> None:
        """Omega pi * n of unit n, alpha and delta as `learnt` says."""
        super().initialise_own(own)
        own[1].copy_(math.pi * torch.arange(len(own[1])))
