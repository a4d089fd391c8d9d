"""Cache what is computed from files, up to a number of bytes, so that each file is read once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

MOST_BYTES = 1 << 29
"""Default size in bytes; a file that does not fit is read each time."""


class _Kept:
    """Arrays by what they were made from."""

    def __init__(self, most: int) -> None:
        self.left, self.arrays = most, dict[Hashable, tuple[np.ndarray, int]]()


_KEPT: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextmanager
def reading_once(most: int = MOST_BYTES) -> Iterator[None]:
    """Within it, and in its context alone, `once` keeps what it makes.

    Args:
        most: bytes of arrays that are kept at once.
    """
    token = _KEPT.set(_Kept(most))
    try:
        yield
    finally:
        _KEPT.reset(token)


def once(key: Hashable, make: Callable[[], tuple[np.ndarray, int]]) -> tuple[np.ndarray, int]:
    """What `make` makes of a file, an array and a number; within `reading_once`, what it made before.

    Args:
        key: the file and all that the result depends on.
        make: reads the file; nobody may change the array that it gives.
    """
    kept = _KEPT.get()
    if kept is None:
        return make()
    if key not in kept.arrays:
        made = make()
        if made[0].nbytes > kept.left:
            return made
        kept.left -= made[0].nbytes
        kept.arrays[key] = made
    return kept.arrays[key]
