"""The plain kernel: PyTorch, step by step, any cell. It is the truth that every other kernel is held to."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from elman.kernels.base import Case, Cell, Kernel, Weights, padding


class Loop(Kernel):
    """W x for all steps in one product, then the cell step by step."""

    name = "loop"

    def refuses(self, case: Case) -> str | None:
        """Nothing: it serves every case."""
        return None

    def run(
        self,
        cell: Cell,
        x: Tensor,
        state: tuple[Tensor, ...],
        weights: Weights,
        lengths: Tensor | None,
        reverse: bool,
        hidden_mask: Tensor | None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run one layer in one direction; see `Kernel.run`."""
        pad = None if lengths is None else padding(len(x), lengths, x.device)
        if pad is not None:
            # Before the product: a NaN comes back in the gradient, even where its result is dropped.
            x = x.masked_fill(pad[..., None], 0)
        recur = _Recur(weights, state[0].shape[-1], hidden_mask)
        wx = _product(x, weights.w_ih, weights.gain_ih, weights.b_ih, state[0].shape[-1])
        y: list[Tensor] = [x] * len(x)
        for t in reversed(range(len(x))) if reverse else range(len(x)):
            after = cell.step(wx[t], state, recur)
            state = after if pad is None else _live(pad[t], state, after)
            y[t] = state[0]
        out = torch.stack(y)
        return out if pad is None else out.masked_fill(pad[..., None], 0), state


class _Recur:
    """The recurrent product of some gates, masked, normalised and biased as the layer is."""

    def __init__(self, weights: Weights, hidden: int, mask: Tensor | None) -> None:
        self.parts = (weights.w_hh, weights.gain_hh, weights.b_hh)
        self.hidden, self.mask = hidden, mask

    def __call__(self, h: Tensor, first_gate: int = 0, last_gate: int | None = None) -> Tensor:
        end = None if last_gate is None else last_gate * self.hidden
        rows = slice(first_gate * self.hidden, end)
        w, gain, bias = (None if part is None else part[rows] for part in self.parts)
        assert w is not None
        return _product(h if self.mask is None else h * self.mask, w, gain, bias, self.hidden)


def _product(x: Tensor, w: Tensor, gain: Tensor | None, bias: Tensor | None, hidden: int) -> Tensor:
    """`w x + bias`; with a gain, each gate is normalised over its H before the bias (Ba et al. 2016)."""
    if gain is None:
        return F.linear(x, w, bias)
    product = F.linear(x, w).unflatten(-1, (-1, hidden))
    normed = F.layer_norm(product, (hidden,)).flatten(-2) * gain
    return normed if bias is None else normed + bias


def _live(pad: Tensor, before: tuple[Tensor, ...], after: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The state after a step, where the step is within a sequence; pad is [B]."""
    return tuple(torch.where(pad[:, None], old, new) for old, new in zip(before, after, strict=True))
