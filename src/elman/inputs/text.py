"""Text as symbols: characters, bytes, words or subwords; symbol strings such as DNA are text too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Self, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman import grams, vocab
from elman.config import Network, Run
from elman.errors import DataError
from elman.inputs.base import Input, Raw, Reader
from elman.vocab import Vocab

LARGEST_EMBEDDING = 128
"""Size of a symbol's vector, where neither it nor a smaller hidden size is set."""


@final
class Text(Input):
    """A string; empty ones are taken as one unknown symbol.

    Words are told with the space before them, so a space is put before each text; `data.lower` makes small
    letters of capitals.
    """

    name = "text"

    def __init__(self, symbols: Vocab, repeated: Sequence[np.ndarray], run: Run) -> None:
        self.vocab, self._repeated, self._run = symbols, repeated, run

    @classmethod
    def takes(cls, value: Any) -> bool:
        """Whether that is a string."""
        return isinstance(value, str)

    @classmethod
    def learn(cls, values: Sequence[Raw], run: Run) -> Self:
        """The vocabulary of these texts; the unit auto is word where most of them have a space, else char."""
        data = run.data
        texts = [_string(raw) for raw in values]
        unit = data.unit
        if unit == "auto":
            spaced = sum(" " in text.strip() for text in texts)
            unit = "word" if spaced > len(texts) / 2 else "char"
        texts = [prepared(text, unit, data.lower) for text in texts]
        symbols = vocab.learn(unit, texts, size=data.vocab_size, min_count=data.min_count)
        lengths = range(2, data.ngrams + 1)
        sequences = [symbols.encode(text) for text in texts] if lengths else []
        return cls(symbols, [grams.repeated(sequences, n, len(symbols)) for n in lengths], run)

    @classmethod
    def restore(cls, content: dict[str, Any], run: Run, where: object) -> Self:
        """The input with the vocabulary and the n-grams in `content`."""
        repeated = [np.array(keys, np.int64) for keys in content.pop("ngrams", [])]
        return cls(vocab.from_text(json.dumps(content), where), repeated, run)

    def content(self) -> dict[str, Any]:
        """The vocabulary, and the keys of n-grams."""
        content = json.loads(vocab.to_text(self.vocab))
        return (
            {**content, "ngrams": [keys.tolist() for keys in self._repeated]} if self._repeated else content
        )

    def about(self) -> str:
        """The unit, and how many symbols and n-grams there are."""
        longer = [f", {len(keys):,} {n}-grams" for n, keys in enumerate(self._repeated, start=2)]
        return f"text, {len(self.vocab):,} symbols of the unit {self.vocab.unit}" + "".join(longer)

    def parse(self, line: str) -> str:
        """The line itself."""
        return line

    def encode(self, raw: Raw) -> Tensor:
        """The symbols [T] of the text."""
        text = prepared(_string(raw), self.vocab.unit, self._run.data.lower)
        symbols = torch.from_numpy(self.vocab.encode(text, where=raw.where)).long()
        return symbols if len(symbols) else torch.full((1,), self.vocab.unknown or 0)

    def words(self, text: str) -> Sequence[str]:
        """The symbols of a text as strings, unknown ones too; nothing where none can be unknown."""
        return self.vocab.words(prepared(text, self.vocab.unit, self._run.data.lower))

    def reader(self) -> Reader:
        """An embedding of the symbols, and of the n-grams that end with them."""
        config = self._run.network
        width = config.embedding or min(config.hidden, LARGEST_EMBEDDING)
        return Embedding(len(self.vocab), width, config, self.vocab.unknown, self._repeated)


@final
class Embedding(Reader):
    """A vector for each symbol, learnt; to it are added those of the n-grams that end with the symbol.

    In training a share of the symbols is dropped whole (`embedding_dropout`; Gal and Ghahramani 2016), and a
    share of what is read is taken as unknown (`symbol_dropout`), so that the unknown has a vector too.

    Args:
        symbols: how many there are.
        width: size of a vector.
        config: the network's settings.
        unknown: the number of the unknown symbol, if there is one.
        repeated: for n = 2, 3, ...: the sorted keys of the n-grams that have a vector.
    """

    def __init__(
        self,
        symbols: int,
        width: int,
        config: Network,
        unknown: int | None,
        repeated: Sequence[np.ndarray] = (),
    ) -> None:
        super().__init__(width)
        self.ngrams = NGrams(repeated, symbols, width) if repeated else None
        self.weight = nn.Parameter(torch.empty(symbols, self.width))
        nn.init.normal_(self.weight, std=config.embedding_init or width**-0.5)
        self._share, self._strange, self._unknown = config.embedding_dropout, config.symbol_dropout, unknown

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Vectors [T, B, width] of symbols [T, B]."""
        weight = self.weight
        if self.training and self._strange and self._unknown is not None:
            data = data.masked_fill(torch.rand(data.shape, device=data.device) < self._strange, self._unknown)
        if self.training and self._share:
            weight = weight * F.dropout(weight.new_ones(len(weight), 1), self._share)
        vectors = F.embedding(data, weight)
        return vectors if self.ngrams is None else vectors + self.ngrams(data)


@final
class NGrams(nn.Module):
    """The sum of the vectors of all known n-grams, n > 1, that end with a symbol.

    Args:
        repeated: for n = 2, 3, ...: the sorted keys of those that are known.
        symbols: how many symbols there are.
        width: size of a vector.
    """

    def __init__(self, repeated: Sequence[np.ndarray], symbols: int, width: int) -> None:
        super().__init__()
        self._symbols, self._lengths = symbols, range(2, len(repeated) + 2)
        for length, known in zip(self._lengths, repeated, strict=True):
            self.register_buffer(f"keys_{length}", torch.from_numpy(known), persistent=False)
        self.weight = nn.Parameter(torch.zeros(1 + sum(map(len, repeated)), width))  # row 0: none

    def forward(self, data: Tensor) -> Tensor:
        """[T, B, width] of symbols [T, B]."""
        first, places = 1, []
        for length in self._lengths:
            known: Tensor = getattr(self, f"keys_{length}")
            asked = grams.keys(data, length, self._symbols)
            at = torch.searchsorted(known, asked).clamp(max=max(0, len(known) - 1))
            found = (first + at).where(known[at] == asked, 0) if len(known) else torch.zeros_like(asked)
            places.append(F.pad(found, (0, 0, len(data) - len(found), 0)))
            first += len(known)
        several = torch.stack(places, -1)
        flat = F.embedding_bag(several.flatten(0, 1), self.weight, mode="sum", padding_idx=0)
        return flat.view(*data.shape, -1)


def prepared(text: str, unit: str, lower: bool) -> str:
    """The text as it is encoded: of words and subwords the first has a space before it like the others."""
    text = text.lower() if lower else text
    return " " + text.strip() if unit in ("word", "bpe") and text.strip() else text


def _string(raw: Raw) -> str:
    if not isinstance(raw.value, str):
        raise DataError(raw.where, f"{type(raw.value).__name__} in the input column", expected="a text")
    return raw.value
