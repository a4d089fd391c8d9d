"""Words of finite groups: letters multiplied one after another; the answer is a state that is followed."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations

import torch
from torch import Tensor

SIZES = {"modulo5": 5, "s5": 120, "a5": 60}
"""How many elements each group has: sums modulo 5, the permutations of five, the even ones among them."""


@lru_cache
def table(name: str) -> Tensor:
    """Return the products of a group, [N, N] int64: at [a, b] the number of "first a, then b".

    Args:
        name: a key of `SIZES`.
    """
    if name == "modulo5":
        return (torch.arange(5)[:, None] + torch.arange(5)) % 5
    elements = [each for each in permutations(range(5)) if name == "s5" or _is_even(each)]
    number = {each: place for place, each in enumerate(elements)}
    return torch.tensor([[number[tuple(b[i] for i in a)] for b in elements] for a in elements])


def words(name: str, length: int, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return letters and, at each step, the product of those so far, [T, B] int64 each."""
    products = table(name)
    letters = torch.randint(len(products), (length, batch), generator=generator)
    so_far = [letters[0]]
    for letter in letters[1:]:
        so_far.append(products[so_far[-1], letter])
    return letters, torch.stack(so_far)


def _is_even(permutation: tuple[int, ...]) -> bool:
    return sum(a > b for place, a in enumerate(permutation) for b in permutation[place:]) % 2 == 0
