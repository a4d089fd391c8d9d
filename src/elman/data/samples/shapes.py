"""Pictures of one shape or two on grey, each with the caption that says what they are and how they lie.

The upper one of two is named first, or else the left one, so that each picture has one caption. A shape is
drawn by its signed distance d, that of a pixel's middle from the shape's edge, negative inside: the shape
covers the share min(max(1/2 - d, 0), 1) of the pixel, which smooths the edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

COUNT, SIDE = 3000, 32
"""How many pictures there are, and their height and width in pixels."""

SIZES = {"large": (5.8, 7.0), "small": (2.8, 3.5)}
"""From the middle of a shape to its farthest points, in pixels."""

COLORS = {
    "red": (220, 35, 35),
    "green": (35, 165, 60),
    "blue": (45, 75, 235),
    "yellow": (245, 225, 45),
    "purple": (150, 50, 190),
    "orange": (250, 135, 20),
}
RELATIONS = ("above", "left of")
"""Of the first shape to the second: along the rows' axis, and along the columns'."""

_ALONE = 0.25  # of the pictures have one shape
_GREYS = (50.0, 140.0)  # of a picture's ground
_NOISE, _TINT = 16.0, 12.0  # how far a pixel's grey, and a colour's parts, are off at most
_MARGIN = 1.0  # pixels between shapes, and to the edge


class Scenes(NamedTuple):
    """N scenes of two shapes each.

    Args:
        names: [N, 2, 3] which size, colour and kind.
        relation: [N] of the first to the second; 2: there is only the first.
        radius: [N, 2] in pixels.
        middle: [N, 2, 2] row and column of each, in pixels from the upper left corner.
    """

    names: np.ndarray
    relation: np.ndarray
    radius: np.ndarray
    middle: np.ndarray


def rows() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """For each picture its number and the fields `picture`, uint8 [32, 32, 3], and `caption`."""
    random = np.random.default_rng(32)
    scenes = _scenes(random)
    pictures = _drawn(scenes, random)
    for number, (names, relation) in enumerate(zip(scenes.names, scenes.relation, strict=True)):
        yield str(number + 1), {"picture": pictures[number], "caption": _caption(names, relation)}


def _caption(names: np.ndarray, relation: int) -> str:
    words = (list(SIZES), list(COLORS), list(KINDS))
    first, second = (f"a {' '.join(of[i] for of, i in zip(words, name, strict=True))}" for name in names)
    return first if relation == len(RELATIONS) else f"{first} {RELATIONS[relation]} {second}"


# Of the generator only `random` is used, whose numbers stay the same from one NumPy to the next.


def _scenes(random: np.random.Generator) -> Scenes:
    names = (random.random((COUNT, 2, 3)) * (len(SIZES), len(COLORS), len(KINDS))).astype(int)
    low, high = np.array(list(SIZES.values())).T[:, names[..., 0]]
    radius = low + (high - low) * random.random((COUNT, 2))
    alone = random.random(COUNT) < _ALONE
    axis = (random.random(COUNT) * len(RELATIONS)).astype(int)
    middle = _middles(radius, random)
    middle = np.where(axis[:, None, None] == 0, middle, middle[..., ::-1])
    middle[alone, 0] = _within(radius[alone, :1], random.random((alone.sum(), 2)))
    return Scenes(names, np.where(alone, len(RELATIONS), axis), radius, middle)


def _middles(radius: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Where two shapes of these radii [N, 2] lie, the first above the second: rows and columns [N, 2, 2].

    What room the rows leave is cut in three at random: above, between and below. The columns differ by at
    most 0.4 times as much as the rows, so that no other relation fits; near an edge by what it takes.
    """
    room = SIDE - 3 * _MARGIN - 2 * radius.sum(1)
    cuts = np.sort(random.random((len(radius), 2)), axis=1) * room[:, None]
    upper = _MARGIN + radius[:, 0] + cuts[:, 0]
    lower = upper + radius.sum(1) + _MARGIN + cuts[:, 1] - cuts[:, 0]
    first = _within(radius[:, 0], random.random(len(radius)))
    second = first + 0.4 * (lower - upper) * (2 * random.random(len(radius)) - 1)
    edge = _MARGIN + radius[:, 1]
    return np.stack([np.stack([upper, first], 1), np.stack([lower, second.clip(edge, SIDE - edge)], 1)], 1)


def _within(radius: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Places from edge to edge at which a shape is whole."""
    return _MARGIN + radius + share * (SIDE - 2 * (_MARGIN + radius))


def _drawn(scenes: Scenes, random: np.random.Generator) -> np.ndarray:
    """The pictures, uint8 [N, 32, 32, 3]."""
    low, high = _GREYS
    ground = low + (high - low) * random.random((COUNT, 1, 1, 1), np.float32)
    noise = _NOISE * (2 * random.random((COUNT, SIDE, SIDE, 1), np.float32) - 1)
    colors = np.array(list(COLORS.values()), np.float32)[scenes.names[..., 1]]
    colors += _TINT * (2 * random.random(colors.shape, np.float32) - 1)
    pictures = np.broadcast_to(ground, (COUNT, SIDE, SIDE, 3)).copy()
    for shape in range(2):
        there = (shape == 0) | (scenes.relation < len(RELATIONS))
        covered = _covered(scenes.names[:, shape, 2], scenes.radius[:, shape], scenes.middle[:, shape])
        covered *= there[:, None, None]
        pictures += covered[..., None] * (colors[:, shape, None, None] - pictures)
    return (pictures + noise).clip(0, 255).astype(np.uint8)


def _covered(kind: np.ndarray, radius: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """How much of each pixel [N, 32, 32] a shape of this kind [N], radius [N] and middle [N, 2] covers."""
    centers = np.arange(SIDE, dtype=np.float32) + 0.5
    y = centers[:, None] - middle[:, :1, None].astype(np.float32)
    x = centers - middle[:, 1:, None].astype(np.float32)
    r = radius[:, None, None].astype(np.float32)
    distance = np.empty((len(kind), SIDE, SIDE), np.float32)
    for number, of in enumerate(KINDS.values()):
        chosen = kind == number
        distance[chosen] = of(x[chosen], y[chosen], r[chosen])
    return (0.5 - distance).clip(0, 1)


# Signed distances of pixels at x to the right of the middle [N, 1, 32] and y below it [N, 32, 1].


def _circle(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    return np.sqrt(x * x + y * y) - r


def _square(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    return np.maximum(abs(x), abs(y)) - 0.88 * r


def _triangle(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Its tip up, 1.8 r high and 2 r wide."""
    high, half = 1.8, 1.0
    slope = (high * abs(x) - half * (y + r)) / np.hypot(high, half)
    return np.maximum(slope, y - (high - 1) * r).astype(np.float32)


def _cross(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    """An upright bar and a level one, each 0.6 r wide."""
    return np.minimum(np.maximum(abs(x) - r, abs(y) - 0.3 * r), np.maximum(abs(y) - r, abs(x) - 0.3 * r))


def _ring(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    return abs(np.sqrt(x * x + y * y) - 0.78 * r) - 0.22 * r


KINDS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "ring": _ring,
}
