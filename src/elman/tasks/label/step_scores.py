"""Scores of classes at each step that look at segments: runs of steps of one class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elman.metrics.edit_distance import edit_distances


def edit_score(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the mean of 1 - d(s, g) / max(|s|, |g|), d being the edits of segments (Lea et al. 2016).

    It counts classes that are there in a wrong order, or too often; not where a segment begins.

    Args:
        pairs: of each sequence the classes [T] that are right, and those that were guessed.
    """
    runs = [(_segments(truth), _segments(guess)) for truth, guess in pairs if len(truth)]
    if not runs:
        return 0.0
    distances = edit_distances(runs)
    longest = np.array([max(len(one), len(other)) for one, other in runs])
    return float((1 - distances / longest).mean())


def _segments(steps: np.ndarray) -> list[int]:
    """The class of each run of equal ones [T]."""
    starts = np.flatnonzero(np.diff(steps, prepend=steps[0] - 1))
    return steps[starts].tolist()
