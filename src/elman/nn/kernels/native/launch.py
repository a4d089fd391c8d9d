"""One call of the compiled kernels: what it reads is checked, what it writes is made, then it runs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elman.core.errors import DataError
from elman.nn.kernels.base import ScanJob, Weights
from elman.nn.kernels.native.extension import CELLS, NUMBERS, Kind, module, sizes
from elman.nn.kernels.native.packed_weights import Pack, check, dense, packed

_IN_CACHE = 1 << 20
"""Bytes of recurrent weights, up to which each thread runs its share of the batch with all of them."""
FEW = 8
"""Rows of a call (T B), up to which it reads the weights as they lie: to look whether they are still those
that were laid out takes as long as to compute with them."""

_LARGE = 16 << 20
"""Bytes of a tensor, from which on the C library asks the system for its memory each time."""

NOT_LAID_OUT = Pack(None, None)
_NONE = None, None, None, None

Grads = tuple[Tensor | None, ...]


class KernelCall:
    """One layer in one direction: its sizes, and the tensors that it reads, laid out for that.

    Only the compiled module takes addresses, of its arguments, which live until it returns.

    Args:
        name: the cell's.
        job: what it runs over.
        groups: how many parts of the batch run through time on their own; None: as many as is best.

    Raises:
        DataError: a tensor or a length does not fit.
    """

    __slots__ = ("around", "groups", "kind", "lengths", "reverse", "state", "weights", "x")

    def __init__(self, name: str, job: ScanJob, groups: int | None = None) -> None:
        x, state, self.weights, self.lengths, self.reverse, mask, reset, *_ = job
        if groups is None:
            check_job(x, state, self.lengths, mask, reset)
        self.x = rows_dense(x)
        self.state = tuple([s.contiguous() for s in state])
        self.around = (
            None if mask is None else mask.contiguous(),
            None if reset is None else reset.contiguous(),
        )
        _, batch, features = x.shape
        self.kind = CELLS[name], NUMBERS[x.dtype], int(features), int(state[0].shape[1])
        self.groups = groups_of(batch, self.weights.w_hh) if groups is None else groups

    def outputs(self) -> tuple[Tensor, ...]:
        """y and the last states, to be filled."""
        return self._sequence(self.kind[3]), *[torch.empty_like(s) for s in self.state]

    def room(self, rows: int) -> Tensor:
        """For what forward keeps for backward, of that many rows of all steps together."""
        _, _, row, padded = sizes(self.kind)
        entered = self.around[0] is not None or self.around[1] is not None
        return quickly_filled(self.x.new_empty(rows * (row + padded * (entered + len(self.state)))))

    def rows(self) -> int:
        """How many steps there are, of all sequences together.

        Raises:
            DataError: a length is out of bounds.
        """
        steps, batch, _ = self.x.shape
        if self.lengths is None:
            return steps * batch
        lengths = self.lengths.tolist()
        if lengths and not 0 <= min(lengths) <= max(lengths) <= steps:
            raise DataError("lengths", str(lengths), expected=f"each from 0 to T = {steps}")
        return sum(lengths)

    def pack(self, back: bool) -> Pack:
        """The weights as forward and, where it is wanted, backward read them."""
        steps, batch, _ = self.x.shape
        return NOT_LAID_OUT if steps * batch < FEW else packed(self.kind, self._dense(), True, back)

    def forward(self, pack: Pack, kept: Tensor | None = None) -> tuple[Tensor, ...]:
        """y and the last states; fills what is kept.

        Args:
            pack: as `pack` gives it.
            kept: room for what backward needs; None: nothing is kept.
        """
        if self.lengths is not None:
            self.rows()
        out = self.outputs()
        weights = self._as_they_lie(pack)
        module.forward(*self._arguments(), out[0], kept, *weights, pack.ahead, *two(out[1:]))
        return out

    def backward(
        self, pack: Pack, kept: Tensor, wanted: tuple[bool, ...], grads: Grads
    ) -> list[Tensor | None]:
        """The gradients that are wanted, of x, the weights and the states.

        Args:
            pack: as forward had it.
            kept: what forward kept, which is written over.
            wanted: of which of them.
            grads: of y and the last states; None: zero.
        """
        dy, *dlast = grads
        dy = None if dy is None else rows_dense(dy)
        dx = self._sequence(self.kind[2]) if wanted[0] else None
        others = (*self.weights[:4], *self.state)
        found = [
            like(t) if want and t is not None else None for t, want in zip(others, wanted[1:], strict=True)
        ]
        module.backward(
            *self._arguments(),
            None,
            kept,
            *self._as_they_lie(pack),
            pack.back,
            dy,
            *((0, 0) if dy is None else dy.stride()[:2]),
            *two([None if d is None else d.contiguous() for d in dlast]),
            dx,
            *two(found[4:]),
            *found[:4],
        )
        return [dx, *found]

    def _sequence(self, width: int) -> Tensor:
        steps, batch, _ = self.x.shape
        y = quickly_filled(self.x.new_empty((steps, batch, width)))
        return y if self.lengths is None else y.zero_()

    def _as_they_lie(self, pack: Pack) -> tuple[Tensor | None, ...]:
        return _NONE if pack is not NOT_LAID_OUT else self._dense()[:4]

    def _dense(self) -> Weights:
        return dense(self.kind, self.weights)

    def _arguments(self) -> tuple[Any, ...]:
        """What forward and backward both begin with."""
        x = self.x
        steps, batch, _ = x.shape
        sizes = torch.get_num_threads(), steps, batch, self.groups, self.reverse
        return *self.kind, *sizes, self.lengths, x, *x.stride()[:2], *two(self.state), *self.around


def step(name: str, x: Tensor, state: tuple[Tensor, ...], weights: Weights) -> tuple[Tensor, ...]:
    """One step, without gradients and with as little around the kernel as can be.

    Args:
        name: the cell's.
        x: [B, F].
        state: S tensors [B, H].
        weights: of the layer.

    Returns:
        S tensors [B, H].
    """
    if x.dim() != 2:
        raise DataError("x", f"shape {list(x.shape)}", expected="[B, F]")
    batch, features = x.shape
    hidden = state[0].shape[-1]
    _check_state(state, x.dtype, (batch, hidden))
    kind = CELLS[name], NUMBERS[x.dtype], features, hidden
    weights, state = dense(kind, weights), tuple([s.contiguous() for s in state])
    ahead = None if batch < FEW else packed(kind, weights, True, False).ahead
    last = tuple([torch.empty_like(s) for s in state])
    step_to(
        kind, x.contiguous(), state, weights[:4], ahead, last[0], last
    )  # the hidden state is its output, too
    return last


def step_to(
    kind: Kind,
    x: Tensor,
    before: tuple[Tensor, ...],
    weights: tuple[Tensor | None, ...],
    ahead: Tensor | None,
    y: Tensor,
    after: tuple[Tensor, ...],
) -> None:
    """One step, all made ready: every tensor is dense; weights are laid out, or None and read as they lie."""
    sizes = torch.get_num_threads(), 1, x.shape[0], 1, False, None
    around = None, None, y, None
    module.forward(*kind, *sizes, x, 0, kind[2], *two(before), *around, *weights[:4], ahead, *two(after))


def check_job(
    x: Tensor,
    state: tuple[Tensor, ...],
    lengths: Tensor | None,
    mask: Tensor | None,
    reset: Tensor | None,
    hidden: int | None = None,
) -> None:
    """Raise where a tensor is not what the kernels may read; hidden: H, where the first state has another."""
    if x.dim() != 3:
        raise DataError("x", f"shape {list(x.shape)}", expected="[T, B, F]")
    steps, batch, _ = x.shape
    shape, dtype = (batch, state[0].shape[-1]), x.dtype
    _check_state(state[:1], dtype, shape)
    _check_state(state[1:], dtype, (batch, hidden or shape[1]))
    if mask is not None:
        check("the mask", mask, dtype, shape)
    if reset is not None:
        check("reset", reset, torch.bool, (steps, batch))
    if lengths is not None:
        check("lengths", lengths, torch.int64, (batch,))


def _check_state(state: tuple[Tensor, ...], dtype: torch.dtype, shape: tuple[int, int]) -> None:
    for s in state:
        if s.shape != shape or s.dtype != dtype or not s.is_cpu:
            check("the state", s, dtype, shape)


def groups_of(batch: int, w_hh: Tensor) -> int:
    """How many parts of the batch run through time on their own."""
    threads = torch.get_num_threads()
    few = batch < 4 * threads or w_hh.nbytes > _IN_CACHE
    return 1 if few else threads


def rows_dense(sequence: Tensor) -> Tensor:
    """The same where each row's numbers stand one after another, else a copy."""
    return sequence if sequence.is_contiguous() or sequence.stride(2) == 1 else sequence.contiguous()


def like(tensor: Tensor) -> Tensor:
    """Room for as many numbers, dense."""
    # Twice as fast as new_empty, but it keeps what order there is.
    return torch.empty_like(tensor) if tensor.is_contiguous() else tensor.new_empty(tensor.shape)


def quickly_filled(fresh: Tensor) -> Tensor:
    """New memory; a large block is new to the process too, and page after page takes longer than its use."""
    if type(fresh) is Tensor and fresh.nbytes >= _LARGE:
        module.want_huge_pages(fresh, fresh.nbytes)
    return fresh


def two(states: Any) -> tuple[Any, Any]:
    """Up to two states; None for one that is not there."""
    return (states[0], states[1]) if len(states) > 1 else (states[0], None)
