"""Simple music: a chord a bar, with its root in the bass and a tune above, as frames of notes.

The chords go round in one of a few progressions, in any of twelve keys, major or minor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

COUNT, BARS, BEATS = 400, 8, 4
"""Pieces, bars of a piece, frames of a bar."""

NOTES, LOWEST = 88, 21
"""Keys of a piano, and the MIDI number of the first."""

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
PROGRESSIONS = {
    "major": ((0, 4, 5, 3), (0, 3, 4, 0), (0, 5, 1, 4), (0, 3, 1, 4)),
    "minor": ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 4), (0, 3, 6, 2)),
}
"""The degrees of the scale, from 0, on which the chords of four bars stand."""

_BASS, _MIDDLE, _TUNE = 36, 55, 71  # the lowest MIDI numbers of each part
_LEAPS = (-2, -1, -1, 0, 1, 1, 2)  # of the tune, in degrees of the scale


def rows() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """For each piece its number and the fields `notes`, uint8 [T, 88], and `label`, major or minor."""
    random = np.random.default_rng(88)
    modes = list(SCALES)
    for number in range(COUNT):
        mode = modes[_choice(random, len(modes))]
        yield str(number + 1), {"notes": _piece(mode, random), "label": mode}


# Of the generator only `random` is used, whose numbers stay the same from one NumPy to the next.


def _piece(mode: str, random: np.random.Generator) -> np.ndarray:
    key, known = _choice(random, 12), PROGRESSIONS[mode]
    degrees = known[_choice(random, len(known))]
    frames = np.zeros((BARS * BEATS, NOTES), np.uint8)
    tune = degrees[0]
    for bar in range(BARS):
        root = degrees[bar % len(degrees)]
        chord = [(key + _tone(mode, root + third)) % 12 for third in (0, 2, 4)]
        low = [_from(_BASS, chord[0]), *(_from(_MIDDLE, tone) for tone in chord)]
        for beat in range(BEATS):
            tune = _nearest(tune, root) if beat == 0 else tune + _LEAPS[_choice(random, len(_LEAPS))]
            tune = min(max(tune, -2), 9)
            top = _from(_TUNE, key) + _tone(mode, tune)
            frames[bar * BEATS + beat, np.array([*low, top]) - LOWEST] = 1
    return frames


def _tone(mode: str, degree: int) -> int:
    """How many semitones a degree of the scale lies above its first."""
    return SCALES[mode][degree % 7] + 12 * (degree // 7)


def _from(low: int, tone: int) -> int:
    """The MIDI number from `low` on of a tone of the octave."""
    return low + (tone - low) % 12


def _nearest(degree: int, root: int) -> int:
    """The degree of the chord on `root` that is nearest to another degree."""
    able = [root + third + 7 * octave for third in (0, 2, 4) for octave in (-2, -1, 0, 1)]
    return min(able, key=lambda tone: abs(tone - degree))


def _choice(random: np.random.Generator, count: int) -> int:
    return int(random.random() * count)
