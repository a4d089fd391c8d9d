"""One call of the compiled kernels: what it reads is checked, what it writes is made, then it runs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elman.errors import DataError
from elman.kernels.base import Job, Weights
from elman.kernels.native.extension import CELLS, NUMBERS, Kind, module, sizes
from elman.kernels.native.packs import check, packed

_IN_CACHE = 1 << 20
"""Bytes of recurrent weights, up to which each thread runs its share of the batch with all of them."""
_MANY_USES = 8
"""Rows of a call, from which on it reads the weights so often that a look at all of them costs nothing."""

_LARGE = 16 << 20
"""Bytes of a tensor, from which on the C library asks the system for its memory each time."""

Grads = tuple[Tensor | None, ...]


class Call:
    """One layer in one direction: its sizes, and the memory that is read and written.

    Args:
        name: the cell's.
        job: what it runs over.
        y: what forward gave, where this is backward; None: made here.
        kept: what forward kept for backward; None: nothing.
        groups: as forward had them.
    """

    __slots__ = ("around", "groups", "kept", "kind", "lengths", "reverse", "state", "weights", "x", "y")

    def __init__(
        self,
        name: str,
        job: Job,
        y: Tensor | None = None,
        kept: Tensor | None = None,
        groups: int | None = None,
    ) -> None:
        x, state, self.weights, self.lengths, self.reverse, mask, reset, *_ = job
        if y is None:
            _check(x, state, self.lengths, mask, reset)
        self.x = x if x.is_contiguous() or x.stride(2) == 1 else x.contiguous()
        self.state = tuple([s.contiguous() for s in state])
        self.around = (
            None if mask is None else mask.contiguous(),
            None if reset is None else reset.contiguous(),
        )
        _, batch, features = x.shape
        self.kind = CELLS[name], NUMBERS[x.dtype], int(features), int(state[0].shape[1])
        self.groups = _groups(batch, self.weights.w_hh) if groups is None else groups
        self.y = self._outputs(self.kind[3]) if y is None else y
        self.kept = kept

    def keep(self, rows: int) -> Tensor:
        """Have forward keep what backward needs, for that many rows of all steps together."""
        self.kept = _quickly_filled(self.x.new_empty(rows * sum(self._widths())))
        return self.kept

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

    def forward(self) -> tuple[Tensor, ...]:
        """Fill y and what is kept; returns the last states."""
        steps, batch, _ = self.x.shape
        if self.lengths is not None:
            self.rows()
        last = tuple([torch.empty_like(s) for s in self.state])
        weights = packed(self.kind, self.weights, False, steps * batch >= _MANY_USES)
        module.forward(*self._arguments(), weights.data_ptr(), *two(last))
        return last

    def backward(self, wanted: tuple[bool, ...], grads: Grads) -> list[Tensor | None]:
        """The gradients that are wanted, of x, the weights and the states."""
        dy, *dlast = grads
        if dy is not None and not dy.is_contiguous() and dy.stride(2) != 1:
            dy = dy.contiguous()
        dlast = [None if d is None else d.contiguous() for d in dlast]
        dx = self._outputs(self.kind[2]) if wanted[0] else None
        others = (*self.weights[:4], *self.state)
        found = [
            torch.empty_like(t, memory_format=torch.contiguous_format) if want and t is not None else None
            for t, want in zip(others, wanted[1:], strict=True)
        ]
        module.backward(
            *self._arguments(),
            packed(self.kind, self.weights, True, False).data_ptr(),
            _address(dy),
            *((0, 0) if dy is None else dy.stride()[:2]),
            *two(dlast),
            _address(dx),
            *two(found[4:]),
            *[_address(d) for d in found[:4]],
        )
        return [dx, *found]

    def _outputs(self, width: int) -> Tensor:
        steps, batch, _ = self.x.shape
        y = _quickly_filled(self.x.new_empty((steps, batch, width)))
        return y if self.lengths is None else y.zero_()

    def _widths(self) -> tuple[int, int, int, int]:
        """Of a row of what is kept: gates, what enters the product if not the state, states not in y."""
        _, _, row, padded = sizes(self.kind)
        entered = self.around[0] is not None or self.around[1] is not None
        apart = self.lengths is not None or padded != self.kind[3]
        return row, padded * entered, padded * apart, padded * (len(self.state) > 1)

    def _arguments(self) -> tuple[int, ...]:
        """What forward and backward both begin with."""
        x, state, (mask, reset) = self.x, self.state, self.around
        steps, batch, _ = x.shape
        return (
            *self.kind,
            torch.get_num_threads(),
            steps,
            batch,
            self.groups,
            self.reverse,
            0 if self.lengths is None else self.lengths.data_ptr(),
            x.data_ptr(),
            *x.stride()[:2],
            state[0].data_ptr(),
            state[1].data_ptr() if len(state) > 1 else 0,
            0 if mask is None else mask.data_ptr(),
            0 if reset is None else reset.data_ptr(),
            self.y.data_ptr(),
            *self._kept_places(),
        )

    def _kept_places(self) -> tuple[int, ...]:
        """The addresses of the four parts of what is kept, one after another; 0 for one that is not."""
        if self.kept is None:
            return 0, 0, 0, 0
        gates, entered, first, second = self._widths()
        at, step = self.kept.data_ptr(), self.kept.nbytes // (gates + entered + first + second)
        after = at + gates * step, at + (gates + entered) * step, at + (gates + entered + first) * step
        return at, after[0] * (entered > 0), after[1] * (first > 0), after[2] * (second > 0)


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
    x, state = x.contiguous(), tuple([s.contiguous() for s in state])
    last = tuple([torch.empty_like(s) for s in state])
    kind = CELLS[name], NUMBERS[x.dtype], features, hidden
    weights_place = packed(kind, weights, False, batch >= _MANY_USES).data_ptr()
    step_to(kind, x, two(state), weights_place, last[0], two(last))  # the hidden state is its output, too
    return last


def step_to(
    kind: Kind, x: Tensor, before: tuple[int, int], weights: int, y: Tensor, after: tuple[int, int]
) -> None:
    """One step, all made ready: x and y are dense; states and packed weights are addresses."""
    sizes = torch.get_num_threads(), 1, x.shape[0], 1, False, 0
    kept = 0, 0, 0, 0
    module.forward(
        *kind, *sizes, x.data_ptr(), 0, kind[2], *before, 0, 0, y.data_ptr(), *kept, weights, *after
    )


def _check(
    x: Tensor, state: tuple[Tensor, ...], lengths: Tensor | None, mask: Tensor | None, reset: Tensor | None
) -> None:
    """Raise where a tensor is not what the kernels may read."""
    if x.dim() != 3:
        raise DataError("x", f"shape {list(x.shape)}", expected="[T, B, F]")
    steps, batch, _ = x.shape
    shape, dtype = (batch, state[0].shape[-1]), x.dtype
    _check_state(state, dtype, shape)
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


def _groups(batch: int, w_hh: Tensor) -> int:
    """How many parts of the batch run through time on their own."""
    threads = torch.get_num_threads()
    few = batch < 4 * threads or w_hh.nbytes > _IN_CACHE
    return 1 if few else threads


def _quickly_filled(fresh: Tensor) -> Tensor:
    """New memory; a large block is new to the process too, and page after page takes longer than its use."""
    if type(fresh) is Tensor and fresh.nbytes >= _LARGE:
        module.want_huge_pages(fresh.data_ptr(), fresh.nbytes)
    return fresh


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def two(states: Any) -> tuple[int, int]:
    """The addresses of up to two states."""
    return _address(states[0]), _address(states[1]) if len(states) > 1 else 0
