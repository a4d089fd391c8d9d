"""Words in handwriting: letters of lines and arcs, one after the other, as strokes of a pen.

The words are none of a language: consonants and vowels by turns, so that each letter comes beside many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from elman.data.samples.pen_strokes import Strokes, arc, by_hand, line, moves

COUNT = 3000
"""How many words there are."""

CONSONANTS, VOWELS = "bcdfghjklmnpqrstvwxz", "aeiouy"
_LENGTHS = range(2, 6)
_SIZE, _GAP = 10.0, 0.45  # of a small letter's height, and between letters in shares of that


def rows() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """For each word its number and the fields `strokes`, float32 [T, 3], and `text`."""
    random = np.random.default_rng(26)
    for number in range(COUNT):
        text = _word(random)
        lines = by_hand(written(text, random), random, _SIZE, turn=0.05)
        yield str(number + 1), {"strokes": moves(lines), "text": text}


def written(text: str, random: np.random.Generator) -> Strokes:
    """The lines of a text's letters, side by side; each a little larger or smaller, and off the line."""
    lines: Strokes = []
    place = 0.0
    for letter in text:
        height, off = 1 + 0.1 * (2 * random.random(2) - 1) - (0, 1)
        strokes = [stroke * height + (place, off) for stroke in LETTERS[letter]]
        lines += strokes
        place = max(stroke[:, 0].max() for stroke in strokes) + _GAP
    return lines


def _word(random: np.random.Generator) -> str:
    turn, length = random.random() < 0.5, _LENGTHS[int(random.random() * len(_LENGTHS))]
    sets = [(CONSONANTS, VOWELS)[(place + turn) % 2] for place in range(length)]
    return "".join(letters[int(random.random() * len(letters))] for letters in sets)


_BOWL = arc(0.45, -0.5, 0.45, 0.5, -0.1, -1.0, 10)
_HUMP = np.concatenate([line((0, -0.5)), arc(0.4, -0.55, 0.4, 0.45, -0.45, 0, 5), line((0.8, 0))])
_BAR, _RIGHT = line((0, -1), (0.6, -1), points=1), line((0.9, -1), (0.9, 0), points=2)
_STEM, _POST = line((0, -1), (0, 0), points=2), line((0, -2), (0, 0), points=3)

# One unit is the height of a small letter; the line that letters stand on is at 0, and y grows downwards.
LETTERS: dict[str, Strokes] = {
    "a": [_BOWL, _RIGHT],
    "b": [_POST, _BOWL],
    "c": [arc(0.45, -0.5, 0.45, 0.5, -0.12, -0.88, 8)],
    "d": [_BOWL, line((0.9, -2), (0.9, 0), points=3)],
    "e": [np.concatenate([line((0.05, -0.5)), arc(0.45, -0.5, 0.45, 0.5, 0, -0.87, 9)])],
    "f": [np.concatenate([arc(0.6, -1.6, 0.35, 0.4, -0.08, -0.5, 5), line((0.25, -0.8), (0.25, 0))]), _BAR],
    "g": [_BOWL, np.concatenate([_RIGHT, arc(0.5, 0.4, 0.4, 0.5, 0.05, 0.42, 5)])],
    "h": [_POST, _HUMP],
    "i": [_STEM, line((0, -1.5), (0, -1.4), points=1)],
    "j": [np.concatenate([line((0.4, -1), (0.4, 0.3), points=2), arc(0.1, 0.4, 0.3, 0.5, 0.1, 0.4, 4)]),
          line((0.4, -1.5), (0.4, -1.4), points=1)],
    "k": [_POST, line((0.7, -1), (0, -0.4), (0.7, 0), points=2)],
    "l": [_POST],
    "m": [_STEM, _HUMP, _HUMP + np.array([0.8, 0])],
    "n": [_STEM, _HUMP],
    "o": [arc(0.45, -0.5, 0.45, 0.5, -0.25, -1.25, 11)],
    "p": [line((0, -1), (0, 1), points=3), _BOWL],
    "q": [_BOWL, line((0.9, -1), (0.9, 0.7), (1.15, 0.6), points=2)],
    "r": [_STEM, np.concatenate([line((0, -0.5)), arc(0.4, -0.55, 0.4, 0.45, -0.45, -0.15, 4)])],
    "s": [np.concatenate([arc(0.35, -0.75, 0.35, 0.25, -0.08, -0.75, 6),
                          arc(0.35, -0.25, 0.35, 0.25, -0.25, 0.42, 6)])],
    "t": [line((0.3, -1.6), (0.3, 0), points=3), _BAR],
    "u": [np.concatenate([line((0, -1)), arc(0.4, -0.45, 0.4, 0.45, 0.5, 0, 6)]),
          line((0.8, -1), (0.8, 0), points=2)],
    "v": [line((0, -1), (0.4, 0), (0.8, -1), points=2)],
    "w": [line((0, -1), (0.3, 0), (0.6, -1), (0.9, 0), (1.2, -1), points=2)],
    "x": [line((0, -1), (0.8, 0), points=2), line((0.8, -1), (0, 0), points=2)],
    "y": [line((0, -1), (0.4, 0), points=2), line((0.8, -1), (0.1, 0.9), points=3)],
    "z": [line((0, -1), (0.8, -1), (0, 0), (0.8, 0), points=2)],
}  # fmt: skip
