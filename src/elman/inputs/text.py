"""Text as symbols: characters, bytes, words or subwords; symbol strings such as DNA are text too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Self, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman import vocab
from elman.config import Network, Run
from elman.errors import DataError
from elman.inputs.base import Input, Raw, Reader
from elman.vocab import Vocab

LARGEST_EMBEDDING = 128
"""Size of a symbol's vector, where neither it nor a smaller hidden size is set."""

_DEVIATION = 0.1
"""Of the numbers that a vector starts with: with few examples, what is learnt must soon outweigh them."""


@final
class Text(Input):
    """A string; empty ones are taken as one unknown symbol.

    Words are told with the space before them, so a space is put before each text; `data.lower` makes small
    letters of capitals.
    """

    name = "text"

    def __init__(self, symbols: Vocab, run: Run) -> None:
        self.vocab, self._run = symbols, run

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
        texts = [_prepared(text, unit, data.lower) for text in texts]
        return cls(vocab.learn(unit, texts, size=data.vocab_size, min_count=data.min_count), run)

    @classmethod
    def restore(cls, content: dict[str, Any], run: Run, where: object) -> Self:
        """The input with the vocabulary in `content`."""
        return cls(vocab.from_text(json.dumps(content), where), run)

    def content(self) -> dict[str, Any]:
        """The vocabulary."""
        return json.loads(vocab.to_text(self.vocab))

    def about(self) -> str:
        """The unit, and how many symbols there are."""
        return f"text, {len(self.vocab):,} symbols of the unit {self.vocab.unit}"

    def parse(self, line: str) -> str:
        """The line itself."""
        return line

    def encode(self, raw: Raw) -> Tensor:
        """The symbols [T] of the text."""
        text = _prepared(_string(raw), self.vocab.unit, self._run.data.lower)
        symbols = torch.from_numpy(self.vocab.encode(text, where=raw.where)).long()
        return symbols if len(symbols) else torch.full((1,), self.vocab.unknown or 0)

    def reader(self) -> Reader:
        """An embedding of the symbols."""
        config = self._run.network
        width = config.embedding or min(config.hidden, LARGEST_EMBEDDING)
        return Embedding(len(self.vocab), width, config, self.vocab.unknown)


@final
class Embedding(Reader):
    """A vector for each symbol, learnt.

    In training a share of the symbols is dropped whole (`embedding_dropout`; Gal and Ghahramani 2016), and a
    share of what is read is taken as unknown (`symbol_dropout`), so that the unknown has a
    vector that serves.

    Args:
        symbols: how many there are.
        width: size of a vector.
        config: the network's settings.
        unknown: the number of the unknown symbol, if there is one.
    """

    def __init__(self, symbols: int, width: int, config: Network, unknown: int | None) -> None:
        super().__init__(width)
        self.weight = nn.Parameter(torch.empty(symbols, self.width))
        nn.init.normal_(self.weight, std=_DEVIATION)
        self._share, self._strange, self._unknown = config.embedding_dropout, config.symbol_dropout, unknown

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Vectors [T, B, width] of symbols [T, B]."""
        weight = self.weight
        if self.training and self._strange and self._unknown is not None:
            data = data.masked_fill(torch.rand(data.shape, device=data.device) < self._strange, self._unknown)
        if self.training and self._share:
            weight = weight * F.dropout(weight.new_ones(len(weight), 1), self._share)
        return F.embedding(data, weight)


def _prepared(text: str, unit: str, lower: bool) -> str:
    text = text.lower() if lower else text
    return " " + text.strip() if unit in ("word", "bpe") and text.strip() else text


def _string(raw: Raw) -> str:
    if not isinstance(raw.value, str):
        raise DataError(raw.where, f"{type(raw.value).__name__} in the input column", expected="a text")
    return raw.value
