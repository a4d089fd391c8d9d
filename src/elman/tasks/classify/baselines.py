"""Trivial classifiers: what is most frequent, and linear models of simple features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from elman import linear
from elman.batch import Example
from elman.linear import Features
from elman.tasks.classify.targets import OneClass, Several, Target

_WORD_ORDER, _CHAR_ORDER = 2, 4
_FEW_SYMBOLS = 512
"""A vocabulary of more symbols has words, of which shorter n-grams are counted."""
_LONGEST = 500
"""Most steps of sequences of one length whose positions serve as features."""


def outputs(target: Target, train: Sequence[Example], held: Sequence[Example]) -> dict[str, Tensor]:
    """Predictor -> what it says of each held-out example [N, ...]."""
    learnt = torch.stack([example.target for example in train])
    name, output = target.trivial(learnt)
    said = {name: output.expand(len(held), -1)}
    kind = "logistic regression" if isinstance(target, OneClass | Several) else "ridge regression"
    for features, mine, theirs in _features(train, held):
        said[f"{kind} on {features}"] = _fitted(target, learnt, mine, theirs)
    return said


def _fitted(target: Target, learnt: Tensor, mine: Features, theirs: Features) -> Tensor:
    if isinstance(target, OneClass):
        return linear.fit(mine, learnt, target.size, _cross_entropy).scores(theirs).softmax(-1)
    if isinstance(target, Several):
        return linear.fit(mine, learnt[:, 0], target.size, _binary).scores(theirs).sigmoid()
    mean, deviation = learnt.mean(), learnt.std(correction=0).clamp(min=1e-9)
    model = linear.fit(mine, (learnt - mean) / deviation, 1, _squares)
    left = (model.scores(mine)[:, 0] * deviation + mean - learnt).std(correction=0)
    return torch.stack([model.scores(theirs)[:, 0] * deviation + mean, left.expand(theirs_count(theirs))], 1)


def theirs_count(features: Features) -> int:
    """How many sequences there are."""
    return len(features.times(torch.zeros(features.width, 1)))


def _features(train: Sequence[Example], held: Sequence[Example]) -> Iterator[tuple[str, Features, Features]]:
    """Name, features of the training part, and those of the held-out part."""
    mine, theirs = [example.data for example in train], [example.data for example in held]
    if mine[0].is_floating_point():
        known = linear.statistics(mine)
        mean, deviation = known.mean(0), known.std(0, correction=0).clamp(min=1e-6)
        both = ((known - mean) / deviation, (linear.statistics(theirs) - mean) / deviation)
        yield "last value, mean, deviation, extremes", linear.Dense(both[0]), linear.Dense(both[1])
        return
    size = 1 + max(int(sequence.max()) for sequence in (*mine, *theirs))
    order = _CHAR_ORDER if size <= _FEW_SYMBOLS else _WORD_ORDER
    seen, asked = [s.numpy() for s in mine], [s.numpy() for s in theirs]
    grams = linear.NGrams(seen, size, order)
    yield f"1- to {order}-grams", grams.of(seen), grams.of(asked)
    lengths = {len(sequence) for sequence in (*seen, *asked)}
    if len(lengths) == 1 and max(lengths) <= _LONGEST and size <= _FEW_SYMBOLS:
        length = lengths.pop()
        yield "positions", linear.positions(seen, size, length), linear.positions(asked, size, length)


def _cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(scores, targets, reduction="sum")


def _binary(scores: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, targets, reduction="sum")


def _squares(scores: Tensor, targets: Tensor) -> Tensor:
    return (scores[:, 0] - targets).square().sum() / 2
