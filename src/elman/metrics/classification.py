"""Scores of predictions against the truth: accuracy, F1, calibration, errors. It knows arrays only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class PerClass(NamedTuple):
    """Scores of each class, each [C]: 0 where nothing was predicted, or nothing was there."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


def confusion(truth: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    """Count how often each class [row] was taken for each [column]: [C, C], of numbers from 0 to C - 1."""
    return np.bincount(truth * classes + guess, minlength=classes * classes).reshape(classes, classes)


def per_class(matrix: np.ndarray) -> PerClass:
    """Return precision, recall, F1 and the number of each class from a confusion matrix [C, C]."""
    hits = np.diag(matrix).astype(float)
    return rates(hits, matrix.sum(0), matrix.sum(1))


def rates(hits: np.ndarray, guessed: np.ndarray, there: np.ndarray) -> PerClass:
    """Return precision, recall, F1 = 2 P R / (P + R) of counts: found rightly, guessed, there; each [C]."""
    precision = hits / np.maximum(guessed, 1)
    recall = hits / np.maximum(there, 1)
    return PerClass(precision, recall, 2 * hits / np.maximum(guessed + there, 1), there)


def macro_f1(scores: PerClass, guessed: np.ndarray) -> float:
    """Return the mean F1 over the classes that were there or were guessed [C]; each counts alike."""
    present = (scores.support > 0) | (guessed > 0)
    return float(scores.f1[present].mean()) if present.any() else 0.0


def calibration(probabilities: np.ndarray, right: np.ndarray, bins: int = 15) -> tuple[float, np.ndarray]:
    """Return the expected calibration error: sum_b n_b / N |accuracy_b - confidence_b| (Guo et al. 2017).

    Args:
        probabilities: [N], of what was predicted.
        right: [N] whether that was right.
        bins: how many bins of equal width there are.

    Returns:
        The error, and for each bin that has any: mean confidence, accuracy, share of all; [bins, 3].
    """
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    used = count > 0
    confidence = np.bincount(place, probabilities, bins)[used] / count[used]
    accuracy = np.bincount(place, right.astype(float), bins)[used] / count[used]
    share = count[used] / max(1, len(probabilities))
    return float((share * np.abs(accuracy - confidence)).sum()), np.stack([confidence, accuracy, share], 1)


def mae(truth: np.ndarray, guess: np.ndarray) -> float:
    """Return the mean absolute error."""
    return float(np.abs(truth - guess).mean())


def r2(truth: np.ndarray, guess: np.ndarray) -> float:
    """Return the share of variance explained: 1 - sum (y - g)^2 / sum (y - mean y)^2; 0 of a constant."""
    total = ((truth - truth.mean()) ** 2).sum()
    return float(1 - ((truth - guess) ** 2).sum() / total) if total else 0.0
