"""One layer a step at a time: all that a call needs is made ready before the first."""

from __future__ import annotations

import torch
from torch import Tensor

from elman.nn.kernels.base import LayerStepper, Weights
from elman.nn.kernels.native.extension import CELLS, NUMBERS
from elman.nn.kernels.native.launch import step_to
from elman.nn.kernels.native.packed_weights import check, dense, packed

_LAID_OUT = None, None, None, None


class NativeStepper(LayerStepper):
    """By the native kernel of a cell of that name."""

    def __init__(self, name: str, weights: Weights, state: tuple[Tensor, ...]) -> None:
        (batch, hidden), features = state[0].shape, weights.w_ih.shape[1]
        for s in state:
            check("the state", s, weights.w_ih.dtype, (batch, hidden))
        self._state = tuple([s.detach().clone(memory_format=torch.contiguous_format) for s in state])
        self._y = torch.empty_like(self._state[0])
        self._shape, self._dtype = (batch, features), state[0].dtype
        self._kind = CELLS[name], NUMBERS[self._dtype], features, hidden
        self._weights = packed(self._kind, dense(self._kind, weights), True, False).ahead

    @property
    def state(self) -> tuple[Tensor, ...]:
        """S tensors [B, H]."""
        return tuple([s.clone() for s in self._state])

    def put(self, state: tuple[Tensor, ...]) -> None:
        """S tensors [B, H]; see `LayerStepper`."""
        for s in state:
            check("the state", s, self._dtype, tuple(self._state[0].shape))
        self._state = tuple([s.detach().clone(memory_format=torch.contiguous_format) for s in state])

    def __call__(self, x: Tensor) -> Tensor:
        """One step; see `LayerStepper`."""
        return self.advance(x).clone()

    def advance(self, x: Tensor) -> Tensor:
        """One step; see `LayerStepper`."""
        if x.shape != self._shape or x.dtype is not self._dtype or not x.is_cpu:
            check("x", x, self._dtype, self._shape)
        state = self._state
        step_to(self._kind, x.contiguous(), state, _LAID_OUT, self._weights, self._y, state)
        return self._y


class NativeAdvance:
    """One step of any batch by the native kernel of a cell of that name."""

    def __init__(self, name: str, weights: Weights) -> None:
        self._dtype = weights.w_hh.dtype
        cell, number = CELLS[name], NUMBERS[self._dtype]
        self._kind = cell, number, weights.w_ih.shape[1], weights.w_hh.shape[1]
        self._weights = packed(self._kind, dense(self._kind, weights), True, False).ahead

    def __call__(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step; see `Advance`."""
        shape = x.shape[0], self._kind[3]
        check("x", x, self._dtype, (shape[0], self._kind[2]))
        for s in state:
            check("the state", s, self._dtype, shape)
        state = tuple([s.contiguous() for s in state])
        after = tuple([torch.empty_like(s) for s in state])
        step_to(self._kind, x.contiguous(), state, _LAID_OUT, self._weights, after[0], after)
        return after
