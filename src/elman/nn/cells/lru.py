"""The linear recurrent unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.base import Cell, Learnt, Recur


@dataclass(frozen=True)
class LRUEquations(Cell):
    """A linear recurrent unit: complex numbers that turn and fade, each at a pace of its own.

    Equation, with z complex, of the parts h and s:
        lambda = exp(-exp(nu) + i * exp(theta))
        z' = lambda * z + exp(gamma) * (W_re x + b_re + i * (W_im x + b_im))
        h' = Re(z')

    Shapes:
        x [B, F]; h, s, nu, theta, gamma [B, H]; W [2 * H, F] in the order re, im; there is no U

    What reads the layer takes the place of the published C, of the real parts, and a residual that of D.

    Source: Orvieto et al. (2023), Resurrecting recurrent neural networks for long sequences; the radii of
        its ring and its phases are `least`, `most` and `phase`.
    """

    gates: ClassVar[int] = 2
    recurrent_gates: ClassVar[int | None] = 0
    states: ClassVar[int] = 2
    gate_names: ClassVar[tuple[str, ...]] = ("real", "imaginary")
    learnt: ClassVar[tuple[Learnt, ...]] = (Learnt("nu"), Learnt("theta"), Learnt("gamma"))
    least: float = 0.9
    most: float = 0.999
    phase: float = 2 * math.pi

    @property
    def name(self) -> str:
        """`lru`."""
        return "lru"

    def entering(self, own: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Re lambda, Im lambda and exp(gamma), [H] each."""
        nu, theta, gamma = own
        radius, angle = torch.exp(-torch.exp(nu)), torch.exp(theta)
        return radius * torch.cos(angle), radius * torch.sin(angle), torch.exp(gamma)

    def decay(self, own: tuple[Tensor, ...]) -> Tensor:
        """|lambda|, [H]."""
        return torch.hypot(own[0], own[1])

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """Turn, fade and add; the state is (h, s), `recur.learnt` what `entering` made; as `Cell.step`."""
        (h, s), (real, imaginary, scale) = state, recur.learnt
        wx_re, wx_im = wx.chunk(2, -1)
        return real * h - imaginary * s + scale * wx_re, imaginary * h + real * s + scale * wx_im

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """W ~ N(0, 1 / (2 F)), so that a complex product has the variance 1; no bias."""
        super().initialise(w_ih, w_hh, b_ih, b_hh)
        w_ih.mul_(2**-0.5)

    @torch.no_grad()
    def initialise_own(self, own: tuple[Tensor, ...]) -> None:
        """Lambda uniform on the ring, and gamma such that a state has the variance of its input."""
        nu, theta, gamma = own
        square = torch.rand_like(nu) * (self.most**2 - self.least**2) + self.least**2
        nu.copy_((-0.5 * square.log()).log())
        theta.copy_((self.phase * (1 - torch.rand_like(nu))).log())
        gamma.copy_(0.5 * (1 - square).log())
