"""What guides a prefix beam: a word list, a language model of n-grams, a bonus; one, or several together.

They know symbols by their numbers only (`ctc_beam.PrefixScorer` says what they answer).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from elman.core.errors import DataError
from elman.decoding.ctc_beam import PrefixScorer
from elman.decoding.ngram_lm import KneserNeyLM


@final
class Lexicon:
    """Only texts of words that are in a list.

    The list is a trie. A state is a node of it; after the end of a word any word may begin.

    Args:
        words: the symbols of each word, at least one, as it stands after another one: where words are parted
            by a space that is a symbol of its own, that space comes first.
        symbols: V.
        between: the symbol that parts words and that the first one of a text goes without; None: there is
            none.

    Raises:
        DataError: there is no word.
    """

    def __init__(self, words: Sequence[Sequence[int]], symbols: int, between: int | None = None) -> None:
        nodes: dict[tuple[int, int], int] = {}
        ends = set()
        for word in words:
            node = 0
            for symbol in word:
                node = nodes.setdefault((node, symbol), len(nodes) + 1)
            ends.add(node)
        ends.discard(0)
        if not ends:
            raise DataError("word list", "no words", expected="one or more")
        self._symbols = symbols
        keys = torch.tensor([node * symbols + symbol for node, symbol in nodes])
        self._keys, order = keys.sort()  # of the trie's edges: where from, times V, plus the symbol
        self._nodes = torch.tensor(list(nodes.values()))[order]
        self._ends = torch.zeros(len(nodes) + 1, dtype=torch.bool)
        self._ends[list(ends)] = True
        self._first = 0 if between is None else nodes[0, between]
        self._empty = len(nodes) + 1  # a state of its own: the same node after a word may not end a text

    def start(self, rows: int) -> Tensor:
        """Return [R, 1]: where the first word begins."""
        return torch.full((rows, 1), self._empty)

    def follow(self, state: Tensor) -> Tensor:
        """Return [R, V]: 0 where a symbol goes on with a word or begins another one, else -inf."""
        distinct, places = state[:, 0].unique(return_inverse=True)
        every = torch.arange(self._symbols).expand(len(distinct), -1)
        added = torch.zeros(every.shape, dtype=torch.float64)
        return added.masked_fill(self._next(distinct[:, None], every) < 0, -math.inf)[places]

    def step(self, state: Tensor, symbols: Tensor) -> Tensor:
        """Return the nodes [R, 1] that the symbols lead to."""
        return self._next(state, symbols[:, None])

    def end(self, state: Tensor) -> Tensor:
        """Return 0 at the end of a word, or before the first one; else -inf."""
        empty = state[:, 0] == self._empty
        ends = self._ends[state[:, 0].masked_fill(empty, 0)] | empty
        return torch.zeros(len(state), dtype=torch.float64).masked_fill(~ends, -math.inf)

    def _next(self, node: Tensor, symbols: Tensor) -> Tensor:
        """Return the node after each symbol; -1 where there is none."""
        node = node.masked_fill(node == self._empty, self._first)
        inner = self._child(node, symbols)
        another = self._child(torch.zeros_like(node), symbols)
        return torch.where((inner < 0) & self._ends[node], another, inner)

    def _child(self, node: Tensor, symbols: Tensor) -> Tensor:
        wanted = node * self._symbols + symbols
        places = torch.searchsorted(self._keys, wanted).clamp(max=len(self._keys) - 1)
        return torch.where(self._keys[places] == wanted, self._nodes[places], -1)


@final
class NGramScorer:
    """The language model of n-grams: `weight` ln p(symbol | those before), the end of a text among them.

    Args:
        model: of symbols 0 to V, of which V stands before and after each text.
        weight: what its word counts.
    """

    def __init__(self, model: KneserNeyLM, weight: float) -> None:
        self._model, self._weight = model, weight

    def start(self, rows: int) -> Tensor:
        """Return the context of a border."""
        border = np.full(rows, self._model.size - 1)
        return torch.from_numpy(self._model.step(self._model.start(rows), border))

    def follow(self, state: Tensor) -> Tensor:
        """Return [R, V] of the symbols but the border."""
        return self._added(state)[:, :-1]

    def step(self, state: Tensor, symbols: Tensor) -> Tensor:
        """Return the contexts after the symbols."""
        return torch.from_numpy(self._model.step(state.numpy(), symbols.numpy()))

    def end(self, state: Tensor) -> Tensor:
        """Return [R] of the border."""
        return self._added(state)[:, -1]

    def _added(self, state: Tensor) -> Tensor:
        distinct, places = state.unique(dim=0, return_inverse=True)
        return torch.from_numpy(self._weight * np.log(self._model.follow(distinct.numpy())))[places]


@final
class SymbolBonus:
    """What each symbol adds, whatever is before it: [V] float64."""

    def __init__(self, added: Tensor) -> None:
        self._added = added

    def start(self, rows: int) -> Tensor:
        """Return empty states, [R, 0]: a bonus needs none."""
        return torch.zeros(rows, 0, dtype=torch.int64)

    def follow(self, state: Tensor) -> Tensor:
        """Return the same bonus for all texts."""
        return self._added.expand(len(state), -1)

    def step(self, state: Tensor, symbols: Tensor) -> Tensor:
        """Return the states as they are."""
        return state

    def end(self, state: Tensor) -> Tensor:
        """Return zeros."""
        return torch.zeros(len(state), dtype=torch.float64)


@final
class CombinedScorer:
    """Several scorers: their scores are summed, and a symbol is forbidden if one of them forbids it."""

    def __init__(self, scorers: Sequence[PrefixScorer]) -> None:
        self._scorers = scorers
        self._widths = [scorer.start(1).shape[1] for scorer in scorers]

    def start(self, rows: int) -> Tensor:
        """Return the states of all, side by side."""
        return torch.cat([scorer.start(rows) for scorer in self._scorers], 1)

    def follow(self, state: Tensor) -> Tensor:
        """Return the sum of what all scorers add."""
        parts = zip(self._scorers, state.split(self._widths, 1), strict=True)
        return torch.stack([scorer.follow(part) for scorer, part in parts]).sum(0)

    def step(self, state: Tensor, symbols: Tensor) -> Tensor:
        """Return the states of all scorers, side by side."""
        parts = zip(self._scorers, state.split(self._widths, 1), strict=True)
        return torch.cat([scorer.step(part, symbols) for scorer, part in parts], 1)

    def end(self, state: Tensor) -> Tensor:
        """Return the sum of what all scorers add at the end."""
        parts = zip(self._scorers, state.split(self._widths, 1), strict=True)
        return torch.stack([scorer.end(part) for scorer, part in parts]).sum(0)
