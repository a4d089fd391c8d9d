"""Strokes of a pen along curves: circles, spirals, stars and more, each drawn by an unsteady hand.

A curve is a formula, taken at points as a hand would set them. Each drawing is turned, stretched, slanted and
trembles a little; so no two are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from elman.data.samples.pen_strokes import Strokes, arc, by_hand, line, moves

COUNT = 2400
"""How many drawings there are."""

_SIZE, _TURN = 40.0, 0.15  # half of a drawing's width; how far one is turned, in radians


def rows() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """For each drawing its number and the fields `strokes`, float32 [T, 3], and `label`."""
    random = np.random.default_rng(13)
    names = list(CURVES)
    for number in range(COUNT):
        name = names[int(random.random() * len(names))]
        lines = CURVES[name](random.random(4))
        yield str(number + 1), {"strokes": moves(by_hand(lines, random, _SIZE, turn=_TURN)), "label": name}


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
