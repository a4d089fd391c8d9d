"""Pooling of all steps so far, after every step, in constant memory.

Sums are kept in float64: after ten million steps a sum in float32 no longer grows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn

from elman.core.records import Seq, State
from elman.nn.masks import step_mask
from elman.nn.pooling import Pool


class IncrementalPool(ABC):
    """One way to pool, going on from what it knew of the steps before."""

    @abstractmethod
    def start(self, like: Tensor) -> State:
        """What is known before the first step: tensors [1, 1, *] where `like` is."""

    @abstractmethod
    def run(self, hidden: Seq, state: State) -> tuple[Tensor, State]:
        """Vectors [T, B, P] of all steps up to each, of hidden states [T, B, F], and what is known then."""


@final
class _IncrementalPoolingLast(IncrementalPool):
    """The last layer's hidden state: the last H of what the layers give.

    Args:
        size: H.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def start(self, like: Tensor) -> State:
        """See `IncrementalPool`: nothing."""
        return ()

    def run(self, hidden: Seq, state: State) -> tuple[Tensor, State]:
        return hidden.data[..., -self._size :], ()


@final
class _Mean(IncrementalPool):
    def __init__(self, size: int) -> None:
        self._size = size

    def start(self, like: Tensor) -> State:
        return _zeros(like, self._size), _zeros(like, 1)

    def run(self, hidden: Seq, state: State) -> tuple[Tensor, State]:
        there = step_mask(hidden.data, hidden.lengths)[..., None].double()
        sums = state[0] + (hidden.data.double() * there).cumsum(0)
        counts = state[1] + there.cumsum(0)
        return sums / counts.clamp(min=1), (sums[-1:], counts[-1:])


@final
class _Max(IncrementalPool):
    def __init__(self, size: int) -> None:
        self._size = size

    def start(self, like: Tensor) -> State:
        return (like.new_full((1, 1, self._size), -torch.inf),)

    def run(self, hidden: Seq, state: State) -> tuple[Tensor, State]:
        data = hidden.data.masked_fill(~step_mask(hidden.data, hidden.lengths)[..., None], -torch.inf)
        most = torch.maximum(state[0], data.cummax(0).values)
        return most, (most[-1:],)


@final
class _MeanMax(IncrementalPool):
    def __init__(self, size: int) -> None:
        self._mean, self._max = _Mean(size), _Max(size)

    def start(self, like: Tensor) -> State:
        return *self._mean.start(like), *self._max.start(like)

    def run(self, hidden: Seq, state: State) -> tuple[Tensor, State]:
        mean, first = self._mean.run(hidden, state[:2])
        most, second = self._max.run(hidden, state[2:])
        return torch.cat([mean, most], -1), (*first, *second)


@final
class _IncrementalAttention(IncrementalPool):
    """sum_t e_t h_t / sum_t e_t, e_t = exp(s_t - m), where m is the greatest score so far (Milakov 2018)."""

    def __init__(self, key: nn.Linear, query: nn.Linear) -> None:
        self._key, self._query = key, query

    def start(self, like: Tensor) -> State:
        return _zeros(like, self._key.in_features), _zeros(like, 1), _zeros(like, 1) - torch.inf

    def run(self, hidden: Seq, state: State) -> tuple[Tensor, State]:
        sums, shares, most = state
        scores = self._query(torch.tanh(self._key(hidden.data))).double()
        scores = scores.masked_fill(~step_mask(hidden.data, hidden.lengths)[..., None], -torch.inf)
        top = torch.maximum(most, scores.amax(0, keepdim=True))
        each, before = (scores - top).exp(), (most - top).exp()
        sums = sums * before + (each * hidden.data.double()).cumsum(0)
        shares = shares * before + each.cumsum(0)
        return sums / shares, (sums[-1:], shares[-1:], top)


def running(pool: Pool, size: int) -> IncrementalPool:
    """The pooling that a network does, of hidden states of `size` features, as the steps come."""
    if pool.attention is not None:
        return _IncrementalAttention(pool.attention.key, pool.attention.query)
    if pool.how == "last":
        return _IncrementalPoolingLast(pool.output_size)
    return {"mean": _Mean, "max": _Max, "mean_max": _MeanMax}[pool.how](size)


def _zeros(like: Tensor, size: int) -> Tensor:
    return torch.zeros(1, 1, size, dtype=torch.float64, device=like.device)
