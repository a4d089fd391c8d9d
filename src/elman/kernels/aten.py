"""torch's own fused functions: oneDNN for float32 LSTM on a CPU, cuDNN on a GPU, native loops elsewhere.

oneDNN and cuDNN have no second derivative; where one is needed, take the loop.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from elman.kernels.base import Case, Cell, Kernel, Weights

_FUNCTIONS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "rnn": torch.rnn_tanh,
    "rnn_relu": torch.rnn_relu,
    "lstm": torch.lstm,
    "gru": torch.gru,
}

# cuDNN wants the weights in one block and copies them into one at each call. The copy is small beside the run
# over time, and sparing it means to move the parameters' memory behind their owner's back.
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")


class Aten(Kernel):
    """torch's fused RNN, LSTM and GRU."""

    name = "aten"

    def refuses(self, case: Case) -> str | None:
        """Another cell than torch's, and anything inside the step that torch does not have."""
        if case.cell not in _FUNCTIONS:
            return f"torch has no fused {case.cell!r}"
        if case.normed:
            return "torch's fused functions have no layer normalisation inside the cell"
        if case.masked:
            return "torch's fused functions have no dropout on the recurrent path"
        return None

    def yields(self, case: Case) -> str | None:
        """A single step of an LSTM in oneDNN, which lays the weights out anew at every call."""
        in_onednn = case.cell == "lstm" and case.device == "cpu" and case.dtype != torch.float64
        return "oneDNN is slow at a single step" if in_onednn and case.steps == 1 else None

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
        if lengths is None:
            y, state = _call(cell.name, (x.flip(0) if reverse else x,), state, weights)
            return (y.flip(0) if reverse else y), state
        return _ragged(cell.name, x, state, weights, lengths, reverse)


def _ragged(
    name: str, x: Tensor, state: tuple[Tensor, ...], weights: Weights, lengths: Tensor, reverse: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Pack, run, and pad back; torch's packed functions want the longest sequence first."""
    order = _reversed(len(x), lengths, x.device) if reverse else None
    packed = pack_padded_sequence(_take(x, order), lengths, enforce_sorted=False)
    sort, unsort = packed.sorted_indices, packed.unsorted_indices
    assert sort is not None
    assert unsort is not None
    state = tuple(s.index_select(0, sort) for s in state)
    data, state = _call(name, (packed.data, packed.batch_sizes), state, weights)
    y, _ = pad_packed_sequence(packed._replace(data=data), total_length=len(x))
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
    training = torch.is_grad_enabled()
    options = (flat, biased, 1, 0.0, training, False)
    if len(data) == 1:
        options = (*options, False)
    y, *last = _FUNCTIONS[name](*data, hx if name == "lstm" else hx[0], *options)
    return y, tuple(s.squeeze(0) for s in last)


def _flat(weights: Weights) -> tuple[list[Tensor], bool]:
    """torch's list of weights, and whether biases are in it; it takes both or none."""
    w_ih, w_hh, b_ih, b_hh = weights[:4]
    if b_ih is None and b_hh is None:
        return [w_ih, w_hh], False
    none = w_ih.new_zeros(len(w_ih))
    return [w_ih, w_hh, none if b_ih is None else b_ih, none if b_hh is None else b_hh], True
