"""Trivial classifiers: what is most frequent, the nearest example, and linear models of simple features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from elman.core import ngrams
from elman.core.records import Example, Seq
from elman.core.run_config import SignalSettings
from elman.metrics.baselines import linear, nearest_neighbour
from elman.metrics.baselines.linear import Features
from elman.nn import random_kernels
from elman.nn.augmentation import SignalAugmentation
from elman.nn.framing import Frame
from elman.nn.random_kernels import LENGTH, RandomKernels
from elman.tasks.classify.targets import OneClass, Several, Target

"""A vocabulary of more symbols has words, of which shorter n-grams are counted."""
_LONGEST = 500
"""Most steps of sequences of one length whose positions serve as features."""

_KERNELS = 1344
"""Features by random convolutions."""

_AT_ONCE = 32
"""Sequences whose convolutions are made at once."""

_MOST_NUMBERS = 5_000_000
"""Numbers of the training part, in all, beyond which convolutions and comparisons would take minutes."""

_SURE = 0.9
"""How probable the class of the nearest neighbour is."""

Predictor: TypeAlias = Callable[[Sequence[Example]], Tensor]
"""Examples -> what a predictor says of each: outputs [N, ...]."""

Extract: TypeAlias = Callable[[Sequence[Tensor]], Features]
"""Sequences -> their features."""


def learnt(target: Target, train: Sequence[Example]) -> dict[str, Predictor]:
    """Predictors learnt from the training part, by name."""
    wanted, sequences = torch.stack([example.target for example in train]), _data(train)
    name, output = target.trivial(wanted)
    predictors: dict[str, Predictor] = {name: lambda examples: output.expand(len(examples), -1)}
    kind = "logistic regression" if isinstance(target, OneClass | Several) else "ridge regression"
    for features, extract in _features(sequences):
        predictors[f"{kind} on {features}"] = _fitted(target, wanted, extract, sequences)
    if isinstance(target, OneClass) and sequences[0].is_floating_point() and _is_small(sequences):
        predictors["nearest neighbour"] = _nearest(wanted, target.size, sequences)
    return predictors


def _nearest(wanted: Tensor, classes: int, sequences: Sequence[Tensor]) -> Predictor:
    known = F.one_hot(wanted.long(), classes) * _SURE + (1 - _SURE) / classes
    return lambda examples: known[nearest_neighbour.nearest(sequences, _data(examples))]


def _is_small(sequences: Sequence[Tensor]) -> bool:
    return sum(sequence.numel() for sequence in sequences) <= _MOST_NUMBERS


def _fitted(target: Target, wanted: Tensor, extract: Extract, sequences: Sequence[Tensor]) -> Predictor:
    mine = extract(sequences)
    if isinstance(target, OneClass):
        classes = linear.fit(mine, wanted, target.size, _cross_entropy)
        return lambda examples: classes.scores(extract(_data(examples))).softmax(-1)
    if isinstance(target, Several):
        several = linear.fit(mine, wanted[:, 0], target.size, _binary)
        return lambda examples: several.scores(extract(_data(examples))).sigmoid()
    mean, deviation = wanted.mean(), wanted.std(correction=0).clamp(min=1e-9)
    line = linear.fit(mine, (wanted - mean) / deviation, 1, _squares)
    left = (line.scores(mine)[:, 0] * deviation + mean - wanted).std(correction=0).clamp(min=1e-9)

    def predict(examples: Sequence[Example]) -> Tensor:
        values = line.scores(extract(_data(examples)))[:, 0] * deviation + mean
        return torch.stack([values, left.expand_as(values)], 1)

    return predict


def _features(sequences: Sequence[Tensor]) -> Iterator[tuple[str, Extract]]:
    """Kinds of features of such sequences, by name, and what takes them out."""
    if sequences[0].is_floating_point():
        known = linear.statistics(sequences)
        mean, deviation = known.mean(0), known.std(0, correction=0).clamp(min=1e-6)
        yield (
            "last value, mean, deviation, extremes",
            lambda asked: linear.Dense((linear.statistics(asked) - mean) / deviation),
        )
        if _is_small(sequences) and median(map(len, sequences)) >= LENGTH:
            yield "random convolutions", _shapes(sequences)
        return
    size = 1 + max(int(sequence.max()) for sequence in sequences)
    order = ngrams.order(size)
    grams = linear.NGramFeatures([sequence.numpy() for sequence in sequences], size, order)
    yield f"1- to {order}-grams", lambda asked: grams.of([sequence.numpy() for sequence in asked])
    length = len(sequences[0])
    if size <= ngrams.FEW_SYMBOLS and length <= _LONGEST and all(len(s) == length for s in sequences):
        yield "positions", lambda asked: linear.positions([s.numpy() for s in asked], size, length)


def _shapes(sequences: Sequence[Tensor]) -> Extract:
    """Return what takes out the shares of steps at which random convolutions exceed thresholds."""
    bank = random_kernels.learn(sequences, _KERNELS, seed=0)
    width = sequences[0].shape[1]
    kernels = RandomKernels(bank, SignalAugmentation(width, SignalSettings())).eval()

    def shares(asked: Sequence[Tensor]) -> Tensor:
        found = []
        for first in range(0, len(asked), _AT_ONCE):
            some = asked[first : first + _AT_ONCE]
            lengths = torch.tensor([len(sequence) for sequence in some])
            whole = Frame(int(lengths.max()), int(lengths.max()))
            found.append(kernels.frames(Seq(pad_sequence(list(some)), lengths), whole).data[0])
        return torch.cat(found)

    known = shares(sequences)
    mean, deviation = known.mean(0), known.std(0, correction=0).clamp(min=0.01)
    return lambda asked: linear.Dense((shares(asked) - mean) / deviation)


def _data(examples: Sequence[Example]) -> list[Tensor]:
    """Features [T, F] or symbols [T], without the characters that may stand behind each."""
    return [_bare(example.data) for example in examples]


def _bare(data: Tensor) -> Tensor:
    return data if data.is_floating_point() or data.ndim == 1 else data[:, 0]


def _cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(scores, targets, reduction="sum")


def _binary(scores: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, targets, reduction="sum")


def _squares(scores: Tensor, targets: Tensor) -> Tensor:
    return (scores[:, 0] - targets).square().sum() / 2
