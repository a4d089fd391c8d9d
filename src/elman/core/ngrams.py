"""N-grams as numbers: each stretch of n symbols has a key, for arrays and for tensors alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from elman.core.errors import ConfigError

_LARGEST = 1 << 62


def keys(symbols: Any, length: int, size: int) -> Any:
    """Return the key sum_i s_i V^(n - 1 - i) of each n-gram, in order.

    Args:
        symbols: [T, ...] int64, an array or a tensor, each below `size`; n-grams go along the first axis.
        length: n.
        size: V, how many symbols there are.

    Returns:
        [T - n + 1, ...], or nothing where T is below n.
    """
    count = max(0, len(symbols) - length + 1)
    found = symbols[:count] * 0
    for offset in range(length):
        found = found * size + symbols[offset : offset + count]
    return found


def repeated(
    sequences: Sequence[np.ndarray], length: int, size: int, setting: str = "data.ngrams"
) -> np.ndarray:
    """Return the keys, sorted, of the n-grams that occur twice or more in these sequences.

    Args:
        sequences: one at least, [T_i] each.
        length: n.
        size: how many symbols there are.
        setting: the setting that limits their length, for the error.

    Raises:
        ConfigError: there are more n-grams of that length than a key can tell apart.
    """
    if size**length >= _LARGEST:
        raise ConfigError(setting, str(length), expected=f"fewer for {size:,} symbols", remedy="lower it")
    found = [keys(sequence.astype(np.int64), length, size) for sequence in sequences]
    values, counts = np.unique(np.concatenate(found), return_counts=True)
    return values[counts > 1]


def restored(lists: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """Return the keys of n-grams, a list for each n, as arrays such as `repeated` gives.

    Raises:
        ValueError: they are not sorted, or no keys.
    """
    found = [np.array(one, np.int64) for one in lists]
    if any(len(one) and (one[0] < 0 or one[-1] >= _LARGEST or (np.diff(one) <= 0).any()) for one in found):
        raise ValueError("keys of n-grams that are not in order")
    return found


FEW_SYMBOLS = 512
"""A vocabulary of more symbols has words, of which shorter n-grams are counted."""


def order(symbols: int) -> int:
    """Return the largest n for which n-grams of a vocabulary of `symbols` are counted."""
    return 4 if symbols <= FEW_SYMBOLS else 2
