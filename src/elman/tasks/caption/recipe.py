"""Choose a captioner's settings from its data: what is seen, and how many captions there are."""

from __future__ import annotations

from collections.abc import Iterator

from elman.tasks import training_length
from elman.tasks.base import Choice

_FEW = 5_000
"""Fewer captions than this are few, and pictures are disturbed for them."""


def choices(kind: str, count: int) -> Iterator[Choice]:
    """Yield the settings that suit `count` captions to learn from.

    Args:
        kind: what is seen: picture, frames, or series (features).
        count: captions.
    """
    if kind != "picture":
        return
    yield Choice("network.hidden", 256, "pictures")
    yield Choice("network.input_dropout", 0.1, f"{count:,} captions")
    yield Choice("training.ema", 0.998, "the mean of the last weights is better than the last")
    yield Choice("caption.smoothing", 0.05, "many a picture has several captions")
    if count < _FEW:
        yield Choice("caption.turn", 4.0, "a picture that is turned a little is the same")
        yield Choice("caption.length_penalty", 0.3, "short captions are as good")
    yield from training_length.choices(count, 5_800, 16, 8, 60)
