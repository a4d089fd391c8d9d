"""Fit the temperature that calibrates a classifier's probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from elman.core.records import Example
from elman.tasks.base import Task
from elman.tasks.evaluation import _run


@torch.inference_mode()
def best_temperature(task: Task, network: nn.Module, examples: Sequence[Example]) -> float:
    """Return the temperature, of 0.80, 0.81, ... 1.60, whose scores divided by it have the least loss.

    One number, fitted after training, mends a network that is too sure of itself (Guo et al. 2017).
    """
    candidates = [hundredths / 100 for hundredths in range(80, 161)]
    sums = torch.zeros(len(candidates), dtype=torch.float64)
    for _, batch, scores in _run(task, network, examples):
        losses = [task.loss(scores / candidate, batch).nats for candidate in candidates]
        sums += torch.stack(losses).double().cpu()
    return candidates[int(sums.argmin())]
