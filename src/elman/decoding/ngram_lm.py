"""The trivial baselines of language modelling: how well do counts alone predict the next symbol?

Interpolated Kneser-Ney smoothing (Kneser and Ney, 1995; Chen and Goodman, 1999), for symbols of any kind. It
knows numbers only, neither texts nor vocabularies. No loop goes over the symbols: at each order, a stretch of
k symbols (a k-gram) has a number of its own, and what is asked of it is looked up for all places at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from elman.core.errors import ConfigError, DataError

_HELD_OUT = 10
"""One symbol in this many is set aside to choose the order."""

_NOT_YET = -2
"""In place of a k-gram's number, where fewer than k symbols were seen."""


class NGramCounts(NamedTuple):
    """How often the k-grams of one order occurred, and what followed their contexts (all but the last one).

    Args:
        grams: [number of k-grams] int64, the count of each.
        totals: [number of contexts] int64, the sum of the counts of the k-grams that begin with it.
        types: [number of contexts] int64, how many of those k-grams have a count at all.
        discount: what is taken off each count and given to the lower order.
    """

    grams: np.ndarray
    totals: np.ndarray
    types: np.ndarray
    discount: float


class Order(NamedTuple):
    """All that is kept of the k-grams of one order.

    Args:
        keys: [number of k-grams] int64, sorted: the number of the context times V, plus the last symbol.
        raw: the counts in the text, for the model whose highest order this is.
        continued: how many different symbols stood before each k-gram, for the models of higher order.
    """

    keys: np.ndarray
    raw: NGramCounts
    continued: NGramCounts


class KneserNeyLM:
    """Interpolated Kneser-Ney models of the orders 1 to `order`, counted in one text.

    p(w | h) = max(c(h w) - D, 0) / c(h) + D N(h) / c(h) p(w | h'), with c the count, D the discount, h' the
    context h without its first symbol, N(h) the number of different symbols that followed h. Below the
    highest order, c(h w) counts the different symbols before h w instead, and c(h) is their sum over w. Order
    1 is the unigram, with the same discount; below it lies 1 / V, so that nothing has probability 0. For each
    order, D = n1 / (n1 + 2 n2), where n1 and n2 of its k-grams have the counts 1 and 2.

    Args:
        train_ids: [N] the symbols to count.
        size: V, the number of different symbols there are; all are below it.
        order: the highest order, that is one more than the symbols of context.

    Raises:
        ConfigError: an order below 1.
        DataError: no symbols to count.
    """

    def __init__(self, train_ids: np.ndarray, size: int, order: int = 5) -> None:
        if order < 1:
            raise ConfigError("order", str(order), expected="at least 1")
        if len(train_ids) == 0:
            raise DataError("training text", "empty, nothing to count", remedy="give a longer text")
        self.size, self.order = size, order
        self._orders = list(_count(_checked(train_ids, size), size, order))

    def nats(self, ids: np.ndarray, first: int = 0) -> np.ndarray:
        """Return the surprise at `ids`: [order] float64, the sum of -ln p over them, for each order from 1.

        The first symbols have less context than the order: there the model of the order that fits is asked.

        Args:
            ids: [N] symbols.
            first: the place of the first one that counts; those before it are context alone.
        """
        ids = _checked(ids, self.size)
        sums = np.zeros(self.order)
        lower = np.full(len(ids), 1 / self.size)
        p = np.zeros(len(ids))
        contexts = np.zeros(len(ids), np.int64)
        for k, level in enumerate(self._orders):
            grams = _lookup(level.keys, contexts, ids, self.size)
            # The places before k keep the value that the model of their own order gave them.
            p[k:] = _interpolate(level.raw, grams, contexts, lower)[k:]
            lower = _interpolate(level.continued, grams, contexts, lower)
            sums[k] = -np.log(p[first:]).sum()
            contexts = _before(grams)
        return sums

    def start(self, rows: int) -> np.ndarray:
        """Return the state before any symbol, for `rows` texts side by side: [R, order - 1] int64.

        A state has the number of the k-gram that was last, for k from 1: -1 of one that was never counted, -2
        where there were not yet k symbols.
        """
        return np.full((rows, self.order - 1), _NOT_YET)

    def follow(self, state: np.ndarray) -> np.ndarray:
        """Return p(w | h) of each symbol w after each state h, [R, V] float64, by the highest order."""
        every = np.tile(np.arange(self.size), len(state))
        lower = p = np.full(len(every), 1 / self.size)
        for level, contexts in zip(self._orders, _contexts(state), strict=True):
            wide = np.repeat(contexts, self.size)
            grams = _lookup(level.keys, wide, every, self.size)
            p = np.where(wide == _NOT_YET, p, _interpolate(level.raw, grams, wide, lower))
            lower = _interpolate(level.continued, grams, wide, lower)
        return p.reshape(len(state), self.size)

    def step(self, state: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        """Return the states after one symbol more each, [R]."""
        levels = zip(self._orders[:-1], _contexts(state), strict=False)
        columns = [
            np.where(contexts == _NOT_YET, _NOT_YET, _lookup(level.keys, contexts, symbols, self.size))
            for level, contexts in levels
        ]
        return np.stack(columns, 1) if columns else state


def best_order(ids: np.ndarray, size: int, most: int) -> int:
    """Return the order, up to `most`, whose model of a text's begin is best on its last tenth.

    Args:
        ids: [N] the symbols that the model is counted in later.
        size: V, the number of different symbols there are.
        most: the highest order.
    """
    cut = len(ids) - len(ids) // _HELD_OUT
    if cut == len(ids):
        return 1
    return 1 + int(KneserNeyLM(ids[:cut], size, most).nats(ids, cut).argmin())


def _contexts(state: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the context of each order from 1 in the states of `KneserNeyLM`."""
    yield np.zeros(len(state), np.int64)
    yield from state.T


def _count(ids: np.ndarray, size: int, order: int) -> Iterator[Order]:
    """Yield the orders from 1 up; each needs what the next one finds."""
    contexts, before = np.zeros(len(ids), np.int64), 1
    keys, _, grams, counts = _number(contexts, ids, size)
    for _ in range(order):
        upper = _number(_before(grams), ids, size)
        # Each (k+1)-gram is one different symbol before the k-gram that it ends with.
        continued = np.bincount(grams[upper[1]], minlength=len(keys))
        yield Order(keys, _summed(keys // size, counts, before), _summed(keys // size, continued, before))
        before = len(keys)
        keys, _, grams, counts = upper


def _number(contexts: np.ndarray, ids: np.ndarray, size: int) -> tuple[np.ndarray, ...]:
    """Number the k-grams that end at each place, given the numbers of their contexts; -1 where there is none.

    Returns:
        keys: [K] those that occur, sorted; the index is the number.
        first: [K] a place of each.
        grams: [N] the number of the one that ends at each place, or -1.
        counts: [K] how often each occurs.
    """
    start = int(np.argmax(contexts >= 0)) if len(contexts) and contexts[-1] >= 0 else len(contexts)
    keys, first, grams, counts = np.unique(
        contexts[start:] * size + ids[start:], return_index=True, return_inverse=True, return_counts=True
    )
    return keys, first + start, np.concatenate([np.full(start, -1), grams]), counts


def _before(grams: np.ndarray) -> np.ndarray:
    """Return the k-gram that ends just before each place, its context; -1 where there is none."""
    return np.concatenate([[-1], grams[:-1]])


def _summed(contexts: np.ndarray, grams: np.ndarray, number: int) -> NGramCounts:
    """Sum up counts of k-grams for each of the `number` contexts."""
    totals = np.bincount(contexts, weights=grams, minlength=number).astype(np.int64)
    types = np.bincount(contexts, weights=grams > 0, minlength=number).astype(np.int64)
    return NGramCounts(grams, totals, types, _discount(grams))


def _discount(grams: np.ndarray) -> float:
    """Return n1 / (n1 + 2 n2); a half where nothing occurred once: what never occurred must be possible."""
    once, twice = int((grams == 1).sum()), int((grams == 2).sum())
    return once / (once + 2 * twice) if once else 0.5


def _lookup(keys: np.ndarray, contexts: np.ndarray, ids: np.ndarray, size: int) -> np.ndarray:
    """Return the numbers of the k-grams that end at each place; -1 for those that were never counted."""
    if len(keys) == 0:
        return np.full(len(ids), -1)
    wanted = np.where(contexts >= 0, contexts * size + ids, -1)
    found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[found] == wanted, found, -1)


def _interpolate(
    counts: NGramCounts, grams: np.ndarray, contexts: np.ndarray, lower: np.ndarray
) -> np.ndarray:
    """Return p(w | h) at each place from counts and the lower order's p; that alone where h has none."""
    p = lower.copy()
    seen = np.flatnonzero(contexts >= 0)
    seen = seen[counts.totals[contexts[seen]] > 0]
    context, gram = contexts[seen], grams[seen]
    count = np.where(gram >= 0, counts.grams[gram], 0) if len(counts.grams) else np.zeros(len(seen))
    kept = np.maximum(count - counts.discount, 0)
    p[seen] = (kept + counts.discount * counts.types[context] * lower[seen]) / counts.totals[context]
    return p


def _checked(ids: np.ndarray, size: int) -> np.ndarray:
    ids = np.asarray(ids, np.int64)
    assert ids.ndim == 1
    assert len(ids) == 0 or (ids.min() >= 0 and ids.max() < size)
    return ids
