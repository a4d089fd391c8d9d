"""Choose a drawer's settings from its data: strokes or notes, and how many sequences there are."""

from __future__ import annotations

from collections.abc import Iterator

from elman.tasks import training_length
from elman.tasks.base import Choice

_FEW, _MANY = 500, 10_000
"""Fewer sequences than this are few, and more are many."""


def choices(kind: str, count: int) -> Iterator[Choice]:
    """Yield the settings that suit `count` sequences to learn from.

    Args:
        kind: what a step is: strokes, notes or else.
        count: sequences.
    """
    if kind == "notes":
        few = count < _FEW
        yield Choice("network.output_dropout", 0.4 if few else 0.3, f"{count:,} pieces")
        yield Choice("draw.keys", 12 if few else 3, f"{count:,} pieces: others are made by transposing them")
        yield Choice("training.lr", 0.01 if few else 0.004, "the rate for these")
        yield from training_length.choices(count, 570 if few else 3_500, 16 if few else 4, 10, 40)
    elif kind == "strokes" and count >= _MANY:
        yield Choice("network.dropout", 0.0, f"{count:,} drawings are not learnt by heart")
        yield Choice("draw.mixture", 20, "a pen may go many ways")
        yield Choice("training.lr", 0.003, "the rate for these")
        yield Choice("training.ema", 0.998, "the mean of the last weights is better than the last")
        yield from training_length.choices(count, 4_700, 64, 2, 30)
