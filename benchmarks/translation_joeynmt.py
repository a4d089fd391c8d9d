"""Translation in Elman beside JoeyNMT, the same sizes and subwords: target symbols a second, and BLEU.

    python3 -m venv joey && joey/bin/pip install joeynmt==2.3.0 importlib_metadata
    python benchmarks/translation_joeynmt.py --python joey/bin/python [--updates 150] [--rounds 3]
    python benchmarks/translation_joeynmt.py --python joey/bin/python --train [--epochs 5]

The first form trains Elman for an epoch and JoeyNMT for some updates, in turns (A B A B ...), each in a
process of its own, and prints their rates, from the first line of their log to the last, and the median of
the ratio. The second trains both for as many epochs as benchmarks/settings/multi30k.toml says, or for fewer,
and prints their BLEU on the test part. JoeyNMT gets our subwords as words, so that both read and write the
same symbols; its learning rate falls to a tenth over the epochs: of its schedules the nearest to ours.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import statistics
import subprocess
import sys
import tempfile
import tomllib
from datetime import datetime
from pathlib import Path

from sacrebleu.metrics import BLEU

import elman
from elman.core.run_config import RunConfig
from elman.data import formats
from elman.tasks.base import Purpose
from elman.tasks.seq2seq.target_text import Seq2SeqExample, TextHypothesis
from elman.tasks.translate.task import Translate

SETTINGS = Path(__file__).parent / "settings/multi30k.toml"
DATA = Path(__file__).parents[2] / "shared/data/multi30k"
BEAMS = 1, 5
PARTS = {"train": "train", "dev": "val", "test": "test_2016_flickr"}
_LAST = 1 / 10  # share of the first learning rate that JoeyNMT has in its last epoch
_LINE = re.compile(r"^(\S+ \S+) .* Step: +(\d+),", re.MULTILINE)


def prepared(data: Path, epochs: int = 0) -> tuple[RunConfig, Translate, dict[str, list[Seq2SeqExample]]]:
    """The settings, the task with its subwords, and the sentences of each part in numbers."""
    tables = tomllib.loads(SETTINGS.read_text())
    tables["training"]["epochs"] = epochs or tables["training"]["epochs"]
    tables["data"] |= {"path": str(data / "train"), "input": "en", "target": "de"}
    run = RunConfig.of({name: table for name, table in tables.items() if name != "task"}, Translate.Config)
    records = {part: formats.read(str(data / name)) for part, name in PARTS.items()}
    task = Translate.prepare(records["train"], run)
    uses = {"train": Purpose.TRAIN, "dev": Purpose.VALID, "test": Purpose.TEST}
    held = {part: task.encode(records[part], use) for part, use in uses.items()}
    return (
        run,
        task,
        {part: [pair for pair in pairs if isinstance(pair, Seq2SeqExample)] for part, pairs in held.items()},
    )


def write_parts(held: dict[str, list[Seq2SeqExample]], folder: Path) -> None:
    """Files of numbers as words, a sentence a line."""
    for part, pairs in held.items():
        sides = {
            "en": [pair.data.tolist() for pair in pairs],
            "de": [pair.target[:-1].tolist() for pair in pairs],
        }
        for side, sentences in sides.items():
            text = "\n".join(" ".join(map(str, numbers)) for numbers in sentences)
            (folder / f"{part}.{side}").write_text(text + "\n")


def configure(folder: Path, run: RunConfig, updates: int, beam: int) -> Path:
    """A file of JoeyNMT's settings; JSON is YAML."""
    network, training = run.network, run.training
    falls = _LAST ** (1 / max(1, training.epochs - 1))
    side = {"level": "word", "voc_min_freq": 1, "max_length": 100}
    part = {
        "type": "recurrent",
        "rnn_type": network.cell,
        "embeddings": {"embedding_dim": network.embedding, "dropout": network.input_dropout},
        "hidden_size": network.hidden,
        "dropout": network.dropout,
        "num_layers": network.layers,
    }
    content = {
        "name": "peer",
        "model_dir": str(folder / "model"),
        "use_cuda": False,
        "random_seed": 1,
        "data": {
            **{name: str(folder / name) for name in PARTS},
            "dataset_type": "plain",
            "src": {"lang": "en", **side},
            "trg": {"lang": "de", **side},
        },
        "testing": {
            "beam_size": beam,
            "beam_alpha": 1.0 if beam > 1 else -1,
            "batch_size": 100,
            "max_output_length": 100,
            "eval_metrics": ["bleu"],
            **({"load_model": str(folder / "model/best.ckpt")} if not updates else {}),
        },
        "training": {
            "optimizer": "adam",
            "learning_rate": training.lr / falls,  # it falls before the first epoch, too
            "learning_rate_min": 0.0001,
            "scheduling": "exponential",
            "decrease_factor": falls,
            "clip_grad_norm": training.clip,
            "label_smoothing": run.options.smoothing,  # type: ignore[attr-defined]
            "normalization": "tokens",
            "batch_size": training.batch_size,
            "epochs": training.epochs,
            **({"updates": updates} if updates > 0 else {}),
            "logging_freq": 10,
            "validation_freq": 10**6 if updates > 0 else 450,
            "early_stopping_metric": "bleu",
            "overwrite": True,
            "keep_best_ckpts": 1,
        },
        "model": {
            "initializer": "xavier_uniform",
            "tied_softmax": True,
            "encoder": {**part, "bidirectional": True},
            "decoder": {
                **part,
                "hidden_dropout": network.dropout,
                "input_feeding": True,
                "init_hidden": "bridge",
                "attention": "luong",
            },
        },
    }
    path = folder / "peer.yaml"
    path.write_text(json.dumps(content, indent=1))
    return path


def joeynmt(python: str, *args: str) -> None:
    """Run JoeyNMT; what it says goes to its log."""
    subprocess.run([python, "-m", "joeynmt", *args], check=True, capture_output=True)


def rate(points: list[tuple[float, int]], batch: int) -> float:
    """Sentences a second between the first and the last (seconds, step) of a log."""
    (began, first), (ended, last) = points[0], points[-1]
    return (last - first) * batch / (ended - began)


def theirs(python: str, folder: Path, run: RunConfig, updates: int) -> float:
    """Sentences a second of JoeyNMT."""
    joeynmt(python, "train", str(configure(folder, run, updates, 1)), "--skip-test")
    lines = _LINE.findall((folder / "model/train.log").read_text())
    points = [(datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f").timestamp(), int(step)) for at, step in lines]
    return rate(points, run.training.batch_size)


def trained(folder: Path, data: Path, *settings: str) -> Path:
    """The run folder of Elman, trained with the settings of the file and others."""
    out = Path(tempfile.mkdtemp(dir=folder)) / "run"
    command = [sys.executable, "-m", "elman", "train", str(data / "train"), "--config", str(SETTINGS)]
    command += ["--input", "en", "--target", "de", "--out", str(out), "--set", "data.test=0"]
    for setting in settings:
        command += ["--set", setting]
    subprocess.run(command, check=True, capture_output=True)
    return out


def ours(folder: Path, data: Path, run: RunConfig) -> float:
    """Sentences a second of Elman, in one epoch."""
    out = trained(folder, data, "training.epochs=1", "data.valid=0.01")
    with (out / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if not row["valid_score"]]
    points = [(float(row["seconds"]), int(row["step"])) for row in rows]
    return rate(points, run.training.batch_size)


def compare(given: argparse.Namespace, folder: Path) -> None:
    """The rates of both, in turns."""
    run, _, held = prepared(given.data)
    write_parts(held, folder)
    length = statistics.mean(len(pair.target) for pair in held["train"])
    rates: list[tuple[float, float]] = []
    for number in range(given.rounds):
        mine = ours(folder, given.data, run) * length
        other = theirs(given.python, folder, run, given.updates) * length
        rates.append((mine, other))
        print(f"round {number + 1}: Elman {mine:,.0f}, JoeyNMT {other:,.0f} target symbols/s", flush=True)
    print(f"Elman is {statistics.median(a / b for a, b in rates):.2f} times as fast")


def train(given: argparse.Namespace, folder: Path) -> None:
    """The BLEU of both on the test part."""
    run, task, held = prepared(given.data, given.epochs)
    write_parts(held, folder)
    references = [[pair.text for pair in held["test"]]]

    def score(who: str, beam: int, texts: list[str]) -> None:
        bleu = BLEU(lowercase=True)
        print(
            f"{who}, beam {beam}: {bleu.corpus_score(texts, references)}, {bleu.get_signature()}", flush=True
        )

    joeynmt(given.python, "train", str(configure(folder, run, 0, 1)), "--skip-test")
    for beam in BEAMS:
        config = configure(folder, run, 0, beam)
        joeynmt(given.python, "test", str(config), "--output-path", str(folder / "said"))
        lines = (folder / "said.test").read_text().splitlines()
        numbers = [[int(word) for word in line.split() if word.isdigit()] for line in lines]
        score("JoeyNMT", beam, [task.wording.text(TextHypothesis(line, 0, 0)) for line in numbers])
    valid = f"data.valid_path={given.data / 'val'}"
    model = elman.load(trained(folder, given.data, valid, f"training.epochs={run.training.epochs}"))
    sources = (given.data / f"{PARTS['test']}.en").read_text().splitlines()
    for beam in BEAMS:
        score("Elman", beam, [best.text for best, *_ in model.translate(sources, beam=beam)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", required=True, help="the Python that has JoeyNMT")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--updates", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--train", action="store_true", help="train both to the end, and score them")
    parser.add_argument("--epochs", type=int, default=0, help="of --train; 0: as the settings say")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (train if given.train else compare)(given, Path(folder))


if __name__ == "__main__":
    main()
