"""How good a network is on held-out data, every target counted once; and what it predicts there.

Of a continuous task the state is carried from end to end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from elman.core import interruption
from elman.core.records import Batch, Example, Seq
from elman.data import batching
from elman.tasks.abilities import Predictor
from elman.tasks.base import RISING, Scores, Task


class Evaluation(NamedTuple):
    """What a network made of held-out examples.

    Args:
        scores: the task's scores, the most telling one first.
        outputs: one for each example, in their order; none where no predictions were made.
    """

    scores: Scores
    outputs: list[Any]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the network without dropout; set it back to its mode afterwards."""
    was_training = network.training
    try:
        yield network.eval()
    finally:
        network.train(was_training)


@torch.inference_mode()
def evaluate(
    task: Task, network: nn.Module, examples: Sequence[Example], *, predict: bool = True
) -> Evaluation:
    """Return the task's scores of a network on examples, with what it predicted.

    Args:
        task: the task.
        network: its network.
        examples: examples with targets.
        predict: whether to make predictions; without them only what the loss tells is scored.
    """
    nats, count = 0.0, 0
    outputs: list[Any] = [None] * len(examples)
    predictor = task if predict and isinstance(task, Predictor) else None
    for places, batch, scores in _run(task, network, examples):
        loss = task.loss(scores, batch)
        nats, count = nats + float(loss.nats), count + loss.count
        if predictor:
            for place, output in zip(places, predictor.predict(network, batch, scores), strict=True):
                outputs[place] = output
    outputs = outputs if predictor else []
    return Evaluation(task.scores(examples, outputs, nats, count), outputs)


def predict(task: Predictor, network: nn.Module, examples: Sequence[Example]) -> list[Any]:
    """Predict one output for each example with a network in evaluation mode."""
    return outputs(lambda batch, scores: task.predict(network, batch, scores), network, examples)


@torch.inference_mode()
def outputs(
    answer: Callable[[Batch, Any], list[Any]], network: nn.Module, examples: Sequence[Example]
) -> list[Any]:
    """Return the output of each example, from batches and the network's scores of them."""
    outputs: list[Any] = [None] * len(examples)
    device = next(network.parameters()).device
    for places, batch in batching.eval_batches(examples):
        interruption.look()
        batch = to_device(batch, device)
        scores, _ = network(batch.seq)
        for place, output in zip(places, answer(batch, scores), strict=True):
            outputs[place] = output
    return outputs


def goal(task: Task, scores: Scores) -> list[float]:
    """Return what training minimises: the watched score, negated if more is better; at a tie, the loss."""
    value = scores[task.selection_metric]
    return [-value if task.selection_metric in RISING else value, scores["loss"]]


def _run(
    task: Task, network: nn.Module, examples: Sequence[Example]
) -> Iterator[tuple[list[int], Batch, Any]]:
    """Yield the batches with the places of their examples, and what the network says of them."""
    device, state = next(network.parameters()).device, None
    batches = (
        batching.eval_batches(examples)
        if not task.continuous
        else (([0], b) for b in batching.in_order(examples[0]))
    )
    with evaluating(network):
        for places, batch in batches:
            interruption.look()
            batch = to_device(batch, device)
            scores, after = network(batch.seq, state)
            state = after if task.continuous else None
            yield places, batch, scores


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Move the batch to the network's device; lengths stay on the CPU."""
    seq = Seq(batch.seq.data.to(device, non_blocking=True), batch.seq.lengths)
    return Batch(seq, batch.targets.to(device, non_blocking=True))
