"""torch's own fused functions: oneDNN for float32 LSTM on a CPU, cuDNN on a GPU, native loops elsewhere.

oneDNN and cuDNN have no second derivative; where one is needed, take the loop.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from elman.nn.kernels.base import CellProtocol, Kernel, KernelRequest, Result, ScanJob, Weights, is_autocast

_FUNCTIONS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "rnn": torch.rnn_tanh,
    "rnn_relu": torch.rnn_relu,
    "lstm": torch.lstm,
    "gru": torch.gru,
}

_STEPS: dict[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    "rnn": torch.rnn_tanh_cell,
    "rnn_relu": torch.rnn_relu_cell,
    "lstm": torch.lstm_cell,
    "gru": torch.gru_cell,
}
"""A single step; oneDNN, for one, lays an LSTM's weights out anew at every call of the others."""

_LACKING = {
    "normed": "layer normalisation inside the cell",
    "masked": "dropout on the recurrent path",
    "reset": "reset of the state on the way",
    "zoned": "zoneout",
    "every": "other state than the hidden one at all steps",
}


class Aten(Kernel):
    """torch's fused RNN, LSTM and GRU."""

    name = "aten"

    def refuses(self, case: KernelRequest) -> str | None:
        """Another cell than torch's, and anything inside the step that torch does not have."""
        if case.cell not in _FUNCTIONS:
            return f"torch has no fused {case.cell!r}"
        if case.steps == 0:
            return "torch's fused functions want a step at least"
        if case.device == "meta" and case.ragged:
            return "torch packs no sequences without their numbers"
        if case.projected and case.cell != "lstm":
            return f"torch's fused functions have no projection of {case.cell!r}"
        for flag, what in _LACKING.items():
            if getattr(case, flag):
                return f"torch's fused functions have no {what}"
        return None

    def run(self, cell: CellProtocol, job: ScanJob) -> Result:
        """Run one layer in one direction; see `Kernel.run`."""
        if job.lengths is None:
            y, last = (_single if _is_single(job) else _dense)(cell.name, job)
        elif len(job.lengths) and job.lengths.all():
            y, last = _ragged(cell.name, job, job.lengths)
        else:
            y, last = _some_empty(cell.name, job, job.lengths)
        return (y,), last


def _is_single(job: ScanJob) -> bool:
    """Whether it is one step as torch's cells take it; autocast gives them other dtypes than layers."""
    plain = job.x.shape[0] == 1 and job.weights.w_hr is None
    # A trace of one step would be one step of any sequence.
    return plain and not (is_autocast(job.x.device.type) or torch.jit.is_tracing())


def _single(name: str, job: ScanJob) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One step, in either direction."""
    state = job.state if name == "lstm" else job.state[0]
    last = _STEPS[name](job.x[0], state, *_flat(job.weights)[0])
    last = (last,) if isinstance(last, Tensor) else last
    return last[0].unsqueeze(0), last


def _dense(name: str, job: ScanJob) -> tuple[Tensor, tuple[Tensor, ...]]:
    y, last = _call(name, (job.x.flip(0) if job.reverse else job.x,), job.state, job.weights)
    return (y.flip(0) if job.reverse else y), last


def _some_empty(name: str, job: ScanJob, lengths: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """torch packs no empty sequence: run the others, and put theirs in place."""
    steps, batch, _ = job.x.shape
    rows = lengths.nonzero().squeeze(1)
    if not len(rows):
        return job.x.new_zeros(steps, batch, job.state[0].shape[1]), job.state
    lengths, rows = lengths[rows], rows.to(job.x.device)
    state = tuple(s.index_select(0, rows) for s in job.state)
    part, new = _ragged(name, job._replace(x=job.x.index_select(1, rows), state=state), lengths)
    y = part.new_zeros(steps, batch, part.shape[2]).index_copy(1, rows, part)
    return y, tuple(s.to(n.dtype).index_copy(0, rows, n) for s, n in zip(job.state, new, strict=True))


def _ragged(name: str, job: ScanJob, lengths: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Pack, run, and pad back; torch's packed functions want the longest sequence first."""
    steps = len(job.x)
    order = _reversed(steps, lengths, job.x.device) if job.reverse else None
    packed = pack_padded_sequence(_take(job.x, order), lengths, enforce_sorted=False)
    sort, unsort = packed.sorted_indices, packed.unsorted_indices
    assert sort is not None
    assert unsort is not None
    state = tuple(s.index_select(0, sort) for s in job.state)
    data, state = _call(name, (packed.data, packed.batch_sizes), state, job.weights)
    y, _ = pad_packed_sequence(packed._replace(data=data), total_length=steps)
    return _take(y, order), tuple(s.index_select(0, unsort) for s in state)


def _reversed(steps: int, lengths: Tensor, device: torch.device) -> Tensor:
    """Which step to take at each place [T, B], so that each sequence is turned about and padding stays."""
    t = torch.arange(steps, device=device)[:, None]
    lengths = lengths.to(device)
    return torch.where(t < lengths, lengths - 1 - t, t)


def _take(x: Tensor, order: Tensor | None) -> Tensor:
    """x [T, B, F] with each sequence's steps in that order [T, B]."""
    return x if order is None else x.gather(0, order[..., None].expand_as(x))


def _call(
    name: str, data: tuple[Tensor, ...], state: tuple[Tensor, ...], weights: Weights
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer in torch's own function; data is (x,) or (packed, batch sizes)."""
    flat, biased = _flat(weights)
    hx = [s.unsqueeze(0).contiguous() for s in state]
    # cuDNN keeps what backward needs only when told that this is training, whatever mode the module is in.
    # A trace is for both.
    training = torch.is_grad_enabled() or torch.jit.is_tracing()
    options = (flat, biased, 1, 0.0, training, False)
    if len(data) == 1:
        options = (*options, False)
    with _quiet() if flat[0].is_cuda or weights.w_hr is not None else nullcontext():
        y, *last = _FUNCTIONS[name](*data, hx if name == "lstm" else hx[0], *options)
    return y, tuple(s.squeeze(0) for s in last)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's advice to lay all weights out in one block, and not to project.

    cuDNN copies weights into one block at each call. The copy is small beside the run over time, and sparing
    it would move the parameters' memory behind their owner's back. oneDNN has no projection.
    """
    with warnings.catch_warnings():
        for advice in _ADVICE:
            warnings.filterwarnings("ignore", message=advice)
        yield


_ADVICE = ("RNN module weights are not part of single contiguous chunk", "LSTM with projections is not")


def _flat(weights: Weights) -> tuple[list[Tensor], bool]:
    """torch's list of weights, and whether biases are in it; it takes both or none."""
    w_ih, w_hh, b_ih, b_hh = weights[:4]
    projection = [] if weights.w_hr is None else [weights.w_hr]
    if b_ih is None and b_hh is None:
        return [w_ih, w_hh, *projection], False
    given = b_hh if b_ih is None else b_ih
    biases = [torch.zeros_like(given) if b is None else b for b in (b_ih, b_hh)]
    return [w_ih, w_hh, *biases, *projection], True
