"""The nearest of many known sequences: what a predictor that only remembers has to go by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.core import ngrams

_BUCKETS = 1 << 17
_AT_ONCE = 64


def nearest(known: Sequence[Tensor], asked: Sequence[Tensor]) -> list[int]:
    """Return the place of the nearest known sequence for each that is asked for.

    Of symbols it is that with the greatest cosine of n-grams weighted by their rarity (tf-idf); of features
    that with the least distance, of whole sequences of one length, else of their means.

    Args:
        known: [T_i] symbols or [T_i, F] features each, at least one; of symbols that have something beside
            them, [T_i, 1 + C], the first column counts.
        asked: of the same kind.
    """
    if not asked:
        return []
    if known[0].is_floating_point():
        return _by_distance(known, asked)
    known, asked = ([s if s.ndim == 1 else s[:, 0] for s in each] for each in (known, asked))
    order = ngrams.order(1 + max(int(s.max()) for s in known))
    mine = _counts(known, order)
    rarity = torch.log1p(len(known) / torch.bincount(mine.places, minlength=_BUCKETS).clamp(min=1))
    mine, found = _weighted(mine, rarity), []
    for start in range(0, len(asked), _AT_ONCE):
        theirs = _weighted(_counts(asked[start : start + _AT_ONCE], order), rarity)
        found += mine.times(theirs.dense().t().contiguous()).argmax(0).tolist()
    return found


class _Sparse(NamedTuple):
    """Rows of which each has values at few places: [P] places and values, and where each row begins."""

    places: Tensor
    values: Tensor
    starts: Tensor

    @property
    def rows(self) -> Tensor:
        """[P] the row of each value."""
        ends = torch.cat([self.starts[1:], torch.tensor([len(self.places)])])
        return torch.repeat_interleave(torch.arange(len(self.starts)), ends - self.starts)

    def times(self, matrix: Tensor) -> Tensor:
        """Return the product [N, K] with a matrix [buckets, K]."""
        return F.embedding_bag(self.places, matrix, self.starts, mode="sum", per_sample_weights=self.values)

    def dense(self) -> Tensor:
        """Return the matrix [N, buckets]."""
        return torch.zeros(len(self.starts), _BUCKETS).index_put((self.rows, self.places), self.values)


def _by_distance(known: Sequence[Tensor], asked: Sequence[Tensor]) -> list[int]:
    shapes = {s.shape for s in (*known, *asked)}
    flat = Tensor.flatten if len(shapes) == 1 else lambda s: s.mean(0)
    mine, theirs = torch.stack([flat(s) for s in known]), torch.stack([flat(s) for s in asked])
    return [place for some in theirs.split(_AT_ONCE) for place in torch.cdist(some, mine).argmin(1).tolist()]


def _counts(sequences: Sequence[Tensor], order: int) -> _Sparse:
    """Count how often each sequence has the n-grams of each bucket, 1 to `order` long."""
    found = [torch.cat(list(_buckets(s, order))).unique(return_counts=True) for s in sequences]
    starts = torch.tensor([0, *(len(places) for places, _ in found)]).cumsum(0)[:-1]
    return _Sparse(torch.cat([p for p, _ in found]), torch.cat([c.float() for _, c in found]), starts)


def _buckets(sequence: Tensor, order: int) -> Iterator[Tensor]:
    for length in range(1, order + 1):
        keys = ngrams.keys(sequence.long() + 1, length, 1_000_003)  # wraps around, the same for all
        yield ((keys * 2_654_435_761) >> 15) % _BUCKETS


def _weighted(counts: _Sparse, rarity: Tensor) -> _Sparse:
    """Weight the counts by the rarity of their buckets, each row of length 1."""
    values, rows = counts.values * rarity[counts.places], counts.rows
    lengths = torch.zeros(len(counts.starts)).index_add(0, rows, values.square()).sqrt().clamp(min=1e-12)
    return counts._replace(values=values / lengths[rows])
