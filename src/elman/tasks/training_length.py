"""How long a training lasts, in the recipes of tasks: steps that data of a kind take, as epochs."""

from __future__ import annotations

from collections.abc import Iterator

from elman.core.run_config import DataSettings
from elman.tasks.base import Choice


def choices(count: int, steps: int, batch: int, low: int, high: int) -> Iterator[Choice]:
    """Yield the batch size, and the epochs that make about this many steps.

    Args:
        count: examples that are learnt from.
        steps: optimiser steps that such data take.
        batch: examples of a step.
        low, high: bounds of the epochs.
    """
    epochs = min(max(round(steps * batch / max(1, count)), low), high)
    yield Choice("training.batch_size", batch, f"{count:,} examples")
    yield Choice("training.epochs", epochs, f"some {steps:,} steps of {batch}, {low} to {high} epochs")


def learnt_from(count: int, data: DataSettings) -> int:
    """Return how many of `count` examples are learnt from; parts with files of their own take none."""
    held = (0 if data.valid_path else data.valid) + (0 if data.test_path else data.test)
    return round(count * (1 - held))
