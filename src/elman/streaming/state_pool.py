"""States of many streams side by side, so that any of them are computed together. It knows tensors only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from elman.core.records import State

_LEAST = 8
"""Columns that there are at first."""


class StatePool:
    """Tensors [*, capacity, *] with a column for each stream; the capacity doubles when it is full.

    States may differ in how many rows their tensors have: those of the largest are kept, the rest being zero.
    """

    def __init__(self) -> None:
        self._tensors: list[Tensor] = []
        self._free: list[int] = []

    @property
    def capacity(self) -> int:
        """Columns that there are."""
        return self._tensors[0].shape[1] if self._tensors else 0

    def take(self, state: State) -> int:
        """Take a column for a state [*, 1, *]."""
        if not self._tensors:
            self._tensors = [s.new_zeros(s.shape[0], _LEAST, *s.shape[2:]) for s in state]
            self._free = list(range(_LEAST))[::-1]
        if not self._free:
            before = self.capacity
            self._tensors = [torch.cat([s, torch.zeros_like(s)], 1) for s in self._tensors]
            self._free = list(range(before, 2 * before))[::-1]
        column = self._free.pop()
        self.put(column, state)
        return column

    def free(self, column: int) -> None:
        """Give a column back."""
        self._free.append(column)

    def put(self, column: int, state: State) -> None:
        """Write a state [*, 1, *] to a column."""
        self.set(self.places([column]), state)

    def places(self, columns: Sequence[int]) -> Tensor:
        """Return columns [B] as a tensor on the device of the states."""
        places = torch.from_numpy(np.array(columns, np.int64))
        return places.to(self._tensors[0].device) if self._tensors else places

    def get(self, places: Tensor) -> State:
        """Copy some columns, [B] int64: [*, B, *]."""
        return tuple([s.index_select(1, places) for s in self._tensors])

    def set(self, places: Tensor, state: State) -> None:
        """Write states [*, B, *] to some columns, [B] int64."""
        for number, s in enumerate(state):
            self._tensors[number] = mine = _with_rows(self._tensors[number], len(s))
            mine.index_copy_(1, places, _with_rows(s, len(mine)))


def _with_rows(tensor: Tensor, rows: int) -> Tensor:
    """Return the tensor with at least `rows` rows, zeros below."""
    missing = rows - len(tensor)
    return F.pad(tensor, (0, 0) * (tensor.ndim - 1) + (0, missing)) if missing > 0 else tensor
