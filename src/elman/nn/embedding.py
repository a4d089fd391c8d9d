"""Symbols to vectors: one of their own, those of n-grams that end with them, those of a word's characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.core import ngrams
from elman.core.run_config import NetworkSettings
from elman.nn.readers import InputLayer


@final
class Embedding(InputLayer):
    """A vector for each symbol, learnt; to it those of n-grams are added, if there are any.

    In training a share of the symbols is dropped whole (`embedding_dropout`; Gal and Ghahramani 2016), and a
    share of what is read is taken as unknown (`symbol_dropout`), so that the unknown has a vector too; its
    characters stay.

    Args:
        symbols: how many there are.
        width: size of a vector.
        config: the network's settings.
        unknown: the number of the unknown symbol, if there is one.
        repeated: for n = 2, 3, ...: the sorted keys of the n-grams of symbols that have a vector.
        spelled: the vectors of the n-grams of words' characters.
    """

    def __init__(
        self,
        symbols: int,
        width: int,
        config: NetworkSettings,
        unknown: int | None,
        repeated: Sequence[np.ndarray] = (),
        spelled: CharNGrams | None = None,
    ) -> None:
        super().__init__(width)
        self.ngrams = NGramEmbedding(repeated, symbols, width) if repeated else None
        self.spelled = spelled
        self.weight = nn.Parameter(torch.empty(symbols, self.width))
        nn.init.normal_(self.weight, std=config.embedding_init or width**-0.5)
        self._share, self._strange, self._unknown = config.embedding_dropout, config.symbol_dropout, unknown

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Vectors [T, B, width] of symbols [T, B]; or of [T, B, 1 + C], symbols and their C characters."""
        weight = self.weight
        characters = None if self.spelled is None else data[..., 1:].long()
        data = data if characters is None else data[..., 0].long()
        if self.training and self._strange and self._unknown is not None:
            data = data.masked_fill(torch.rand(data.shape, device=data.device) < self._strange, self._unknown)
        if self.training and self._share:
            weight = weight * F.dropout(weight.new_ones(len(weight), 1), self._share)
        vectors = F.embedding(data, weight)
        if self.ngrams is not None:
            vectors = vectors + self.ngrams(data)
        return vectors if self.spelled is None else vectors + self.spelled(characters)


@final
class NGramEmbedding(nn.Module):
    """The sum of the vectors of all known n-grams, n > 1, that end with a symbol.

    Args:
        repeated: for n = 2, 3, ...: the sorted keys of those that are known.
        symbols: how many symbols there are.
        width: size of a vector.
    """

    def __init__(self, repeated: Sequence[np.ndarray], symbols: int, width: int) -> None:
        super().__init__()
        self.known = NGramIndex(repeated, symbols, 2)
        self.weight = nn.Parameter(torch.zeros(1 + sum(map(len, repeated)), width))  # row 0: none

    def forward(self, data: Tensor) -> Tensor:
        """[T, B, width] of symbols [T, B]."""
        places = [F.pad(found, (0, 0, len(data) - len(found), 0)) for found in self.known(data)]
        several = torch.stack(places, -1)
        flat = F.embedding_bag(several.flatten(0, 1), self.weight, mode="sum", padding_idx=0)
        return flat.view(*data.shape, -1)


@final
class CharNGrams(nn.Module):
    """What a word's vector has from the n-grams g of its characters: sum_g z_g / sqrt(how many are known).

    (Bojanowski et al. 2017, who sum. The root keeps long words from having longer vectors.) In training a
    share of the n-grams is left out.

    Args:
        repeated: for n = shortest, shortest + 1, ...: the sorted keys of those that are known.
        characters: how many characters there are; 0 is none.
        shortest: the least n.
        width: size of a vector.
        dropped: share that training leaves out.
    """

    def __init__(
        self, repeated: Sequence[np.ndarray], characters: int, shortest: int, width: int, dropped: float
    ) -> None:
        super().__init__()
        self.known, self._dropped = NGramIndex(repeated, characters, shortest), dropped
        self.weight = nn.Parameter(torch.zeros(1 + sum(map(len, repeated)), width))  # row 0: none

    def forward(self, data: Tensor) -> Tensor:
        """[T, B, width] of characters [T, B, C], zeros after those of a word."""
        places = torch.cat(self.known(data.flatten(0, 1).t().contiguous()))
        if self.training and self._dropped:
            gone = torch.rand(places.shape, device=places.device) < self._dropped
            places = places.masked_fill(gone, 0)
        total = F.embedding_bag(places.t(), self.weight, mode="sum", padding_idx=0)
        return (total / (places > 0).sum(0).clamp(min=1).sqrt()[:, None]).view(*data.shape[:2], -1)


@final
class NGramIndex(nn.Module):
    """The rows that known n-grams have in a table, from 1 on; 0 for those that are not known.

    Args:
        repeated: for n = shortest, shortest + 1, ...: the sorted keys of those that are known.
        symbols: how many symbols there are.
        shortest: the least n.
    """

    def __init__(self, repeated: Sequence[np.ndarray], symbols: int, shortest: int) -> None:
        super().__init__()
        self.symbols, self._lengths = symbols, range(shortest, shortest + len(repeated))
        for length, known in zip(self._lengths, repeated, strict=True):
            self.register_buffer(f"keys_{length}", torch.from_numpy(known), persistent=False)

    def tables(self) -> Iterator[tuple[int, np.ndarray, int]]:
        """For each n: n, the sorted keys of its known n-grams, and the row of the first one."""
        first = 1
        for length in self._lengths:
            keys: Tensor = getattr(self, f"keys_{length}")
            yield length, keys.cpu().numpy(), first
            first += len(keys)

    def forward(self, data: Tensor) -> list[Tensor]:
        """For each n: rows [T - n + 1, N] of the n-grams along the first axis of symbols [T, N]."""
        first, rows = 1, []
        for length in self._lengths:
            known: Tensor = getattr(self, f"keys_{length}")
            asked = ngrams.keys(data, length, self.symbols)
            at = torch.searchsorted(known, asked).clamp(max=max(0, len(known) - 1))
            rows.append((first + at).where(known[at] == asked, 0) if len(known) else torch.zeros_like(asked))
            first += len(known)
        return rows


LARGEST_EMBEDDING = 128
"""Size of a symbol's vector, where neither it nor a smaller hidden size is set."""
