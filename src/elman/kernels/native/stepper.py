"""One layer a step at a time: all that a call needs is made ready before the first."""

from __future__ import annotations

import torch
from torch import Tensor

from elman.kernels.base import LayerStepper, Weights
from elman.kernels.native.call import step_to, two
from elman.kernels.native.extension import CELLS, NUMBERS
from elman.kernels.native.packs import check, packed


class NativeStepper(LayerStepper):
    """By the native kernel of a cell of that name."""

    def __init__(self, name: str, weights: Weights, state: tuple[Tensor, ...]) -> None:
        (batch, hidden), features = state[0].shape, weights.w_ih.shape[1]
        for s in state:
            check("the state", s, weights.w_ih.dtype, (batch, hidden))
        self._state = tuple([s.detach().clone(memory_format=torch.contiguous_format) for s in state])
        self._shape, self._dtype = (batch, features), state[0].dtype
        self._kind = CELLS[name], NUMBERS[self._dtype], features, hidden
        self._weights = packed(self._kind, weights, False, True)  # whose memory the kernel reads
        self._places = two(self._state), self._weights.data_ptr()

    @property
    def state(self) -> tuple[Tensor, ...]:
        """S tensors [B, H]."""
        return tuple([s.clone() for s in self._state])

    def put(self, state: tuple[Tensor, ...]) -> None:
        """S tensors [B, H]; see `LayerStepper`."""
        for s in state:
            check("the state", s, self._dtype, tuple(self._state[0].shape))
        self._state = tuple([s.detach().clone(memory_format=torch.contiguous_format) for s in state])
        self._places = two(self._state), self._places[1]

    def __call__(self, x: Tensor) -> Tensor:
        """One step; see `LayerStepper`."""
        if x.shape != self._shape or x.dtype is not self._dtype or not x.is_cpu:
            check("x", x, self._dtype, self._shape)
        x, y = x.contiguous(), torch.empty_like(self._state[0])
        places, weights = self._places
        step_to(self._kind, x, places, weights, y, places)
        return y
