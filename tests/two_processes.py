"""One of two processes that train together; it leaves what it saw and its weights. Run by test_training."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

import elman
from elman import loader, trainer, training
from elman.batch import Batch
from elman.interrupt import Interrupt

text, folder = map(Path, sys.argv[1:])
positions: list[torch.Tensor] = []


class Watched(loader.Windows):
    """Windows that tell which places of the text they read."""

    def __init__(self, example, *arguments, **named) -> None:
        super().__init__(example, *arguments, **named)
        self._places = loader.Windows(
            type(example)(torch.arange(len(example.data)), example.target), *arguments, **named
        )

    def batch(self, epoch: int, step: int) -> Batch:
        positions.append(self._places.batch(epoch, step).seq.data)
        return super().batch(epoch, step)


class Leaving(trainer.Trainer):
    """A trainer that leaves what it came to."""

    def run(self, interrupt: Interrupt) -> None:
        super().run(interrupt)
        left = {**self.learner.network.state_dict(), "seen": torch.cat(positions)}
        save_file(left, folder / f"{self.job.processes.rank}.safetensors")


training.Windows, training.Trainer = Watched, Leaving
options = {"hidden": 16, "epochs": 1, "batch_size": 2, "bptt": 16, "threads": 1, "dropout": 0.2}
elman.train(text, out=folder / "run", quiet=True, **options)
