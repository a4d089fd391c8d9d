"""Examples -> batches, in an order that is a function of (seed, epoch, step, rank), never a live iterator.

So a run that is resumed, in whatever epoch and step, sees the very data that it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from elman.batch import Batch, Example, Seq
from elman.errors import DataError

IGNORED = -100
"""A target that is not scored."""

_ROW = 8192
"""Shortest row of an evaluation, in symbols: a row starts from no context, which must not weigh."""

_MOST_ROWS = 64


class Windows:
    """One long sequence as rows read side by side, in windows of `bptt` steps: state is carried over.

    Every epoch turns the sequence, taken as a ring, by a random amount: rows start elsewhere each time, and
    what does not fill a last window is read in another epoch.

    Args:
        example: data and target [N].
        batch_size: rows of this process.
        bptt: steps of a window; 0: a whole row.
        seed: start of the random turns.
        rank, world: this process and how many there are; each reads other rows.

    Raises:
        DataError: the sequence is shorter than one window.
    """

    def __init__(
        self, example: Example, batch_size: int, bptt: int, *, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        symbols, rows = len(example.data), batch_size * world
        if symbols < max(bptt, 2):
            raise DataError(
                "training part",
                f"{symbols} symbols",
                expected=f"at least one window of {max(bptt, 2)}",
                remedy="give more text or a smaller --bptt",
            )
        self._example, self._seed = example, seed
        self._row = max(1, symbols // rows)
        self._bptt = bptt or self._row
        self._starts = torch.arange(rank * batch_size, (rank + 1) * batch_size) * self._row
        self.steps = max(1, self._row // self._bptt)

    def batch(self, epoch: int, step: int) -> Batch:
        """The window `step` (from 0) of `epoch`: data and targets [bptt, B]."""
        symbols = len(self._example.data)
        turn = torch.randint(symbols, (), generator=_generator(self._seed, epoch))
        times = turn + step * self._bptt + torch.arange(self._bptt)
        places = (times[:, None] + self._starts[None, :]) % symbols
        return Batch(Seq(self._example.data[places]), self._example.target[places])

    @property
    def tokens(self) -> int:
        """Symbols in one window of this process."""
        return self._bptt * len(self._starts)


def in_order(example: Example, window: int = 256) -> Iterator[Batch]:
    """All of a sequence once, for scoring: windows [T, B] in order, with `IGNORED` targets beyond the end."""
    symbols = len(example.data)
    rows = max(1, min(_MOST_ROWS, symbols // _ROW))
    length = -(-symbols // rows)
    data = _rows(example.data, rows, length, 0)
    targets = _rows(example.target, rows, length, IGNORED)
    for start in range(0, length, window):
        yield Batch(Seq(data[start : start + window]), targets[start : start + window])


def _rows(flat: Tensor, rows: int, length: int, padding: int) -> Tensor:
    """[N] -> [length, rows], one row after the other, the last one filled up."""
    filled = torch.nn.functional.pad(flat, (0, rows * length - len(flat)), value=padding)
    return filled.view(rows, length).t()


def _generator(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
