"""Choose a labeller's settings from the number and length of its sequences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.data.cells import is_empty
from elman.data.columns import Columns
from elman.tasks.base import Choice
from elman.tasks.label import step_cells
from elman.tasks.label.settings import LabelConfig

_FEW = 16
"""Fewer sequences than this are cut in pieces, so that there are batches of several."""

_PIECE = 200
"""Steps of a piece."""

_STEPS, _STEPS_DOWN = 1500, 600
"""Optimiser steps of a training; and of one on targets that count down, which overfits soon."""


class LabelFacts(NamedTuple):
    """What is known of the data before training.

    Args:
        count: sequences that are learnt from.
        steps: of the median sequence.
        total: steps of all of them.
        classes: whether a class is predicted, not a number.
        counts_down: whether targets are numbers that never rise, such as what remains until the end.
    """

    count: int
    steps: float
    total: int
    classes: bool
    counts_down: bool


def facts(records: Sequence[Record], chosen: Columns, run: RunConfig[LabelConfig], kind: str) -> LabelFacts:
    """Return what is known of records, a share of which is learnt from."""
    share = 1 - (0 if run.data.test_path else run.data.test) - (0 if run.data.valid_path else run.data.valid)
    sizes = step_cells.lengths(records, chosen)
    count = len(records) if len(records) == 1 else round(share * len(records))
    falls = kind == "value" and all(_falls(step_cells.of(chosen, record).cells) for record in records)
    return LabelFacts(count, median(sizes), round(share * sum(sizes)), kind == "class", falls)


def choices(data: LabelFacts) -> Iterator[Choice]:
    """Yield the settings that suit the data."""
    pieces = data.count
    if data.count < _FEW and data.steps > 2 * _PIECE:
        pieces = max(1, data.total // _PIECE)
        yield Choice("label.window", _PIECE, f"{data.count} long sequences are learnt from in pieces")
    batch = 16 if pieces >= 64 else max(1, min(8, pieces // 4))
    steps = _STEPS_DOWN if data.counts_down else _STEPS
    epochs = min(max(round(steps * batch / max(1, pieces)), 10), 300)
    if data.counts_down:
        yield Choice("label.bidirectional", False, "targets count down to an end that is not known in time")
        yield Choice("network.zoneout", 0.4, "what remains shows slowly, in many steps")
    yield Choice("network.cell", "gru", "as good as an LSTM on signals, with three quarters of the weights")
    yield Choice("network.hidden", 32 if data.counts_down else 64, f"{data.total:,} steps")
    yield Choice("network.layers", 2, "what a step means depends on what its neighbours mean")
    yield Choice("network.dropout", 0.3 if data.counts_down else 0.2, f"{data.count:,} sequences")
    yield Choice("training.lr", 0.003, "the rate for these")
    yield Choice("training.clip", 1.0, "one bad batch cannot undo many good ones")
    yield Choice("training.warmup", 0.1, "the first steps are small until the gradients' size is known")
    yield Choice("training.ema", 0.99, "the mean of the last weights is better than the last")
    yield Choice("training.batch_size", batch, f"{pieces:,} sequences or pieces")
    yield Choice("training.epochs", epochs, f"some {steps:,} steps of {batch} sequences, 10 to 300 epochs")


def _falls(cells: Sequence[object]) -> bool:
    """Whether the numbers of a sequence never rise, and are not all the same."""
    numbers = [float(str(cell)) for cell in cells if not is_empty(cell)]
    return numbers[:1] > numbers[-1:] and all(b <= a for a, b in pairwise(numbers))
