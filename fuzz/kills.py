"""Rounds of trainings that are killed and resumed: what comes of them is that of one which never stopped."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, final

import torch

import elman
from elman.core import tensor_file
from elman.core.console import NullReporter
from elman.core.errors import RunError
from elman.runs.folder import BEST, CONFIG, LAST, WEIGHTS
from elman.training import train
from fuzz import trained
from fuzz.base import Input, Kind, WrongError
from fuzz.killing import DONE, FAILED, REFUSED, Stop, until

_TASKS = tuple(task for task in trained.RUNS if task not in ("recall", "caption"))
"""Those whose tiny training has steps, and is quick."""

_CLOCK = ("seconds", "symbols_per_second", "per_second", "memory", "time")
"""Parts of the names of columns that depend on the clock."""


@final
class Kills(Kind):
    """A training with one to four stops."""

    name, group, pace, slow, seconds = "kills", "runs", 3, True, 60.0

    def prepare(self, folder: Path) -> None:
        """See `Kind`."""
        super().prepare(folder)
        for task in _TASKS:
            trained.run_of(task, folder)

    def make(self, rng: Random) -> Input:
        """See `Kind`."""
        stops = [_stop(rng) for _ in range(rng.choice((1, 1, 2, 3, 4)))]
        return Input({}, {"task": rng.choice(_TASKS), "stops": [list(stop) for stop in stops]})

    def run(self, given: Input, folder: Path) -> None:
        """See `Kind`."""
        task, run = given.about["task"], folder / "run"
        for stop in (*(Stop(*stop) for stop in given.about["stops"]), Stop()):
            how, told = until(stop, run, self._sitting(task, run))
            if how == FAILED:
                raise WrongError(
                    f"a traceback after {stop.kind or 'a resumption'}: {told.strip().splitlines()[-1][:200]}"
                )
            if how == REFUSED and stop.kind != "full":
                raise WrongError(f"refused after it was killed: {told[:200]}")
            if how == DONE:
                break
        if differs := _differs(trained.run_of(task, self.folder), run):
            raise WrongError(f"{differs} after {len(given.about['stops'])} stops")
        if litter := [path.name for path in run.rglob(".*") if path.is_file() and "lock" not in path.name]:
            raise WrongError(f"litter: {litter[0].rpartition('.')[0]}")

    def _sitting(self, task: str, run: Path) -> Callable[[], Any]:
        """A training from its begin, or from where it was."""

        def sit() -> None:
            with trained.undrawn():
                if (run / CONFIG).exists():
                    train.continue_run(run, NullReporter())
                else:
                    elman.train(
                        trained.source(task, self.folder), task=task, out=run, **trained.options_of(task)
                    )

        return sit


def _stop(rng: Random) -> Stop:
    chance = rng.random()
    if chance < 0.5:
        return Stop("event", rng.randrange(1, 60))
    if chance < 0.9:
        return Stop("time", round(rng.uniform(0.0, 0.5), 4))
    return Stop("full", rng.choice((0, 100, 1000, 4000, 20_000, 100_000)))


def _differs(expected: Path, got: Path) -> str:
    """What of a run is another than it should be."""
    for name in (WEIGHTS, BEST, LAST):
        if (expected / name).exists():
            try:
                mine, theirs = tensor_file.load(expected / name)[0], tensor_file.load(got / name)[0]
            except RunError as error:
                return str(error)[-200:]
            if mine.keys() != theirs.keys() or not all(torch.equal(mine[one], theirs[one]) for one in mine):
                return f"other numbers in {name}"
    if _rows(expected) != _rows(got):
        return "other metrics"
    return ""


def _rows(run: Path) -> list[dict[str, str]]:
    """The metrics of a run, without what depends on the clock."""
    path = run / "metrics.csv"
    rows = csv.DictReader(io.StringIO(path.read_text())) if path.exists() else ()
    return [
        {name: cell for name, cell in row.items() if not any(part in str(name) for part in _CLOCK)}
        for row in rows
    ]
