"""Answers at each step of signals: remaining life of engines (C-MAPSS FD001), and which digit sounds now.

python benchmarks/steps.py DATA [cmapss|digits]: DATA has folders `cmapss` (train_FD001.txt, test_FD001.txt,
RUL_FD001.txt) and `fsdd` (recordings `7_jackson_32.wav`). Tables are made in a temporary folder, models are
trained by default settings, and the scores of the test part are printed.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import elman
from elman.inputs.signals import audio

MOST = 125
"""Cycles to which the remaining life is bounded, as is usual on these data."""

JOINED, PAUSE = 6, 20
"""Digits of a joined recording, and frames of silence between two, at most."""


def cmapss(data: Path, folder: Path) -> dict[str, str]:
    """Write the training and test engines as long tables: a row a cycle, with the life that remains."""
    names = ["unit", "cycle", *(f"op{i}" for i in range(1, 4)), *(f"s{i}" for i in range(1, 22)), "rul"]
    read = {use: np.loadtxt(data / f"cmapss/{use}_FD001.txt") for use in ("train", "test")}
    left = {"train": np.zeros(len(read["train"])), "test": np.loadtxt(data / "cmapss/RUL_FD001.txt")}
    for use, rows in read.items():
        with (folder / f"{use}.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(names)
            for unit in np.unique(rows[:, 0]).astype(int):
                own = rows[rows[:, 0] == unit]
                for place, row in enumerate(own):
                    life = len(own) - 1 - place + int(left[use][unit - 1])
                    table.writerow([unit, int(row[1]), *row[2:], min(MOST, life)])
    return {"path": str(folder / "train.csv"), "test_path": str(folder / "test.csv")}


def digits(data: Path, folder: Path) -> dict[str, str]:
    """Write joined digits as log-mel frames [T, 40], each frame with its digit or `none`, by JSON lines.

    The recordings numbered 0 to 4 of each speaker and digit test, as is usual; the others are learnt from.
    """
    import json

    generator = np.random.default_rng(1)
    files = sorted((data / "fsdd").rglob("*.wav"))
    for use, wanted in (("train", False), ("test", True)):
        some = [path for path in files if (int(path.stem.split("_")[2]) < 5) == wanted]
        order = generator.permutation(len(some))
        with (folder / f"{use}.jsonl").open("w") as file:
            for start in range(0, len(order) - JOINED + 1, JOINED):
                paths = [some[place] for place in order[start : start + JOINED]]
                file.write(json.dumps(joined(paths, generator)) + "\n")
    return {"path": str(folder / "train.jsonl"), "test_path": str(folder / "test.jsonl")}


def joined(paths: list[Path], generator: np.random.Generator) -> dict[str, list]:
    """Recordings one after the other, with quiet noise between them."""
    frames, answers = [], []
    for path in paths:
        samples, rate = audio.read(path)
        own = audio.log_mel(samples, rate, bands=40).numpy()
        pause = generator.integers(5, PAUSE)
        frames += [np.quantile(own, 0.02) + 0.3 * generator.standard_normal((pause, 40)), own]
        answers += ["none"] * pause + [path.stem.split("_")[0]] * len(own)
    return {"inputs": np.concatenate(frames).round(3).tolist(), "target": answers}


def main() -> None:
    """Train and print."""
    data, *asked = sys.argv[1:]
    for make in (cmapss, digits):
        if asked and make.__name__ not in asked:
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            files = make(Path(data), folder)
            begun = time.perf_counter()
            model = elman.train(**files, task="label", out=folder / "run", quiet=True)
            results = model.results
            print(make.__name__, f"{results.training.steps} steps, {time.perf_counter() - begun:.0f} s")
            for predictor, scores in results.scores["test"].items():
                print(f"  {predictor}: " + ", ".join(f"{key} {value:.4g}" for key, value in scores.items()))


if __name__ == "__main__":
    main()
