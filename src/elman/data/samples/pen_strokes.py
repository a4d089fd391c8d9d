"""What samples of strokes have in common: lines and arcs, and the hand that draws them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

_STRETCH, _SLANT, _TREMBLE = 0.12, 0.1, 0.015  # at most, in shares of the size

Strokes = list[np.ndarray]
"""Lines of points [P, 2], x to the right and y downwards, within some units of 0."""


def by_hand(lines: Sequence[np.ndarray], random: np.random.Generator, size: float, *, turn: float) -> Strokes:
    """Lines as a hand draws them: turned by at most `turn` radians, stretched, slanted, and trembling.

    Of the generator only `random` is used, whose numbers stay the same from one NumPy to the next.
    """
    angle, slant, *stretch = (2 * random.random(4) - 1) * (turn, _SLANT, _STRETCH, _STRETCH)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle) + slant, np.cos(angle)]])
    matrix = matrix * (1 + np.array(stretch)) * size
    return [(line + _TREMBLE * (2 * random.random(line.shape) - 1)) @ matrix for line in lines]


def moves(lines: Sequence[np.ndarray]) -> np.ndarray:
    """Lines as moves of a pen that begins at 0, 0: float32 [T, 3], dx, dy, and 1 at a line's last point."""
    points = np.concatenate(lines)
    ups = np.zeros(len(points))
    ups[np.cumsum([len(line) for line in lines]) - 1] = 1
    steps = np.diff(points, axis=0, prepend=points[:1])
    return np.column_stack([np.round(steps, 1), ups]).astype(np.float32)


def arc(x: float, y: float, width: float, height: float, begin: float, end: float, points: int) -> np.ndarray:
    """Points of an ellipse's arc [points, 2] around x, y; angles in turns, 0 to the right, then downwards."""
    angle = 2 * np.pi * np.linspace(begin, end, points)
    return np.column_stack([x + width * np.cos(angle), y + height * np.sin(angle)])


def line(*corners: tuple[float, float], points: int = 3) -> np.ndarray:
    """Points along lines from corner to corner, `points` on each but the first point of all."""
    parts = [np.linspace(a, b, points + 1)[1:] for a, b in pairwise(corners)]
    return np.concatenate([np.array(corners[:1], float), *parts])
