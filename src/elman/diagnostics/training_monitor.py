"""What recurrent layers do in a step of training, seen at next to no cost on the kernels that they run on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elman.diagnostics.layer_stats import LayerStats
from elman.diagnostics.layer_trace import HIGH, LOW
from elman.nn.cells.base import Cell
from elman.nn.kernels import dispatch
from elman.nn.kernels.base import Kernel, KernelRequest, Result, ScanJob
from elman.nn.kernels.loop import StepwiseScan

_ROWS = 4
"""Sequences of a batch that are looked at."""

_GATED = 64
"""Steps, spread over these sequences, at which gates are looked at."""

_FEWEST = 8
"""Minimum steps of a sequence to measure growth."""

_NUDGE = 1e-5
_NOISE, _LINEAR = 1e-13, 1e-2
"""A disturbance, in float64: at first; below and above these, rounding or saturation dominates."""


class LayerMonitor(Kernel):
    """The kernels that would run anyway, and a note of what they did for the first time in each layer."""

    name = "watch"

    def __init__(self) -> None:
        self._seen: dict[tuple[int, bool], tuple[Cell, ScanJob, Result]] = {}

    def refuses(self, case: KernelRequest) -> str | None:
        """Refuse no case: whatever ran is looked at."""
        return None

    def run(self, cell: Any, job: ScanJob) -> Result:
        """Run one layer in one direction; see `Kernel.run`."""
        result = dispatch.choose(dispatch.case_of(cell, job))[0].run(cell, job)
        self._seen.setdefault((id(job.weights.w_hh), job.reverse), (cell, job, result))
        return result

    @torch.no_grad()
    def stats(self) -> LayerStats | None:
        """Return what it saw; None where no recurrent layer ran."""
        if not self._seen:
            return None
        gates, norms, growths = list[Tensor](), list[float](), list[float]()
        for cell, job, (ys, last) in self._seen.values():
            norms.append(float(last[0].float().norm(dim=-1).mean()))
            gates.extend(_gates(cell, job, ys[0]))
            growths.extend(_growth(cell, job))
        shut = [((values < LOW) | (values > HIGH)).float().mean() for values in gates]
        return LayerStats(
            float(torch.stack(shut).mean()) if shut else None,
            max(norms),
            max(growths, default=None),
            max(len(job.x) for _, job, _ in self._seen.values()),
        )


def _gates(cell: Cell, job: ScanJob, hidden: Tensor) -> list[Tensor]:
    """Return the values of the gates at some of the steps, each [N, H]."""
    if not cell.gate_names:
        return []
    steps, rows = len(job.x), min(_ROWS, job.x.shape[1])
    live = [steps] * rows if job.lengths is None else [max(1, int(n)) for n in job.lengths[:rows]]
    each = max(1, _GATED // rows)
    t = torch.cat([torch.linspace(0, n - 1, min(n, each)).long() for n in live])
    b = torch.cat([torch.full((min(n, each),), row) for row, n in enumerate(live)])
    before = t + 1 if job.reverse else t - 1
    first = (before < 0) | (before >= torch.tensor(live)[b])
    t, b, before, first = (index.to(hidden.device) for index in (t, b, before, first))
    entering = torch.where(first[:, None], job.state[0][b], hidden[before.clamp(0, steps - 1), b])
    # The other states do not open gates; those that a sequence starts with have the right shape.
    state = tuple(s.to(job.weights.w_hh) for s in (entering, *(s[b] for s in job.state[1:])))
    step = StepwiseScan(cell, ScanJob(job.x[t, b][None].to(job.weights.w_ih), state, job.weights))
    return list(cell.opened(step.inputs[0], state, step.recur).values())


def _growth(cell: Cell, job: ScanJob) -> list[float]:
    """Return how a disturbance of the first state grows in some sequences; empty if they are short.

    Both runs, with it and without, are one batch in float64, cut to the shortest of them.
    """
    lengths = torch.full((job.x.shape[1],), len(job.x)) if job.lengths is None else job.lengths
    long, rows = lengths.sort(descending=True).values[:_ROWS], lengths.argsort(descending=True)[:_ROWS]
    steps, count = int(long.min()), len(rows)
    if steps < _FEWEST:
        return []
    generator = torch.Generator().manual_seed(0)
    state = [_plain(s[rows]) for s in job.state]
    nudges = [_NUDGE * torch.randn(s.shape, generator=generator, dtype=s.dtype) for s in state]
    both = ScanJob(
        _plain(job.x[:steps, rows]).repeat(1, 2, 1),
        tuple(torch.cat([s, s + nudge]) for s, nudge in zip(state, nudges, strict=True)),
        job.weights.each(_plain),
        reverse=job.reverse,
        every=len(state) > 1,
    )
    ys, _ = dispatch.choose(dispatch.case_of(cell, both))[0].run(cell, both)
    apart = torch.cat([y[:, count:] - y[:, :count] for y in ys], -1).square().mean(-1).sqrt()
    sizes = torch.cat([torch.full((1, count), _NUDGE), apart.flip(0) if job.reverse else apart])
    return [_slope(column) for column in sizes.unbind(1)]


def _slope(sizes: Tensor) -> float:
    """Return ln(size) a step over the second half of the steps at which sizes [T + 1] are measurable."""
    out = ((sizes < _NOISE) | (sizes > _LINEAR)).nonzero()
    end = max(1, int(out[0]) - 1) if len(out) else len(sizes) - 1
    start = end // 2
    return float((sizes[end].clamp(min=_NOISE).log() - sizes[start].log()) / (end - start))


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().double().cpu()
