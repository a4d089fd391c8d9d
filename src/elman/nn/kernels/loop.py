"""The plain kernel: PyTorch, step by step, any cell. The reference for every other kernel."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from elman.nn.kernels.base import CellProtocol, Kernel, KernelRequest, Result, ScanJob, Weights
from elman.nn.masks import step_mask


class Loop(Kernel):
    """W x for all steps in one product, then the cell step by step."""

    name = "loop"

    def refuses(self, case: KernelRequest) -> str | None:
        """Nothing: it serves every case."""
        return None

    def run(self, cell: CellProtocol, job: ScanJob) -> Result:
        """Run one layer in one direction; see `Kernel.run`."""
        steps = StepwiseScan(cell, job)
        return steps.result(*steps.unrolled())


class StepwiseScan:
    """A job step by step: the cell, and what stands around it.

    Attributes:
        inputs: the input product with its bias for all steps, [T, B, G * H].
        recur: gives the recurrent product of a hidden state [B, H].
    """

    def __init__(self, cell: CellProtocol, job: ScanJob) -> None:
        self.cell, self.job = cell, job
        self._pad = None if job.lengths is None else ~step_mask(job.x, job.lengths)
        self.inputs = _inputs(job, self._pad)
        self.recur = _Recur(job.weights, job.hidden_size, job.hidden_mask)

    def __call__(self, t: int, wx: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The state after step t, S tensors [B, H], from that before it; `wx` is `inputs[t]`."""
        job, before = self.job, state
        if self._pad is not None:
            # On padding a step sees zeros: its result is dropped, but zero times a NaN is a NaN in gradients.
            self.recur.pad = self._pad[t][:, None]
            before = tuple(s.masked_fill(self.recur.pad, 0) for s in state)
        entering = before if job.reset is None else _begun(job.reset[t], before)
        after = self.cell.step(wx, entering, self.recur)
        if job.weights.w_hr is not None:
            after = (F.linear(after[0], job.weights.w_hr), *after[1:])
        if job.zone is not None:
            after = tuple(_kept(t, *each) for each in zip(job.zone, entering, after, strict=True))
        return after if self._pad is None else _live(self._pad[t], state, after)

    def order(self) -> Iterable[int]:
        """The steps in the order in which they run."""
        steps = range(len(self.job.x))
        return reversed(steps) if self.job.reverse else steps

    def unrolled(self) -> tuple[list[tuple[Tensor, ...]], tuple[Tensor, ...]]:
        """The state after each of the T steps, in the order of time, and the state after the last one run."""
        wx, state = self.inputs.unbind(), self.job.state
        seen = [state] * len(wx)
        for t in self.order():
            seen[t] = state = self(t, wx[t], state)
        return seen, state

    def result(self, seen: list[tuple[Tensor, ...]], last: tuple[Tensor, ...]) -> Result:
        """What a kernel gives, from what `unrolled` gave."""
        asked = len(last) if self.job.every else 1
        return tuple(_stacked([s[i] for s in seen], last[i], self._pad) for i in range(asked)), last


class _Recur:
    """The recurrent product of some gates, masked, normalised and biased as the layer is.

    Attributes:
        pad: [B, 1], the rows whose present step is padding, where the product is zero; None: no row's is.
    """

    def __init__(self, weights: Weights, hidden: int, mask: Tensor | None) -> None:
        self.parts = (weights.w_hh, weights.gain_hh, weights.b_hh)
        self.hidden, self.mask, self.learnt = hidden, mask, weights.own
        self.pad: Tensor | None = None

    def __call__(self, h: Tensor, first_gate: int = 0, last_gate: int | None = None) -> Tensor:
        end = None if last_gate is None else last_gate * self.hidden
        rows = slice(first_gate * self.hidden, end)
        w, gain, bias = (None if part is None else part[rows] for part in self.parts)
        assert w is not None
        product = _product(h if self.mask is None else h * self.mask, w, gain, bias, self.hidden)
        return product if self.pad is None else product.masked_fill(self.pad, 0)


def _product(x: Tensor, w: Tensor, gain: Tensor | None, bias: Tensor | None, hidden: int) -> Tensor:
    """`w x + bias`; with a gain, each gate is normalised over its H before the bias (Ba et al. 2016)."""
    if gain is None:
        return F.linear(x, w, bias)
    product = F.linear(x, w).unflatten(-1, (-1, hidden))
    normed = F.layer_norm(product, (hidden,)).flatten(-2) * gain
    return normed if bias is None else normed + bias


def _inputs(job: ScanJob, pad: Tensor | None) -> Tensor:
    """The input product with its bias for all steps, [T, B, G * H]."""
    parts = job.weights.w_ih, job.weights.gain_ih, job.weights.b_ih, job.hidden_size
    if pad is None:
        return _product(job.x, *parts)
    # Before the product and after it: a NaN comes back in the gradient, even where its result is dropped.
    return _product(job.x.masked_fill(pad[..., None], 0), *parts).masked_fill(pad[..., None], 0)


def _begun(reset: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The state that enters a step, zero where an episode begins; reset is [B]."""
    return tuple(s.masked_fill(reset[:, None], 0) for s in state)


def _kept(t: int, zone: Tensor | float, old: Tensor, new: Tensor) -> Tensor:
    """One state after a step that keeps a share of what it was."""
    z = zone[t] if isinstance(zone, Tensor) else zone
    return z * old + (1 - z) * new


def _live(pad: Tensor, before: tuple[Tensor, ...], after: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The state after a step, where the step is within a sequence; pad is [B]."""
    return tuple(torch.where(pad[:, None], old, new) for old, new in zip(before, after, strict=True))


def _stacked(steps: list[Tensor], like: Tensor, pad: Tensor | None) -> Tensor:
    """One state at all steps [T, B, H], zero on padding; `like` is [B, H], for where there is no step."""
    out = torch.stack(steps) if steps else like.new_empty(0, *like.shape)
    return out if pad is None else out.masked_fill(pad[..., None], 0)
