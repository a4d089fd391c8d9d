"""Each task on public data: scores on the official test part beside baselines, by seed, with the time taken.

    python benchmarks/tasks.py [NAME ...] [--data DIR] [--seeds 1,2,3] [--out DIR] [--write]

Each run is `elman train`, with the command that is printed; settings are in benchmarks/settings. A run
that --out holds already is not made again, and one that was stopped goes on. With --write the table goes
into docs/benchmarks.md as well.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import digits
from elman.tasks.base import RISING
from timing.page import processor, write

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared/data"
PAGE = HERE.parent / "docs/benchmarks.md"


class Case(NamedTuple):
    """One data set.

    Args:
        train: what is learnt from, below the folder of the data.
        settings: the file in benchmarks/settings.
        metric: what the bar is for.
        bar: the figure to reach.
        valid, test: files of their own, if there are such; where `made` makes a file, beside that.
        options: what else stands on the command line.
        seeds: how many seeds, at most.
        made: makes the file that is learnt from, given the folder of the data and one to write it to.
    """

    train: str
    settings: str
    metric: str
    bar: float
    valid: str = ""
    test: str = ""
    options: tuple[str, ...] = ()
    seeds: int = 3
    made: Callable[[Path, Path], Path] | None = None


def m4(data: Path, out: Path) -> Path:
    """A file of M4's hourly series, one a row, each with its future behind its past."""
    (head, *past), (_, *future) = (rows(data / f"m4/Hourly-{part}.csv") for part in ("train", "test"))
    ahead = {name: values for name, *values in future}
    whole = [[name, *filter(None, values), *ahead[name]] for name, *values in past]
    width = max(map(len, whole))
    names = [head[0], *(f"V{place}" for place in range(2, width + 1))]
    return table(out / "Hourly-train.csv", [names, *([*row, *[""] * (width - len(row))] for row in whole)])


def cmudict(data: Path, out: Path) -> Path:
    """A file of words and their phonemes; a word that is said in several ways has as many rows."""
    lines = (data / "cmudict/cmudict.txt").read_text().splitlines()
    said = [line.split(maxsplit=2) for line in lines]
    return table(out / "cmudict.csv", [["word", "phonemes"], *([word, how] for word, _, how in said)])


def music(name: str) -> Callable[[Path, Path], Path]:
    """What makes the parts of polyphonic music, frames of 88 notes behind each other, from MATLAB's file."""

    def made(data: Path, out: Path) -> Path:
        from scipy.io import loadmat

        held = loadmat(data / f"music/{name}.mat")
        out.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            pieces = [np.asarray(piece, np.uint8) for piece in held[f"{part}data"][0]]
            lengths = [len(piece) for piece in pieces]
            np.savez_compressed(out / f"{name}.{part}.npz", x=np.concatenate(pieces), lengths=lengths)
        return out / f"{name}.train.npz"

    return made


def strokes(data: Path, out: Path) -> Path:
    """The parts of Omniglot's strokes, each in a file of its own."""
    out.mkdir(parents=True, exist_ok=True)
    with np.load(data / "strokes/omniglot.flat.npz", allow_pickle=False) as held:
        for part in PARTS:
            np.savez_compressed(out / f"omniglot.{part}.npz", x=held[part], lengths=held[f"{part}_len"])
    return out / "omniglot.train.npz"


def drawn(name: str, settings: str, bar: float, made: Callable[[Path, Path], Path], seeds: int = 3) -> Case:
    """A data set of drawings or of music, in parts."""
    return Case(
        "", settings, "nats_per_step", bar, f"{name}.valid.npz", f"{name}.test.npz", seeds=seeds, made=made
    )


def table(path: Path, rows: list[list[str]]) -> Path:
    """A CSV file of these rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def multi30k(source: str, target: str, bar: float, *options: str) -> Case:
    """Multi30k from one language into the other."""
    said = ("--input", source, "--target", target, *options)
    folder = "multi30k"
    return Case(
        f"{folder}/train",
        "multi30k.toml",
        "bleu",
        bar,
        f"{folder}/val",
        f"{folder}/test_2016_flickr",
        said,
        seeds=1,
    )


def ett(horizon: int, bar: float) -> Case:
    """ETTh1 with a horizon of so many hours."""
    said = ("--set", f"forecast.horizon={horizon}")
    return Case("ett/ETTh1.csv", "ett.toml", "mse", bar, options=said)


def ucr(name: str, bar: float) -> Case:
    """A data set of the UCR and UEA archives, with its official parts."""
    folder = f"ucr_uea/{name}/{name}"
    return Case(f"{folder}_TRAIN.ts", "series.toml", "accuracy", bar, test=f"{folder}_TEST.ts")


PARTS = "train", "valid", "test"
UD = "ud_english_ewt/en_ewt-ud"
CASES = {
    "sst2": Case("sst2/train.tsv", "sst2.toml", "accuracy", 0.83, "sst2/dev.tsv", "sst2/test.tsv"),
    "dna_splice": Case("dna_splice/splice.data", "dna.toml", "accuracy", 0.96),
    "names": Case("names", "names.toml", "accuracy", 0.855),
    "JapaneseVowels": ucr("JapaneseVowels", 0.98),
    "GunPoint": ucr("GunPoint", 0.96),
    "ItalyPowerDemand": ucr("ItalyPowerDemand", 0.965),
    "ArrowHead": ucr("ArrowHead", 0.83),
    "BasicMotions": ucr("BasicMotions", 0.975),
    "fsdd": Case("fsdd/train.tsv", "fsdd.toml", "accuracy", 0.97, test="fsdd/test.tsv"),
    "ett_24": ett(24, 0.0262),
    "ett_48": ett(48, 0.0387),
    "ett_96": ett(96, 0.0541),
    "m4_hourly": Case("m4/Hourly-train.csv", "m4.toml", "mase", 1.193, made=m4),
    "mnist_rows": Case(
        "mnist/train-images-idx3-ubyte.gz",
        "mnist_rows.toml",
        "accuracy",
        0.985,
        test="mnist/t10k-images-idx3-ubyte.gz",
    ),
    "mnist_pixels": Case(
        "mnist/train-images-idx3-ubyte.gz",
        "mnist_pixels.toml",
        "accuracy",
        0.97,
        test="mnist/t10k-images-idx3-ubyte.gz",
        seeds=1,
    ),
    "ud_english_ewt": Case(
        f"{UD}-train.conllu", "tag.toml", "accuracy", 0.95, f"{UD}-dev.conllu", f"{UD}-test.conllu", seeds=1
    ),
    "multi30k_en_de": multi30k("en", "de", 33),
    "multi30k_de_en": multi30k("de", "en", 33),
    "multi30k_en_de_no_attention": multi30k("en", "de", 0, "--set", "translate.attention=none"),
    "cmudict": Case("cmudict/cmudict.txt", "cmudict.toml", "symbol_error_rate", 0.08, seeds=1, made=cmudict),
    "an4": Case("an4/train.tsv", "an4.toml", "word_error_rate", 0.12, test="an4/test.tsv", seeds=1),
    "fsdd_digits": Case(
        "",
        "digits.toml",
        "symbol_error_rate",
        0.03,
        test=digits.TEST,
        made=digits.strings,
    ),
    # The bar is what the nearest training picture has.
    "emoji": Case("emoji/train.tsv", "emoji.toml", "bleu", 22.4, "emoji/valid.tsv", "emoji/test.tsv"),
    "music_jsb": drawn("JSB_Chorales", "music_jsb.toml", 8.35, music("JSB_Chorales")),
    "music_jsb_apart": drawn("JSB_Chorales", "music_jsb_apart.toml", 8.35, music("JSB_Chorales")),
    "music_nottingham": drawn("Nottingham", "music_nottingham.toml", 3.3, music("Nottingham")),
    "music_nottingham_apart": drawn("Nottingham", "music_nottingham_apart.toml", 3.3, music("Nottingham")),
    # The bar is a nat below what the random walk has that knows the pen, on the validation part.
    "strokes": drawn("omniglot", "strokes.toml", 9.4, strokes),
}


class Done(NamedTuple):
    """A run that came to its end: scores of its test part by predictor, and its time in seconds."""

    scores: dict[str, dict[str, float]]
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help="data sets; all of them, if none is named")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--out", type=Path, default=HERE.parent / "runs/benchmarks")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    seeds, rows = [int(seed) for seed in given.seeds.split(",")], []
    for name in given.names or CASES:
        case = CASES[name]
        done = [run(name, case, seed, given.data, given.out) for seed in seeds[: case.seeds]]
        rows.append(row(name, case, done))
        print(rows[-1], flush=True)
    text = "\n".join([f"Measured on {processor()}.", "", *head(), *rows, ""])
    write(text, given.out / "tasks.md", PAGE if given.write else None)


def run(name: str, case: Case, seed: int, data: Path, out: Path) -> Done:
    """The run of a seed: made, gone on with, or found."""
    folder = out / f"{name}-{seed}"
    if (folder / "config.toml").exists():
        command = [sys.executable, "-m", "elman", "train", "--resume", str(folder)]
    else:
        command = [sys.executable, "-m", "elman", *arguments(case, seed, data, out), "--out", str(folder)]
    if not finished(folder):
        print("$ " + shlex.join(["elman", *command[3:]]), flush=True)
        subprocess.run(command, check=True)
    results = json.loads((folder / "results.json").read_text())
    return Done(results["scores"]["test"], results["training"]["seconds"])


def arguments(case: Case, seed: int, data: Path, out: Path) -> list[str]:
    """What is said to `elman` for a seed."""
    train = case.made(data, out) if case.made else data / case.train
    said = ["train", str(train), "--config", str(HERE / "settings" / case.settings)]
    for option, path in (("--valid-path", case.valid), ("--test-path", case.test)):
        said += [option, str((train.parent if case.made else data) / path)] if path else []
    return [*said, *case.options, "--seed", str(seed)]


def rows(path: Path) -> list[list[str]]:
    """The rows of a CSV file, its head first."""
    with path.open(newline="") as file:
        return list(csv.reader(file))


def finished(folder: Path) -> bool:
    """Whether a run came to its end."""
    results = folder / "results.json"
    return results.exists() and json.loads(results.read_text())["training"]["finished"]


def head() -> list[str]:
    """The table's head."""
    return [
        "| data | score | bar | Elman: mean (each seed) | best baseline | training |",
        "|---|---|---|---|---|---|",
    ]


def row(name: str, case: Case, done: list[Done]) -> str:
    """A row of the table."""
    scores = [run.scores["model"][case.metric] for run in done]
    each = ", ".join(f"{score:.4f}" for score in scores)
    others = {k: v[case.metric] for k, v in done[0].scores.items() if k != "model" and case.metric in v}
    best = (max if case.metric in RISING else min)(others, key=others.__getitem__)
    seconds = statistics.median(run.seconds for run in done)
    taken = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"
    return (
        f"| {name} | {case.metric} | {case.bar:g} | {statistics.mean(scores):.4f} ({each}) "
        f"| {others[best]:.4f} {best} | {taken} |"
    )


if __name__ == "__main__":
    main()
