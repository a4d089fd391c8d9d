"""How good a network is on held-out data: state carried from end to end, every target counted once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from elman.batch import Batch, Example, Seq
from elman.loader import in_order
from elman.tasks.base import Task


@contextmanager
def evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """The network without dropout; afterwards it is in the mode that it was in."""
    was_training = network.training
    try:
        yield network.eval()
    finally:
        network.train(was_training)


@torch.inference_mode()
def summed_loss(task: Task, network: nn.Module, example: Example) -> tuple[float, int]:
    """The loss in nats summed over all of the example's targets, and how many they are."""
    device = next(network.parameters()).device
    nats, count, state = 0.0, 0, None
    with evaluating(network):
        for batch in in_order(example):
            batch = to_device(batch, device)
            scores, state = network(batch.seq, state)
            loss = task.loss(scores, batch)
            nats, count = nats + float(loss.nats), count + loss.count
    return nats, count


@torch.inference_mode()
def best_temperature(task: Task, network: nn.Module, example: Example) -> float:
    """The temperature, among 0.80, 0.81, ... 1.60, whose scores divided by it have the lowest loss.

    One number, fitted after training, mends a network that is too sure of itself (Guo et al. 2017).
    """
    candidates = [hundredths / 100 for hundredths in range(80, 161)]
    device, state = next(network.parameters()).device, None
    sums = torch.zeros(len(candidates), dtype=torch.float64)
    with evaluating(network):
        for batch in in_order(example):
            batch = to_device(batch, device)
            scores, state = network(batch.seq, state)
            losses = [task.loss(scores / candidate, batch).nats for candidate in candidates]
            sums += torch.stack(losses).double().cpu()
    return candidates[int(sums.argmin())]


def score(task: Task, network: nn.Module, example: Example) -> dict[str, float]:
    """The task's scores of a network on an example, and its loss in nats per target."""
    nats, count = summed_loss(task, network, example)
    return _scores(task, nats, count, example)


def baseline_scores(task: Task, train: Example, held: Example) -> dict[str, dict[str, float]]:
    """The same of trivial predictors, learnt from `train`, on `held`, by their names."""
    return {b.name: _scores(task, b.nats, len(held.target), held) for b in task.baselines(train, held)}


def _scores(task: Task, nats: float, count: int, example: Example) -> dict[str, float]:
    return {**task.scores(nats, count, example.size), "loss": nats / count}


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch where the network is; lengths stay on the CPU."""
    seq = Seq(batch.seq.data.to(device, non_blocking=True), batch.seq.lengths)
    return Batch(seq, batch.targets.to(device, non_blocking=True))
