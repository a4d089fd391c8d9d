"""Trivial labellers: what is most frequent, and a linear model of a window of inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.core.records import Example
from elman.metrics.baselines import linear
from elman.tasks.label.targets import StepClass, StepTarget

_BEFORE = 8
"""Steps before each that a window has; of layers in both directions as many after it, too."""

_MOST = 20_000
"""Steps that a linear model learns from, evenly spread over the training part."""

StepPredictor: TypeAlias = Callable[[Sequence[Example]], list[Tensor]]
"""Examples -> what a predictor says of each: outputs [T, ...]."""


def learnt(
    target: StepTarget, train: Sequence[Example], lag: int, *, both: bool
) -> Iterator[tuple[str, StepPredictor]]:
    """Predictors learnt from the training part, by name.

    Args:
        target: what is predicted.
        train: its examples.
        lag: steps at an example's end that only repeat its last one.
        both: whether a window looks to both sides, as the network does.
    """
    answers = [_answers(example, lag) for example in train]
    flat = torch.cat(answers)
    name, output = target.trivial(flat[target.known(flat)])
    yield name, lambda examples: [output.expand(len(_answers(e, lag)), -1) for e in examples]
    if train[0].data.is_floating_point():
        kind = "logistic" if isinstance(target, StepClass) else "ridge"
        yield (
            f"{kind} regression on a window",
            _linear(target, train, answers, lag, after=_BEFORE if both else lag),
        )


def _linear(
    target: StepTarget, train: Sequence[Example], answers: Sequence[Tensor], lag: int, *, after: int
) -> StepPredictor:
    def rows(example: Example) -> Tensor:
        return _windows(_inputs(example, lag), min(after, _BEFORE))

    places = [target.known(each).nonzero()[:, 0] for each in answers]
    every = max(1, sum(map(len, places)) // _MOST)
    kept = [place[::every] for place in places]
    features = torch.cat([rows(example)[place] for example, place in zip(train, kept, strict=True)])
    wanted = torch.cat([each[place] for each, place in zip(answers, kept, strict=True)])
    mean, deviation = features.mean(0), features.std(0, correction=0).clamp(min=1e-6)

    def scaled(example: Example) -> linear.Dense:
        return linear.Dense((rows(example) - mean) / deviation)

    mine = linear.Dense((features - mean) / deviation)
    if isinstance(target, StepClass):
        classes = linear.fit(mine, wanted, target.size, _cross_entropy)
        return lambda examples: [classes.scores(scaled(example)).softmax(-1) for example in examples]
    middle, spread = wanted.mean(), wanted.std(correction=0).clamp(min=1e-9)
    line = linear.fit(mine, (wanted - middle) / spread, 1, _squares)
    left = (line.scores(mine)[:, 0] * spread + middle - wanted).std(correction=0).clamp(min=1e-9)

    def predict(examples: Sequence[Example]) -> list[Tensor]:
        found = [line.scores(scaled(example))[:, 0] * spread + middle for example in examples]
        return [torch.stack([values, left.expand_as(values)], 1) for values in found]

    return predict


def _windows(data: Tensor, after: int) -> Tensor:
    """[T, (8 + 1 + after) F] of features [T, F]: each step's neighbours, the ends repeated."""
    before = data[:1].expand(_BEFORE, -1)
    padded = torch.cat([before, data, data[-1:].expand(after, -1)])
    return padded.unfold(0, _BEFORE + 1 + after, 1).flatten(1)


def _inputs(example: Example, lag: int) -> Tensor:
    return example.data[: len(example.data) - lag]


def _answers(example: Example, lag: int) -> Tensor:
    return example.target[lag:]


def _cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(scores, targets, reduction="sum")


def _squares(scores: Tensor, targets: Tensor) -> Tensor:
    return (scores[:, 0] - targets).square().sum() / 2
