"""A training as it stands between two steps: all that is needed to go on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn

from elman.core import json_schema, tensor_file
from elman.core.errors import RunError
from elman.core.records import State
from elman.diagnostics.layer_stats import LayerStats
from elman.training.advice import Epoch
from elman.training.optimizers import WeightAverage
from elman.training.processes import ProcessGroup

Count = Annotated[int, ("minimum", 0), ("maximum", 1 << 53)]
"""A number of things, in terms of `elman.core.json_schema`."""


@dataclass
class RunningSums:
    """Sums over steps, for means that are reported later.

    Args:
        nats, count: loss in nats and the targets it is over.
        symbols: steps of the sequences, without padding.
        norm, clipped, steps: gradient norms, how many were clipped, and of how many steps.
        top_norm, top_step: the highest norm, and the step it came in.
    """

    nats: float = 0.0
    count: Count = 0
    symbols: Count = 0
    norm: float = 0.0
    clipped: Count = 0
    steps: Count = 0
    top_norm: float = 0.0
    top_step: Count = 0


@dataclass
class Progress:
    """How far a training has come.

    Args:
        epoch, window: the next window (or batch) to be learnt from, both from 0.
        step: optimiser steps done.
        best: what `evaluation.goal` made of the best validation so far.
        best_epoch: the epoch (from 0) that it came in.
        halvings: how often a plateau halved the learning rate.
        planned: optimiser steps that the minutes allow; 0: as many as are set.
        seconds: time spent in training, over all its sittings.
        data: fingerprint of the data.
        metrics: digest of the table of metrics up to here; empty, if that is not known.
        recent, whole: sums since the last row of metrics, and since the epoch's begin.
        epochs: the numbers of the epochs that are done.
        looked: the last step that was looked at.
        look: what was seen in this epoch, if anything.
        done: training came to its end.
    """

    epoch: Count = 0
    window: Count = 0
    step: Count = 0
    best: list[float] | None = None
    best_epoch: Count = 0
    halvings: Count = 0
    planned: Count = 0
    seconds: float = 0.0
    data: str = ""
    metrics: str = ""
    recent: RunningSums = field(default_factory=RunningSums)
    whole: RunningSums = field(default_factory=RunningSums)
    epochs: list[Epoch] = field(default_factory=list)
    looked: Count = 0
    look: LayerStats | None = None
    done: bool = False

    def check(self) -> None:
        """See that the numbers can be those of one training.

        Raises:
            ValueError: they cannot.
        """
        ordered = self.step >= self.whole.steps >= self.recent.steps and self.best_epoch <= self.epoch
        if len(self.epochs) != self.epoch or not ordered or self.epoch > self.step:
            raise ValueError("counts of epochs and steps that contradict each other")


class _CheckpointNotes(NamedTuple):
    """What stands beside the tensors of a checkpoint."""

    progress: Progress
    world: Annotated[int, ("minimum", 1), ("maximum", 1 << 20)]
    updates: Count


@dataclass
class TrainingState:
    """What changes while training: weights, their average, the optimiser, the state carried over windows."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: WeightAverage | None
    state: State | None

    def weights(self) -> dict[str, Tensor]:
        """Return the weights that predictions are made with: the average, where one is kept."""
        return self.average.weights if self.average else self.network.state_dict()


def save(path: Path, learner: TrainingState, progress: Progress, processes: ProcessGroup) -> None:
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
        tensor_file.save(
            path, named, {"progress": asdict(progress), "world": processes.world, "updates": updates}
        )


def restore(path: Path, learner: TrainingState, processes: ProcessGroup, usual: State | None) -> Progress:
    """Put everything back as `save` found it, and return the progress.

    Args:
        path: of the file.
        learner: as at the start of the training.
        processes: of this training.
        usual: a state such as is carried over windows; None where none is.

    Raises:
        RunError: the file is missing or damaged, or the training had another number of processes.
    """
    named, notes = tensor_file.load(path)
    with json_schema.rebuilding(path, "a checkpoint that does not fit the settings", _REMEDY):
        found = json_schema.build(_CheckpointNotes, notes, "notes", finite=False)
        found.progress.check()
        if found.world != processes.world:
            remedy = f"resume with torchrun --nproc-per-node {found.world}"
            got, expected = f"{processes.world} processes", f"{found.world}, as before"
            raise RunError(path, got, expected=expected, remedy=remedy)
        if extra := [name for name in named if name.partition(".")[0] not in _PARTS]:
            raise ValueError(f"an unknown tensor {extra[0]!r:.60}")
        tensor_file.fill(learner.network, _part(named, "network."), path)
        weights = _part(named, "average.")
        tensor_file.check(weights, learner.average.weights if learner.average else {})
        if learner.average:
            learner.average.updates = found.updates
            for name, value in weights.items():
                learner.average.weights[name].copy_(value)
        _restore_optimizer(learner.optimizer, _part(named, "optimizer."))
        learner.state = _state(_part(named, "state."), processes, usual if found.progress.window else None)
        _restore_random(_part(named, "random."), processes)
        return found.progress


_PARTS = ("network", "average", "optimizer", "state", "random")
_REMEDY = "restore it from a copy of the run, or delete it to train from the start"


def _part(named: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}


def _restore_optimizer(optimizer: torch.optim.Optimizer, named: Mapping[str, Tensor]) -> None:
    """Give the optimiser back what it knew of each weight that it has changed."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    step = torch.zeros(())
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in named.items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = value
    for index, found in slots.items():
        sgd, weight = isinstance(optimizer, torch.optim.SGD), weights[index]
        moments = {"step": step, "exp_avg": weight, "exp_avg_sq": weight}
        tensor_file.check(found, {"momentum_buffer": weight} if sgd else moments)
        if any(bool(value.isnan().any()) for value in found.values()):
            raise ValueError(f"what the optimiser knows of weight {index} is not a number")
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})


def _state(named: Mapping[str, Tensor], processes: ProcessGroup, usual: State | None) -> State | None:
    """Return the state that this process carried."""
    like = {str(number): tensor for number, tensor in enumerate(usual or ())}
    mine = {name: value[processes.rank] for name, value in named.items() if len(value) == processes.world}
    tensor_file.check(mine, like)
    return tuple(mine[name].to(processes.device) for name in like) or None


def _random_states(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _restore_random(states: Mapping[str, Tensor], processes: ProcessGroup) -> None:
    mine = {name: value[processes.rank].clone() for name, value in states.items()}  # torch refuses a view
    cpu, cuda = torch.get_rng_state(), mine.pop("cuda", None)
    tensor_file.check(mine, {"cpu": cpu})
    torch.set_rng_state(mine["cpu"])
    if cuda is not None and processes.device.type == "cuda":
        torch.cuda.set_rng_state(cuda, processes.device)
