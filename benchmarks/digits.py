"""Strings of spoken digits, made of single ones: three of one speaker's recordings with silences around them.

Strings to learn from are of recordings to learn from alone, those to be scored on of the others alone.
"""

from __future__ import annotations

import csv
import wave
from collections import defaultdict
from pathlib import Path

import numpy as np

from elman.inputs.signals import audio

TRAIN, TEST = "train.tsv", "test.tsv"
_PASSES = {TRAIN: 4, TEST: 3}
"""How often each recording is used."""
_TOGETHER = 3
_SILENCE = (0.05, 0.3)  # seconds before, between and after
_HISS = 0.001  # deviation of the noise that a silence has


def strings(data: Path, out: Path) -> Path:
    """Write the strings below `out`, and return the table of those to learn from; TEST is beside it."""
    folder = out / "fsdd_digits"
    for number, (table, passes) in enumerate(_PASSES.items()):
        if not (folder / table).exists():
            _write(data / "fsdd" / table, folder / table, passes, np.random.default_rng(number))
    return folder / TRAIN


def _write(source: Path, table: Path, passes: int, random: np.random.Generator) -> None:
    said: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    with source.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            said[row["speaker"]].append((row["digit"], source.parent / row["path"]))
    folder = table.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    rows = [["path", "text", "speaker"]]
    for speaker, recordings in said.items():
        for drawn in _drawn(len(recordings), passes, random):
            chosen = [recordings[place] for place in drawn]
            path = folder / f"{len(rows)}.wav"
            _join([recording for _, recording in chosen], path, random)
            name = path.relative_to(table.parent).as_posix()
            rows.append([name, "".join(digit for digit, _ in chosen), speaker])
    with table.open("w", newline="") as file:  # last: a table that is there is whole
        csv.writer(file, delimiter="\t").writerows(rows)


def _drawn(count: int, passes: int, random: np.random.Generator) -> np.ndarray:
    """Numbers below `count`, three in a row, none of them twice in a pass."""
    whole = count // _TOGETHER * _TOGETHER
    return np.concatenate([random.permutation(count)[:whole].reshape(-1, _TOGETHER) for _ in range(passes)])


def _join(recordings: list[Path], path: Path, random: np.random.Generator) -> None:
    sounds = [audio.read(recording) for recording in recordings]
    ((_, rate), *_) = sounds
    parts = [_silence(rate, random)]
    for samples, own in sounds:
        assert own == rate
        parts += [samples.numpy(), _silence(rate, random)]
    whole = np.concatenate(parts).clip(-1, 1)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, len(whole), "NONE", ""))
        file.writeframes((whole * 32767).astype("<i2").tobytes())


def _silence(rate: int, random: np.random.Generator) -> np.ndarray:
    return _HISS * random.standard_normal(round(rate * random.uniform(*_SILENCE)))
