"""Pictures of a classifier's confusions and of its calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from elman.plots import figures


def draw_confusion(figure: Any, matrix: np.ndarray, names: Sequence[str]) -> None:
    """Draw how often each class was taken for each: shares of the row in colour, counts in figures.

    Args:
        figure: a matplotlib Figure.
        matrix: [C, C] counts, the truth in rows.
        names: of the C classes.
    """
    axes = figure.subplots()
    axes.imshow(matrix / np.maximum(matrix.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    ticks, small = range(len(names)), 9 if len(names) <= 12 else 6
    names = [figures.literal(name) for name in names]
    axes.set_xticks(ticks, names, rotation=90 if len(names) > 6 else 0, fontsize=small)
    axes.set_yticks(ticks, names, fontsize=small)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    for row, column in zip(*np.nonzero(matrix), strict=True):
        share = matrix[row, column] / matrix[row].sum()
        color = "white" if share > 0.5 else "black"
        axes.text(
            column, row, int(matrix[row, column]), ha="center", va="center", color=color, fontsize=small
        )


def draw_calibration(figure: Any, bins: np.ndarray) -> None:
    """Draw how often predictions were right by how sure they were.

    Args:
        figure: a matplotlib Figure.
        bins: [bins, 3]: mean confidence, accuracy, and share of all in each bin.
    """
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=0.9, label="as sure as right")
    axes.plot(bins[:, 0], bins[:, 1], "o-", markersize=4, linewidth=1.2, label="predictions")
    axes.bar(bins[:, 0], bins[:, 2], width=0.03, color="0.8", label="share of all predictions")
    axes.set_xlabel("probability of what was predicted")
    axes.set_ylabel("share that was right")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.25)
