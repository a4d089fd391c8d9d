"""Strokes of a pen along curves: circles, spirals, stars and more, each drawn by an unsteady hand.

A curve is a formula, taken at points as a hand would set them. Each drawing is turned, stretched, slanted and
trembles a little; so no two are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

COUNT = 2400
"""How many drawings there are."""

_TURN, _STRETCH, _SLANT, _TREMBLE = 0.15, 0.12, 0.1, 0.015
"""How far drawings are off at most: in radians and shares of the size; the last is that of the hand."""
_SIZE = 40.0

Strokes = list[np.ndarray]
"""Lines of points [P, 2], x to the right and y downwards, within -1 to 1 or so."""


def rows() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """For each drawing its number and the fields `strokes`, float32 [T, 3], and `label`."""
    random = np.random.default_rng(13)
    names = list(CURVES)
    for number in range(COUNT):
        name = names[int(random.random() * len(names))]
        lines = CURVES[name](random.random(4))
        yield str(number + 1), {"strokes": moves(by_hand(lines, random, _SIZE)), "label": name}


# Of the generator only `random` is used, whose numbers stay the same from one NumPy to the next.


def by_hand(lines: Sequence[np.ndarray], random: np.random.Generator, size: float) -> Strokes:
    """Lines as a hand draws them: a little turned, stretched, slanted, and trembling."""
    turn, slant, *stretch = (2 * random.random(4) - 1) * (_TURN, _SLANT, _STRETCH, _STRETCH)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn) + slant, np.cos(turn)]])
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


def _circle(free: np.ndarray) -> Strokes:
    begin = free[0]
    return [arc(0, 0, 1, 1, begin, begin + 1, 17)]


def _spiral(free: np.ndarray) -> Strokes:
    turns = np.linspace(0, 2.2 + free[0], 30)
    angle = 2 * np.pi * (turns + free[1])
    return [(turns / turns[-1])[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])]


def _star(free: np.ndarray) -> Strokes:
    angle = 2 * np.pi * (0.4 * np.arange(6) - 0.25)
    corners = [*zip(np.cos(angle), np.sin(angle), strict=True)]
    return [line(*corners, points=2)]


def _wave(free: np.ndarray) -> Strokes:
    x = np.linspace(-1, 1, 25)
    return [np.column_stack([x, 0.45 * np.sin(2 * np.pi * (x * (0.8 + 0.4 * free[0]) + free[1]))])]


def _zigzag(free: np.ndarray) -> Strokes:
    corners = [(-1 + 2 * place / 6, 0.4 * (-1) ** place) for place in range(7)]
    return [line(*corners, points=2)]


def _house(free: np.ndarray) -> Strokes:
    wall = line((-0.7, 0), (-0.7, 0.9), (0.7, 0.9), (0.7, 0), points=2)
    roof = line((-0.95, 0), (0, -0.9), (0.95, 0), (-0.95, 0), points=2)
    door = line((-0.15, 0.9), (-0.15, 0.4), (0.2, 0.4), (0.2, 0.9), points=1)
    return [wall, roof, door]


def _face(free: np.ndarray) -> Strokes:
    mouth = arc(0, 0.15, 0.5, 0.35, 0.45, 0.05, 7)
    eyes = [line((side, -0.45), (side, -0.15), points=1) for side in (-0.35, 0.35)]
    return [arc(0, 0, 1, 1, -0.25, 0.75, 17), *eyes, mouth]


def _flower(free: np.ndarray) -> Strokes:
    angle = np.linspace(0, 2 * np.pi, 31)
    radius = 0.62 + 0.3 * np.cos(5 * angle)
    petals = np.column_stack([radius * np.cos(angle - np.pi / 2), radius * np.sin(angle - np.pi / 2)])
    return [petals * 0.75 + (0, -0.35), line((0, 0.3), (0.05, 1.0), points=3)]


CURVES: dict[str, Callable[[np.ndarray], Strokes]] = {
    "circle": _circle,
    "face": _face,
    "flower": _flower,
    "house": _house,
    "spiral": _spiral,
    "star": _star,
    "wave": _wave,
    "zigzag": _zigzag,
}
"""Name -> lines, from some numbers of 0 to 1 that are free."""
