"""One of two processes that train together; it leaves what it saw and its weights. Run by test_training.

two_processes.py TEXT FOLDER [STEPS]: stop after so many steps, and resume
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

import elman
from elman.core import graceful_stop
from elman.core.graceful_stop import GracefulStop
from elman.core.records import Batch
from elman.data import batching
from elman.data.batching import BpttWindows
from elman.training import loop

text, folder = map(Path, sys.argv[1:3])
positions: list[torch.Tensor] = []


class Watched(BpttWindows):
    """Windows that tell which places of the text they read."""

    def __init__(self, example, *arguments, **named) -> None:
        super().__init__(example, *arguments, **named)
        self._places = BpttWindows(
            type(example)(torch.arange(len(example.data)), example.target), *arguments, **named
        )

    def batch(self, epoch: int, step: int) -> Batch:
        if epoch == 0:
            positions.append(self._places.batch(epoch, step).seq.data)
        return super().batch(epoch, step)


class Leaving(loop.Trainer):
    """A trainer that leaves what it came to."""

    def run(self, interrupt: GracefulStop) -> None:
        super().run(interrupt)
        left = {**self.learner.network.state_dict(), "seen": torch.cat(positions)}
        save_file(left, folder / f"{self.job.processes.rank}.safetensors")


class StopOnce:
    """In the place of Ctrl-C: seen at one look, after so many, and never again."""

    looks = int(sys.argv[3]) if len(sys.argv) > 3 else -1

    def __enter__(self) -> StopOnce:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def seen(self) -> bool:
        StopOnce.looks -= 1
        return StopOnce.looks == 0


batching.BpttWindows, loop.Trainer, graceful_stop.GracefulStop = Watched, Leaving, StopOnce
options = {"hidden": 16, "epochs": 2, "batch_size": 2, "bptt": 16, "threads": 1, "dropout": 0.2}
elman.train(text, out=folder / "run", quiet=True, **options)
if len(sys.argv) > 3:
    elman.train(resume=folder / "run", quiet=True)
