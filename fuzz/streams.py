"""Damaged files of streams that were saved. What is not refused must go on as it would have gone."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random
from typing import Any, final

import torch

from elman.core.errors import TaskError
from elman.data.formats.base import to_json
from fuzz import structure, trained
from fuzz.base import Input, Kind, WrongError, sealed, write
from fuzz.mutations import mutated

_FILE = "stream.safetensors"
_STEPS: dict[str, list[Any]] = {
    "language": ["the cat", " sat"],
    "classify": ["the cat", " sat"],
    "tag": ["the cat sa", "t on"],
    "forecast": [[["2024-03-01", 1.0], ["2024-03-02", 2.0]], [["2024-03-03", 3.0]]],
    "draw": [[[1.0, 1.0, 0.0], [0.5, 1.0, 0.0]], [[0.0, 1.0, 1.0]]],
    "recognize": [[[0.1, 0.2]] * 5, [[0.3, 0.4]] * 3],
    "label": [[[0.1, 0.2]] * 5, [[0.3, 0.4]] * 3],
}
"""What a stream of a task is fed, before it is saved and after."""


@cache
def saved(task: str, folder: Path) -> bytes:
    """A stream of a task, saved; nothing, where its models do not stream."""
    path = folder / f"{task}.{_FILE}"
    try:
        with trained.model_of(task, folder).stream() as stream:
            stream.feed(_STEPS[task][0])
            stream.save(path)
    except (TaskError, KeyError):
        return b""
    return path.read_bytes()


@final
class Streams(Kind):
    """Streams of all tasks that have such."""

    name, group = "streams", "streams"

    def prepare(self, folder: Path) -> None:
        """See `Kind`."""
        super().prepare(folder)
        self._tasks = [task for task in trained.RUNS if saved(task, folder)]
        self._told = {task: self._goes_on(task, folder / f"{task}.{_FILE}") for task in self._tasks}

    def make(self, rng: Random) -> Input:
        """See `Kind`."""
        task, other = rng.choice(self._tasks), rng.choice(self._tasks)
        data = mutated(rng, saved(task, self.folder), saved(other, self.folder), structure.of(_FILE))
        return Input({_FILE: data}, {"task": task, "sealed": rng.random() < 0.5})

    def run(self, given: Input, folder: Path) -> None:
        """See `Kind`."""
        task, is_sealed = given.about["task"], given.about["sealed"]
        write({name: sealed(name, data) if is_sealed else data for name, data in given.files.items()}, folder)
        if self._goes_on(task, folder / _FILE) != self._told[task] and not is_sealed:
            raise WrongError("a stream goes on in another way")

    def _goes_on(self, task: str, path: Path) -> str:
        """What the stream in a file says of further steps."""
        torch.manual_seed(0)
        with trained.model_of(task, self.folder).stream(path) as stream:
            steps = stream.steps
            told = [stream.answer(output) for output in (*stream.feed(_STEPS[task][1]), *stream.finish())]
            return to_json([steps, stream.steps, [state.tolist() for state in stream.state()], told])
