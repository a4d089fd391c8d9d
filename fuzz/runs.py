"""Damaged run folders: loaded, resumed. What is not refused must be what it was."""

from __future__ import annotations

import os
from abc import abstractmethod
from functools import cache
from pathlib import Path
from random import Random
from typing import final

import torch

import elman
from elman.core.console import NullReporter
from elman.runs.folder import CONFIG, LAST, METRICS, RESULTS, VOCAB, WEIGHTS
from elman.tasks.model import Model
from elman.training import train
from fuzz import structure, trained
from fuzz.base import Input, Kind, WrongError, sealed
from fuzz.mutations import mutated

PLACE = b"{FOLDER}"
_NEVER = ("report.md", "log.txt", ".lock")
"""Files that nothing is loaded from."""


@cache
def files_of(run: Path) -> dict[str, bytes]:
    """What is in a run folder."""
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in _NEVER
    }


def place(run: Path, changed: dict[str, bytes] | None, folder: Path) -> Path:
    """A copy of a run folder with some files changed; the others are the same file on the disk."""
    target = folder / "run"
    for name in files_of(run):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if changed is None or name not in changed:
            os.link(run / name, path)
    for name, content in (changed or {}).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return target


class _OfRuns(Kind):
    """What both have in common: a run for each task, of which one file, seldom two, is damaged."""

    group = "runs"
    names: tuple[str, ...]

    @abstractmethod
    def seed(self, task: str) -> Path:
        """The folder of a run that is whole."""

    def prepare(self, folder: Path) -> None:
        """See `Kind`."""
        super().prepare(folder)
        for task in trained.RUNS:
            trained.run_of(task, folder)
            self._files(task)

    def _files(self, task: str) -> dict[str, bytes]:
        """The files of a run; where it lies is told by a word, which makes them the same everywhere."""
        place = str(self.folder).encode()
        return {name: content.replace(place, PLACE) for name, content in files_of(self.seed(task)).items()}

    def make(self, rng: Random) -> Input:
        """See `Kind`."""
        task = rng.choice(trained.RUNS)
        files = self._files(task)
        some = [name for name in self.names if name in files]
        others = [name for name in files if name not in some]
        changed: dict[str, bytes] = {}
        for _ in range(rng.choice((1, 1, 1, 1, 2))):
            name = rng.choice(some) if some and (not others or rng.random() < 0.9) else rng.choice(others)
            other = self._files(rng.choice(trained.RUNS)).get(name, b"")
            changed[name] = mutated(rng, files[name], other, structure.of(name))
        gone = rng.choice(list(files)) if rng.random() < 0.02 else ""
        return Input(changed, {"task": task, "gone": gone, "sealed": rng.random() < 0.5})

    def put(self, given: Input, folder: Path) -> Path:
        """The damaged run folder."""
        here = str(self.folder).encode()
        changed = {name: content.replace(PLACE, here) for name, content in given.files.items()}
        if given.about["sealed"]:
            changed = {name: sealed(name, content) for name, content in changed.items()}
        run = place(self.seed(given.about["task"]), changed, folder)
        if given.about["gone"]:
            (run / given.about["gone"]).unlink(missing_ok=True)
        return run

    def judge(self, given: Input, words: str) -> None:
        """Say that something is another than it was, unless it may be.

        What is sealed is what was written, and settings may be changed by hand.
        """
        if not given.about["sealed"] and CONFIG not in (*given.files, given.about["gone"]):
            raise WrongError(words)

    def original(self, given: Input, name: str) -> bytes | None:
        """See `Kind`."""
        return self._files(given.about["task"]).get(name)


@final
class Loaded(_OfRuns):
    """Run folders that are loaded."""

    name = "runs"
    names = (CONFIG, VOCAB, WEIGHTS)

    def seed(self, task: str) -> Path:
        """See `_OfRuns`."""
        return trained.run_of(task, self.folder)

    def run(self, given: Input, folder: Path) -> None:
        """See `Kind`."""
        task = given.about["task"]
        before = trained.model_of(task, self.folder)
        found = elman.load(self.put(given, folder), device="cpu")
        if differs := _difference(before, found):
            trained.used(found, trained.records_of(task, self.folder))
            self.judge(given, f"{differs} are others")


def _difference(before: Model, after: Model) -> str:
    """What of a model is another; nothing: it is the same."""
    if before.config != after.config:
        return "settings"
    if before.task.to_text() != after.task.to_text():
        return "what was learnt of the data"
    mine, theirs = before.network.state_dict(), after.network.state_dict()
    if mine.keys() != theirs.keys() or not all(torch.equal(mine[name], theirs[name]) for name in mine):
        return "weights"
    return ""


@final
class Resumed(_OfRuns):
    """Checkpoints and the rest of a training that is resumed; what comes of it is what would have come."""

    name = "checkpoints"
    names = (LAST, LAST, METRICS, RESULTS, CONFIG, VOCAB)
    pace = 30

    def seed(self, task: str) -> Path:
        """See `_OfRuns`."""
        return trained.begun_of(task, self.folder)

    def run(self, given: Input, folder: Path) -> None:
        """See `Kind`."""
        run, task = self.put(given, folder), given.about["task"]
        with trained.undrawn():
            found = train.continue_run(run, NullReporter())
        if differs := _difference(trained.model_of(task, self.folder), found):
            self.judge(given, f"after a resumption {differs} are others")
