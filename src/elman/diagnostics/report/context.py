"""What the past is worth: the loss by how many steps before it the network has seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from elman.core.records import Example
from elman.data import batching
from elman.diagnostics.context import context_curve
from elman.diagnostics.report.base import Measurements, Subject, ending
from elman.plots.html_report import Figure, Section
from elman.tasks.abilities import Crops
from elman.tasks.base import Task

TITLE = "What context is worth"

_LEAD = (
    "The loss of the same targets, the last of each sequence, where the network starts from its "
    "initial state that many steps earlier. Where the curve is flat, more past does not help or is forgotten."
)


def section(material: Subject, measured: Measurements) -> Section:
    """Draw the curve, where a sequence can be cut."""
    if not all(_can_be_cut(example) for example in material.more):
        reason = "Its sequences cannot be cut and keep their targets."
        return Section(TITLE, _LEAD, missing=reason)
    longest = max(len(example.data) for example in material.more)
    if longest < 2:
        return Section(TITLE, _LEAD, missing="Its sequences have one step.")
    lengths = [1 << power for power in range(longest.bit_length()) if 1 << power < longest]
    found = context_curve(_losses(material), [*lengths, longest])
    caption = (
        f"The mean over {len(material.more)} sequences. 95 % of what the whole past gains is gained by "
        f"{found.reach()} steps."
    )
    return Section(TITLE, _LEAD, (Figure("context", "Loss by length of context", caption, found),))


def _can_be_cut(example: Example) -> bool:
    return example.target.ndim == 0 or len(example.target) == len(example.data)


def _losses(material: Subject) -> Callable[[int], Tensor]:
    def losses(steps: int) -> Tensor:
        return torch.stack([_loss(material, _tail(material.task, one, steps)) for one in material.more])

    return losses


def _loss(material: Subject, example: Example) -> Tensor:
    """Return the nats of an example's last target: one at a time, for a task gives a batch's sum."""
    batch = batching.collate([example])
    return ending(material.task, material.network(batch.seq)[0], batch, last=True)


def _tail(task: Task, example: Example, steps: int) -> Any:
    if isinstance(task, Crops):
        return task.tail(example, steps)
    target = example.target[-steps:] if example.target.ndim else example.target
    return Example(example.data[-steps:], target, example.size)
