"""Words in Morse code as sound, as a listener on short waves hears them, each with its text.

Call signs, abbreviations and common words, keyed by an unsteady hand at 25 to 45 words a minute: the lengths
of marks and pauses vary, each record has a pitch, a loudness and a noise of its own, and the sound fades.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from elman.core.records import Sound

COUNT, RATE = 1500, 4000
"""How many records there are, and their samples a second."""

_SIGNS = """
    A .-    B -...  C -.-.  D -..   E .     F ..-.  G --.   H ....  I ..    J .---  K -.-   L .-..  M --
    N -.    O ---   P .--.  Q --.-  R .-.   S ...   T -     U ..-   V ...-  W .--   X -..-  Y -.--  Z --..
    0 ----- 1 .---- 2 ..--- 3 ...-- 4 ....- 5 ..... 6 -.... 7 --... 8 ---.. 9 ----.
"""
CODE: dict[str, str] = dict(zip(_SIGNS.split()[::2], _SIGNS.split()[1::2], strict=True))
"""The International Morse code of letters and digits (ITU-R M.1677, 2009)."""

_COMMON = """
    THE AND YOU THAT WAS FOR ARE WITH HIS THEY THIS HAVE FROM ONE HAD WORD BUT NOT WHAT ALL WERE WHEN YOUR CAN
    SAID THERE USE EACH WHICH SHE HOW THEIR WILL OTHER ABOUT OUT MANY THEN THEM THESE SOME HER WOULD MAKE LIKE
    HIM INTO TIME HAS LOOK TWO MORE WRITE SEE NUMBER WAY COULD PEOPLE THAN FIRST WATER BEEN CALL WHO OIL NOW
    FIND LONG DOWN DAY DID GET COME MADE MAY PART OVER NEW SOUND TAKE ONLY LITTLE WORK KNOW PLACE YEAR LIVE
    BACK CQ DE QTH QSL QRM QRN QSB QRZ QSO RST TNX FB OM YL ES HR UR WX ANT RIG PWR WATT BEAM DIPOLE KEY AGN
    PSE CUL GM GA GE GN NAME CITY RAIN SUNNY WARM COLD WIND SNOW STORM RADIO SHIP COAST PORT NORTH SOUTH EAST
"""
WORDS = tuple(_COMMON.split())

_SPEEDS = (25.0, 45.0)  # words a minute: a dot has 1.2 seconds / speed (PARIS, 50 dots long)
_PITCHES = (400.0, 1000.0)
_NOISES = (0.02, 0.3)  # deviation, for a tone of amplitude 1 at its loudest
_UNSTEADY = 0.1  # deviation of a mark's or pause's length, as a share of it
_CALLS = 0.3  # of the words are call signs
_RISE = 0.004  # seconds in which a tone rises and falls
_AROUND = 0.15  # seconds of noise before and after, at least


def rows() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """For each record its number, and the fields `audio` and `text`."""
    random = np.random.default_rng(1844)
    for number in range(1, COUNT + 1):
        text = " ".join(_word(random) for _ in range(_between(random, 1, 2)))
        yield str(number), {"audio": Sound(_heard(text, random), RATE), "text": text}


# Of the generator only `random` is used, whose numbers stay the same from one NumPy to the next.


def _between(random: np.random.Generator, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    return low + int(random.random() * (high - low + 1))


def _one_of(random: np.random.Generator, many: Any) -> Any:
    return many[int(random.random() * len(many))]


def _normal(random: np.random.Generator, size: int) -> np.ndarray:
    """Normal numbers, by Box and Muller (1958)."""
    radius = np.sqrt(-2 * np.log(1 - random.random(size)))
    return radius * np.cos(2 * np.pi * random.random(size))


def _word(random: np.random.Generator) -> str:
    if random.random() >= _CALLS:
        return _one_of(random, WORDS)
    letters, digits = list(CODE)[:26], list(CODE)[26:]
    before, after = _between(random, 1, 2), _between(random, 1, 3)
    start = "".join(_one_of(random, letters) for _ in range(before))
    return start + _one_of(random, digits) + "".join(_one_of(random, letters) for _ in range(after))


def _heard(text: str, random: np.random.Generator) -> np.ndarray:
    """The sound of a text, int16."""
    low, high = _SPEEDS
    dot = 1.2 / (low + (high - low) * random.random())
    marks = _marks(text)
    lengths = np.abs(marks) * dot * (1 + _UNSTEADY * _normal(random, len(marks))).clip(0.6, 1.4)
    lengths = np.concatenate([[_AROUND + 0.3 * random.random()], lengths, [_AROUND + 0.3 * random.random()]])
    ends = (np.cumsum(lengths) * RATE).astype(int)
    key = np.zeros(ends[-1])
    for start, end, mark in zip(ends[:-1], ends[1:], marks, strict=False):
        key[start:end] = mark > 0
    edge = np.hanning(2 * int(_RISE * RATE) + 1)
    tone = np.convolve(key, edge / edge.sum(), "same") * _wave(len(key), random)
    quiet, loud = _NOISES
    noise = quiet * (loud / quiet) ** random.random()
    sound = tone + noise * _normal(random, len(key))
    return (sound * 32767 * (0.2 + 0.3 * random.random()) / 2).clip(-32768, 32767).astype(np.int16)


def _marks(text: str) -> np.ndarray:
    """Lengths in dots of the marks, above 0, and of the pauses between them, below 0."""
    lengths: list[int] = []
    for word in text.split():
        for letter in word:
            for sign in CODE[letter]:
                lengths += [3 if sign == "-" else 1, -1]
            lengths[-1] = -3
        lengths[-1] = -7
    return np.array(lengths[:-1])


def _wave(size: int, random: np.random.Generator) -> np.ndarray:
    """A tone that fades slowly, by up to a half."""
    low, high = _PITCHES
    time = np.arange(size) / RATE
    pitch, phase = low + (high - low) * random.random(), 2 * np.pi * random.random()
    fading = 0.75 + 0.25 * np.cos(2 * np.pi * (0.1 + 0.4 * random.random()) * time + phase)
    return fading * np.sin(2 * np.pi * pitch * time + phase)
