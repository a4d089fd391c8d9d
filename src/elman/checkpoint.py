"""A training as it stands between two steps: all that is needed to go on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from elman import tensors
from elman.advice import Epoch, Look
from elman.batch import State
from elman.distributed import Processes
from elman.errors import RunError
from elman.optim import Average

LAST = "checkpoints/last.safetensors"
BEST = "checkpoints/best.safetensors"


@dataclass
class Tally:
    """Sums over steps, for means that are reported later.

    Args:
        nats, count: loss in nats and the targets it is over.
        symbols: steps of the sequences, without padding.
        norm, clipped, steps: gradient norms, how many were clipped, and of how many steps.
        top_norm, top_step: the highest norm, and the step it came in.
    """

    nats: float = 0.0
    count: int = 0
    symbols: int = 0
    norm: float = 0.0
    clipped: int = 0
    steps: int = 0
    top_norm: float = 0.0
    top_step: int = 0


@dataclass
class Progress:
    """How far a training has come.

    Args:
        epoch, window: the next window (or batch) to be learnt from, both from 0.
        step: optimiser steps done.
        best: what `scoring.goal` made of the best validation so far.
        best_epoch: the epoch (from 0) that it came in.
        halvings: how often a plateau halved the learning rate.
        seconds: time spent in training, over all its sittings.
        data: fingerprint of the data.
        recent, whole: sums since the last row of metrics, and since the epoch's begin.
        epochs: the numbers of the epochs that are done.
        looked: the last step that was looked at.
        look: what was seen in this epoch, if anything.
        done: training came to its end.
    """

    epoch: int = 0
    window: int = 0
    step: int = 0
    best: list[float] | None = None
    best_epoch: int = 0
    halvings: int = 0
    seconds: float = 0.0
    data: str = ""
    recent: Tally = field(default_factory=Tally)
    whole: Tally = field(default_factory=Tally)
    epochs: list[Epoch] = field(default_factory=list)
    looked: int = 0
    look: Look | None = None
    done: bool = False

    @classmethod
    def of(cls, notes: Mapping[str, Any]) -> Progress:
        """The progress that `asdict` turned into `notes`."""
        inner: dict[str, Any] = {
            "recent": Tally(**notes["recent"]),
            "whole": Tally(**notes["whole"]),
            "epochs": [_epoch(numbers) for numbers in notes["epochs"]],
            "look": _look(notes.get("look")),
        }
        return cls(**{**notes, **inner})


def _epoch(notes: Mapping[str, Any]) -> Epoch:
    values: dict[str, Any] = {**notes, "look": _look(notes.get("look"))}
    return Epoch(**values)


def _look(notes: Mapping[str, Any] | None) -> Look | None:
    return Look(**notes) if notes else None


@dataclass
class Learner:
    """What changes while training: weights, their average, the optimiser, the state carried over windows."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average | None
    state: State | None

    def weights(self) -> dict[str, Tensor]:
        """The weights that predictions are made with: the average, where one is kept."""
        return self.average.weights if self.average else self.network.state_dict()


def save(path: Path, learner: Learner, progress: Progress, processes: Processes) -> None:
    """Write everything to `path`. All processes call this; the main one writes.

    What differs between processes (the carried state and the random state) is gathered from all.
    """
    named: dict[str, Tensor] = {f"network.{k}": v for k, v in learner.network.state_dict().items()}
    if learner.average:
        named |= {f"average.{k}": v for k, v in learner.average.weights.items()}
    for index, slots in learner.optimizer.state_dict()["state"].items():
        named |= {f"optimizer.{index}.{k}": v for k, v in slots.items() if isinstance(v, Tensor)}
    named |= {f"state.{i}": processes.gather(tensor) for i, tensor in enumerate(learner.state or ())}
    named |= {f"random.{k}": processes.gather(v).cpu() for k, v in _random_states(processes.device).items()}
    if processes.main:
        updates = learner.average.updates if learner.average else 0
        tensors.save(
            path, named, {"progress": asdict(progress), "world": processes.world, "updates": updates}
        )


def restore(path: Path, learner: Learner, processes: Processes) -> Progress:
    """Put everything back as `save` found it, and return the progress.

    Raises:
        RunError: the file is missing or damaged, or the training had another number of processes.
    """
    named, notes = tensors.load(path)
    if notes["world"] != processes.world:
        remedy = f"resume with torchrun --nproc-per-node {notes['world']}"
        raise RunError(
            path, f"{processes.world} processes", expected=f"{notes['world']}, as before", remedy=remedy
        )
    try:
        learner.network.load_state_dict(_part(named, "network."))
        if learner.average:
            learner.average.updates = notes["updates"]
            for name, value in _part(named, "average.").items():
                learner.average.weights[name].copy_(value)
        _restore_optimizer(learner.optimizer, _part(named, "optimizer."))
        mine = [value[processes.rank].to(processes.device) for value in _part(named, "state.").values()]
        learner.state = tuple(mine) or None
        _restore_random(_part(named, "random."), processes)
        return Progress.of(notes["progress"])
    except (RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise RunError(path, f"a checkpoint that does not fit the settings ({reason})") from error


def _part(named: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}


def _restore_optimizer(optimizer: torch.optim.Optimizer, named: Mapping[str, Tensor]) -> None:
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in named.items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})


def _random_states(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _restore_random(states: Mapping[str, Tensor], processes: Processes) -> None:
    torch.set_rng_state(states["cpu"][processes.rank].clone())  # torch refuses a view
    if "cuda" in states and processes.device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"][processes.rank].clone(), processes.device)
