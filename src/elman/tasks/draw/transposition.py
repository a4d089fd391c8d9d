"""Music in several keys: the examples that training sees where it transposes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import overload

import torch
from torch import Tensor

from elman.core.records import Example


class Transposed(Sequence[Example]):
    """Each example in several neighbouring keys, made when it is asked for.

    Args:
        examples: data and target [T, N] of notes; what stands in data beyond them stays as it is.
        keys: how many keys, its own in their middle; those in which a note would be lost are left out.
    """

    def __init__(self, examples: Sequence[Example], keys: int) -> None:
        self.examples = examples
        below = (keys - 1) // 2
        self._places = [
            (place, shift)
            for place, example in enumerate(examples)
            for shift in _able(example.target, range(-below, keys - below))
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Example]:
        return (self._at(place) for place in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...

    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self._at(place) for place in range(*index.indices(len(self)))]
        return self._at(index)

    def _at(self, index: int) -> Example:
        place, shift = self._places[index]
        example = self.examples[place]
        notes = example.target.shape[1]
        data = torch.cat([example.data[:, :notes].roll(shift, 1), example.data[:, notes:]], 1)
        return replace(example, data=data, target=example.target.roll(shift, 1))


def _able(target: Tensor, shifts: Sequence[int]) -> list[int]:
    """The shifts that move no note beyond the first or the last one."""
    used = target.nan_to_num(0.0).any(0).nonzero().flatten()
    if not len(used):
        return [0]
    low, high = int(used[0]), int(used[-1])
    return [shift for shift in shifts if low + shift >= 0 and high + shift < target.shape[1]]
