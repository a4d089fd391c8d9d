"""Examples -> batches, in an order that is a function of (seed, epoch, step, rank), never a live iterator.

So a run that is resumed, in whatever epoch and step, sees the very data that it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from elman.core.errors import DataError
from elman.core.records import Batch, Example, Seq

IGNORED = -100
"""A target that is not scored; among real numbers, not-a-number is."""

_ROW = 8192
"""Shortest row of an evaluation, in symbols: a row starts from no context, which must not weigh."""

_MOST_ROWS = 64

_POOL = 32
"""Batches whose examples are sorted by length together: more waste less on padding, and mix less."""

_HELD_STEPS = 1 << 15
_MOST_HELD = 256
"""Most steps, padding among them, and most sequences of a batch that is only scored."""


class BatchPlan(Protocol):
    """Which batches an epoch has: `steps` of them, and each is `batch(epoch, step)`, both from 0."""

    steps: int

    def batch(self, epoch: int, step: int) -> Batch:
        """The batch of that epoch and step, for this process."""
        ...


def plan(
    examples: Sequence[Example],
    *,
    continuous: bool,
    batch_size: int,
    bptt: int,
    seed: int,
    rank: int = 0,
    world: int = 1,
) -> BatchPlan:
    """How the examples are learnt from: in `Windows` of the only one if `continuous`, else in
    `LengthBuckets`.
    """
    if continuous:
        return BpttWindows(examples[0], batch_size, bptt, seed=seed, rank=rank, world=world)
    return LengthBuckets(examples, batch_size, seed=seed, rank=rank, world=world)


class LengthBuckets:
    """Whole sequences in batches of like lengths, in another order each epoch.

    The examples are shuffled; a pool of some batches at a time is sorted by length and cut into batches; the
    batches are shuffled. The last batch of an epoch may be smaller. With several processes each gets every
    `world`-th batch, and those that are short of one get one again.

    Args:
        examples: what is learnt from.
        batch_size: sequences in a batch of this process.
        seed: start of the random orders.
        rank, world: this process and how many there are.

    Raises:
        DataError: there is no example.
    """

    def __init__(
        self, examples: Sequence[Example], batch_size: int, *, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        if not examples:
            raise DataError("training part", "no examples", expected="at least one")
        self._examples, self._size, self._seed = examples, batch_size, seed
        self._rank, self._world = rank, world
        self._lengths = torch.tensor([len(example.data) for example in examples])
        self._order: tuple[int, list[Tensor]] = (-1, [])
        self.steps = -(-len(examples) // (batch_size * world))

    def batch(self, epoch: int, step: int) -> Batch:
        """The batch `step` (from 0) of `epoch`, for this process."""
        if self._order[0] != epoch:
            self._order = epoch, self._batches(epoch)
        batches = self._order[1]
        places = batches[(step * self._world + self._rank) % len(batches)]
        return collate([self._examples[place] for place in places.tolist()])

    def _batches(self, epoch: int) -> list[Tensor]:
        generator = _generator(self._seed, epoch)
        shuffled = torch.randperm(len(self._examples), generator=generator)
        pools = shuffled.split(self._size * _POOL)
        alike = [pool[self._lengths[pool].argsort(stable=True)] for pool in pools]
        batches = [batch for pool in alike for batch in pool.split(self._size)]
        return [batches[place] for place in torch.randperm(len(batches), generator=generator).tolist()]


def collate(examples: Sequence[Example]) -> Batch:
    """Sequences side by side: data [T, B, ...] and targets [B] or [T', B, ...], padded to the longest.

    Data are padded with zeros. Targets without a time axis are stacked; others are padded with what is not
    scored: `IGNORED`, or not-a-number among real numbers.
    """
    lengths = torch.tensor([len(example.data) for example in examples])
    seq = Seq(_padded([example.data for example in examples], 0), lengths)
    targets = [example.target for example in examples]
    if targets[0].ndim == 0:
        return Batch(seq, torch.stack(targets))
    return Batch(seq, _padded(targets, float("nan") if targets[0].is_floating_point() else IGNORED))


def edge(targets: Tensor, *, last: bool) -> Tensor:
    """Targets [T, B, ...] of which only the last of each sequence that counts is left, or only the first."""
    there = ~targets.isnan() if targets.is_floating_point() else targets != IGNORED
    counts = there.flatten(2).any(2) if there.ndim > 2 else there
    order = counts.flip(0).int() if last else counts.int()
    found = order.argmax(0)
    places = len(targets) - 1 - found if last else found
    kept = torch.arange(len(targets), device=targets.device)[:, None] == places
    padding = float("nan") if targets.is_floating_point() else IGNORED
    return targets.masked_fill(~kept.view(kept.shape + (1,) * (targets.ndim - 2)), padding)


def _padded(tensors: Sequence[Tensor], padding: float) -> Tensor:
    """[T_i, ...] for each i -> [T, B, ...]."""
    return torch.nn.utils.rnn.pad_sequence(list(tensors), padding_value=padding)


def steps_of(seq: Seq) -> int:
    """How many steps the sequences have together, without padding."""
    return seq.data.shape[0] * seq.data.shape[1] if seq.lengths is None else int(seq.lengths.sum())


class BpttWindows:
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


def eval_batches(examples: Sequence[Example]) -> Iterator[tuple[list[int], Batch]]:
    """All examples once, for scoring or predicting, in batches of like lengths, with their places."""
    lengths = [len(example.data) for example in examples]
    places: list[int] = []
    for place in sorted(range(len(examples)), key=lengths.__getitem__):
        # Sorted by length: the newest is the longest.
        if places and ((len(places) + 1) * lengths[place] > _HELD_STEPS or len(places) == _MOST_HELD):
            yield places, collate([examples[place] for place in places])
            places = []
        places.append(place)
    if places:
        yield places, collate([examples[place] for place in places])


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
