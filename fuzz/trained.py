"""Tiny runs of every task, trained here, from which damaged ones come."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import elman
from elman import tasks
from elman.core.records import Record
from elman.data import formats
from elman.data.formats.base import to_json
from elman.tasks.abilities import PredictsRecords
from elman.tasks.model import Model
from elman.training import curves
from fuzz.base import write
from fuzz.killing import Stop, until
from fuzz.seeds import SEEDS, Seed

_LEARNS = {"epochs": 2, "hidden": 4, "threads": 1, "batch_size": 8, "lr": 0.01}
_OWN: dict[str, dict[str, Any]] = {
    "language": {"bptt": 32, "preview": 0},
    "classify": {"bidirectional": False},
    "tag": {"bidirectional": False, "char_hidden": 4, "char_embedding": 4},
    "recognize": {"bidirectional": False},
    "label": {"bidirectional": False},
    "forecast": {"model": "autoregressive", "samples": 10, "horizon": 4, "context": 8},
    "caption": {"beam": 1},
    "draw": {"mixture": 2},
    "recall": {"iterations": 3},
}
_QUIET = {"quiet": True, "tensorboard": False}

RUNS = tuple(tasks.TASKS)
"""All tasks, each with a run."""


@contextlib.contextmanager
def undrawn() -> Iterator[None]:
    """Trainings whose reports have no pictures, which take longer than all else."""
    before = curves.draw
    curves.draw = lambda *_: ""  # pyrefly: ignore[bad-assignment]
    try:
        yield
    finally:
        curves.draw = before


def seed_of(task: str) -> Seed:
    """The first data of a simple format that a task can learn from."""
    plain = "text", "table", "jsonlines"
    order = plain[::-1] if task in ("classify", "recognize") else plain
    return next(seed for name in (*order, *SEEDS) for seed in SEEDS[name] if task in seed.tasks)


def options_of(task: str) -> dict[str, Any]:
    """The options of a training."""
    return {**_LEARNS, **seed_of(task).options, **_OWN.get(task, {}), **_QUIET}


@cache
def run_of(task: str, folder: Path) -> Path:
    """The folder of a trained run, made when it is first asked for; its data lie beside it."""
    write(seed_of(task).files, folder / task)
    with undrawn():
        elman.train(source(task, folder), task=task, out=folder / task / "run", **options_of(task))
    return folder / task / "run"


@cache
def begun_of(task: str, folder: Path) -> Path:
    """The folder of the same run as it stands after its first checkpoint."""
    run_of(task, folder)
    run = folder / task / "begun"

    def train() -> None:
        with undrawn():
            elman.train(source(task, folder), task=task, out=run, **options_of(task))

    until(Stop("saved", 1), run, train)
    return run


def source(task: str, folder: Path) -> str:
    """Where the data of a run lie."""
    named = seed_of(task).source
    return named if named.startswith("sample:") else str(folder / task / named)


@cache
def model_of(task: str, folder: Path) -> Model:
    """A trained model."""
    return elman.load(run_of(task, folder), device="cpu")


@cache
def records_of(task: str, folder: Path) -> list[Record]:
    """Some of the records that a run has learnt from, or all, where they are rows of a series."""
    found = formats.read(source(task, folder), "utf-8", tasks.get(task).formats)
    return found if task == "forecast" else found[:2]


def used(model: Model, records: list[Record]) -> str:
    """What a model says of records, or makes of nothing, as JSON."""
    task, said = model.task, list[Any]()
    if model.can("write"):
        said += islice(model.write("the", 4, seed=1), 4)
    if model.can("draw"):
        said += [one.steps for one in model.draw(1, length=3, seed=1)]
    if model.can("forecast"):
        said += [str(one) for one in model.futures(records)]
    elif isinstance(task, PredictsRecords):
        said += [answer for _, answer in model.answers(records)]
    return to_json(said)
