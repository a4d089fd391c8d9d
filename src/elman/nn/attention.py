"""Attention: what a query reads from a memory of any number of steps, and how much from each.

A memory is made once for a source and read by any number of queries. No module keeps anything between calls.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from elman.core.errors import ConfigError, nearest
from elman.core.records import Seq
from elman.nn.masks import step_mask


class AttentionMemory(NamedTuple):
    """What can be looked at.

    Args:
        values: [T, B, M] what is read.
        keys: [T, B, A] what queries are compared with.
        inside: [T, B] whether a step is within its sequence.
    """

    values: Tensor
    keys: Tensor
    inside: Tensor

    def rows(self, places: Tensor) -> AttentionMemory:
        """The memories of these sequences, [R] int64 numbers from 0 to B - 1, in that order."""
        return AttentionMemory(*(part.index_select(1, places) for part in self))


class AttentionOutput(NamedTuple):
    """What queries read: the contexts [T', B, M], and the weights [T', B, T] that they are means by."""

    context: Tensor
    weights: Tensor


class Attention(nn.Module, ABC):
    """A mean of the memory's values, weighted by how well its keys answer a query.

        weights_t = softmax_t(score(query, key_t)),    context = sum_t weights_t value_t

    Args:
        query_size: Q, of a query.
        value_size: M, of a value.
    """

    def __init__(self, query_size: int, value_size: int) -> None:
        super().__init__()
        self.query_size, self.value_size = query_size, value_size

    @abstractmethod
    def keys(self, values: Tensor) -> Tensor:
        """The keys [T, B, A] of values [T, B, M]."""

    @abstractmethod
    def score(self, queries: Tensor, keys: Tensor) -> Tensor:
        """How well keys [T, B, A] answer queries [T', B, Q]: [B, T', T]."""

    def remember(self, seq: Seq) -> AttentionMemory:
        """The memory of sequences [T, B, M]; what stands beyond a length is never read."""
        return AttentionMemory(seq.data, self.keys(seq.data), step_mask(seq.data, seq.lengths))

    def forward(self, queries: Tensor, memory: AttentionMemory) -> AttentionOutput:
        """What queries [T', B, Q] read."""
        scores = self.score(queries, memory.keys).masked_fill(~memory.inside.t()[:, None], -math.inf)
        weights = scores.softmax(-1)
        context = torch.bmm(weights, memory.values.transpose(0, 1))
        return AttentionOutput(context.transpose(0, 1), weights.transpose(0, 1))


@final
class Additive(Attention):
    """score = v . tanh(W query + U value + b) (Bahdanau et al. 2015); keys are U value + b, of size Q."""

    def __init__(self, query_size: int, value_size: int) -> None:
        super().__init__(query_size, value_size)
        self.query = nn.Linear(query_size, query_size, bias=False)
        self.key = nn.Linear(value_size, query_size)
        self.energy = nn.Linear(query_size, 1, bias=False)

    def keys(self, values: Tensor) -> Tensor:
        """U value + b."""
        return self.key(values)

    def score(self, queries: Tensor, keys: Tensor) -> Tensor:
        """See the class."""
        both = self.query(queries)[:, None] + keys  # [T', T, B, Q]
        return self.energy(torch.tanh(both)).squeeze(-1).permute(2, 0, 1)


@final
class Dot(Attention):
    """score = query . value (Luong et al. 2015), which takes sizes that are equal.

    Raises:
        ConfigError: they are not.
    """

    def __init__(self, query_size: int, value_size: int) -> None:
        super().__init__(query_size, value_size)
        if query_size != value_size:
            raise ConfigError(
                "attention",
                f"dot, of queries of {query_size} and values of {value_size} features",
                expected="sizes that are equal",
                remedy="take general, which has a matrix between the two",
            )

    def keys(self, values: Tensor) -> Tensor:
        """The values."""
        return values

    def score(self, queries: Tensor, keys: Tensor) -> Tensor:
        """See the class."""
        return _products(queries, keys)


@final
class General(Attention):
    """score = query . W value (Luong et al. 2015); keys are W value."""

    def __init__(self, query_size: int, value_size: int) -> None:
        super().__init__(query_size, value_size)
        self.key = nn.Linear(value_size, query_size, bias=False)

    def keys(self, values: Tensor) -> Tensor:
        """W value."""
        return self.key(values)

    def score(self, queries: Tensor, keys: Tensor) -> Tensor:
        """See the class."""
        return _products(queries, keys)


ATTENTIONS: dict[str, type[Attention]] = {"additive": Additive, "dot": Dot, "general": General}


def get(name: str) -> type[Attention]:
    """The attention of that name.

    Raises:
        ConfigError: there is none; the nearest one is named.
    """
    if name not in ATTENTIONS:
        raise ConfigError("attention", repr(name), remedy=nearest(name, ATTENTIONS))
    return ATTENTIONS[name]


def _products(queries: Tensor, keys: Tensor) -> Tensor:
    """[B, T', T] of [T', B, A] and [T, B, A]."""
    return torch.bmm(queries.transpose(0, 1), keys.permute(1, 2, 0))
