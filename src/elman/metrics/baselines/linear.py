"""Linear models on simple features of a sequence: what every network that classifies has to beat.

Bags of n-grams and one-hot positions for symbols, a few statistics of each channel for numbers; a logistic or
least-squares regression with a quadratic penalty, fitted to its optimum by L-BFGS.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from elman.core import ngrams

_ITERATIONS = 100
_MEMORY = 10

Loss = Callable[[Tensor, Tensor], Tensor]
"""Scores [N, K] and targets -> the summed loss."""


class Features(ABC):
    """Features of N sequences, and their product with a matrix of weights."""

    width: int

    @abstractmethod
    def times(self, weight: Tensor) -> Tensor:
        """Return [N, K], the product with weights [width, K]."""


@final
class SparseFeatures(Features):
    """Counts of many features of which a sequence has few.

    Args:
        places: for each sequence, the numbers of its features; one that occurs twice counts twice.
        width: how many features there are.
    """

    def __init__(self, places: Sequence[np.ndarray], width: int) -> None:
        self.width = width
        self._flat = torch.from_numpy(np.concatenate(places) if places else np.zeros(0, np.int64))
        ends = np.cumsum([0, *(len(own) for own in places)])[:-1]
        self._starts = torch.from_numpy(ends.astype(np.int64))

    def times(self, weight: Tensor) -> Tensor:
        """Sum the rows of `weight`."""
        return F.embedding_bag(self._flat, weight, self._starts, mode="sum")


@final
class Dense(Features):
    """Features as a matrix [N, width]."""

    def __init__(self, values: Tensor) -> None:
        self._values, self.width = values, values.shape[1]

    def times(self, weight: Tensor) -> Tensor:
        """Multiply the matrices."""
        return self._values @ weight


def fit(
    features: Features, targets: Tensor, outputs: int, loss: Loss, *, penalty: float = 1.0
) -> LinearModel:
    """Find W [width, K] and b [K] with the least loss(x W + b, y) + penalty / 2 |W|^2.

    Args:
        features: of N sequences.
        targets: [N] or [N, K], as `loss` takes them.
        outputs: K.
        loss: scores [N, K] and targets -> the summed loss.
        penalty: of the weights; the bias is free.
    """
    weight = torch.zeros(features.width, outputs, requires_grad=True)
    bias = torch.zeros(outputs, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_ITERATIONS, history_size=_MEMORY, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        total = loss(features.times(weight) + bias, targets) + penalty / 2 * weight.square().sum()
        total.backward()
        return total

    with torch.enable_grad():
        optimizer.step(objective)
    return LinearModel(weight.detach(), bias.detach())


class LinearModel:
    """Weights [width, K] and a bias [K]."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self._bias = weight, bias

    def scores(self, features: Features) -> Tensor:
        """Return the scores [N, K]."""
        return features.times(self.weight) + self._bias


class NGramFeatures:
    """Numbers of the n-grams of the orders 1 to `order` that occur in training sequences.

    Args:
        sequences: [T_i] symbols each, from 0 to below `size`.
        size: how many symbols there are.
        order: the longest n-gram.
    """

    def __init__(self, sequences: Sequence[np.ndarray], size: int, order: int) -> None:
        self._size, self._order = size, order
        self._known = []
        for length in range(1, order + 1):
            found = [self._keys(sequence, length) for sequence in sequences]
            self._known.append(np.unique(np.concatenate(found)))

    def of(self, sequences: Sequence[np.ndarray]) -> SparseFeatures:
        """Count the n-grams in each sequence; those that are not known are left out."""
        starts = np.cumsum([0, *(len(known) for known in self._known)])
        places = []
        for sequence in sequences:
            found = []
            for length, (known, start) in enumerate(zip(self._known, starts[:-1], strict=True), start=1):
                keys = self._keys(sequence, length)
                at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
                found.append(start + at[known[at] == keys] if len(known) else at[:0])
            places.append(np.concatenate(found).astype(np.int64))
        return SparseFeatures(places, int(starts[-1]))

    def _keys(self, sequence: np.ndarray, length: int) -> np.ndarray:
        """Number each n-gram of that length, in order; -1 where a symbol is not below `size`."""
        strange = ngrams.keys((sequence >= self._size).astype(np.int64), length, 2)
        return np.where(strange > 0, -1, ngrams.keys(sequence.astype(np.int64), length, self._size))


def positions(sequences: Sequence[np.ndarray], size: int, length: int) -> SparseFeatures:
    """Return which symbol stands at each of the first `length` steps: a feature for each step and symbol
    below `size`."""
    places = []
    for sequence in sequences:
        steps = np.flatnonzero(sequence[:length] < size)
        places.append(steps * size + sequence[steps])
    return SparseFeatures(places, length * size)


def statistics(sequences: Sequence[Tensor]) -> Tensor:
    """Return last value, mean, deviation, least, greatest of each channel: [N, 5 F] of [T_i, F] each."""
    rows = [torch.cat([s[-1], s.mean(0), s.std(0, correction=0), s.amin(0), s.amax(0)]) for s in sequences]
    return torch.stack(rows)
