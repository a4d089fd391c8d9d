"""Text as symbols: characters, bytes, words or subwords; symbol strings such as DNA are text too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Self, final

import numpy as np
import torch
from torch import Tensor

from elman.core import json_schema, ngrams, words
from elman.core.errors import ConfigError, DataError, TaskError
from elman.core.records import RawValue
from elman.core.run_config import RunConfig
from elman.inputs.base import Input
from elman.inputs.text import vocab
from elman.inputs.text.char_ngrams import SHORTEST, CharNGramVocab
from elman.inputs.text.incremental import TextEncoder
from elman.inputs.text.vocab import Vocab, WordVocab
from elman.nn.embedding import LARGEST_EMBEDDING, Embedding
from elman.nn.readers import InputLayer


@final
class Text(Input):
    """A string; empty ones are taken as one unknown symbol.

    A word includes the space before it, so a space is put before each text; `data.lower` lowercases it.
    """

    name = "text"

    def __init__(
        self, symbols: Vocab, repeated: Sequence[np.ndarray], spelled: CharNGramVocab | None, run: RunConfig
    ) -> None:
        self.vocab, self._repeated, self._spelled, self._run = symbols, repeated, spelled, run

    @classmethod
    def takes(cls, value: Any) -> bool:
        """Whether that is a string."""
        return isinstance(value, str)

    @classmethod
    def learn(cls, values: Sequence[RawValue], run: RunConfig) -> Self:
        """The vocabulary of these texts; the unit auto is word where most of them have a space, else char.

        Raises:
            ConfigError: `data.char_ngrams` or `data.ngrams` does not fit the unit or the number of symbols.
        """
        data = run.data
        texts = [_string(raw) for raw in values]
        unit = data.unit
        if unit == "auto":
            spaced = sum(" " in text.strip() for text in texts)
            unit = "word" if spaced > len(texts) / 2 else "char"
        texts = [words.normal(prepared(text, unit, data.lower), data.normal_form) for text in texts]
        symbols = vocab.learn_as(data, unit, texts)
        lengths = range(2, data.ngrams + 1)
        sequences = [symbols.encode(text) for text in texts] if lengths else []
        repeated = [ngrams.repeated(sequences, n, len(symbols)) for n in lengths]
        return cls(symbols, repeated, _spelled(texts, symbols, data.char_ngrams), run)

    @classmethod
    def restore(cls, content: dict[str, Any], run: RunConfig, where: object) -> Self:
        """The input with the vocabulary and the n-grams in `content`."""
        with json_schema.rebuilding(where, "a damaged input"):
            repeated = ngrams.restored(
                json_schema.build(list[list[int]], content.pop("ngrams", []), "ngrams")
            )
            spelled = CharNGramVocab.restore(content.pop("char_ngrams")) if "char_ngrams" in content else None
            return cls(vocab.from_text(json.dumps(content), where), repeated, spelled, run)

    @property
    def kind(self) -> str:
        """A text."""
        return self.name

    def content(self) -> dict[str, Any]:
        """The vocabulary, the keys of n-grams, and the n-grams of characters."""
        content = json.loads(vocab.to_text(self.vocab))
        if self._repeated:
            content["ngrams"] = [keys.tolist() for keys in self._repeated]
        return {**content, "char_ngrams": self._spelled.content()} if self._spelled else content

    def about(self) -> str:
        """The unit, and how many symbols and n-grams there are."""
        parts = [f"text, {len(self.vocab):,} symbols of the unit {self.vocab.unit}"]
        parts += [f"{len(keys):,} {n}-grams" for n, keys in enumerate(self._repeated, start=2)]
        return ", ".join(parts + ([self._spelled.about()] if self._spelled else []))

    def parse(self, line: str) -> str:
        """The line itself."""
        return line

    def encode(self, raw: RawValue) -> Tensor:
        """The symbols [T] of the text; with `data.char_ngrams` [T, 1 + C], words and their characters."""
        text = self.vocab.normal(prepared(_string(raw), self.vocab.unit, self._run.data.lower))
        symbols = torch.from_numpy(self.vocab.encode(text, where=raw.where)).long()
        symbols = symbols if len(symbols) else torch.full((1,), self.vocab.unknown or 0)
        if self._spelled is None:
            return symbols
        characters = torch.from_numpy(self._spelled.encode(self._tokens(text) or [" "], raw.where))
        return torch.cat([symbols[:, None].int(), characters], 1)

    def _tokens(self, text: str) -> list[str]:
        assert isinstance(self.vocab, WordVocab)
        return self.vocab.tokens(text)

    def words(self, text: str) -> Sequence[str]:
        """The symbols of a text as strings, unknown ones too; nothing where none can be unknown."""
        return self.vocab.words(prepared(text, self.vocab.unit, self._run.data.lower))

    def shown(self, data: Tensor) -> list[str]:
        """The symbols that `encode` gave, printable."""
        numbers = data if data.ndim == 1 else data[:, 0]
        return [self.vocab.describe(number) for number in numbers.tolist()]

    def symbols(self, data: Tensor) -> list[str]:
        """The text of each of the symbols that `encode` gave."""
        numbers = data if data.ndim == 1 else data[:, 0]
        return [self.vocab.decode([number]) for number in numbers.tolist()]

    def readable(self, data: Tensor) -> str:
        """The text, as far as its symbols are known."""
        return self.vocab.decode((data if data.ndim == 1 else data[:, 0]).tolist()).strip()

    def reader(self) -> InputLayer:
        """An embedding of the symbols, of the n-grams that end with them, and of their characters'."""
        config = self._run.network
        width = config.embedding or min(config.hidden, LARGEST_EMBEDDING)
        spelled = self._spelled.reader(width, config.symbol_dropout) if self._spelled else None
        return Embedding(len(self.vocab), width, config, self.vocab.unknown, self._repeated, spelled)

    def incremental_encoder(self) -> TextEncoder:
        """Symbols as they are whole; see `Input`."""
        if self._repeated:
            got, remedy = (
                f"{1 + len(self._repeated)}, which look back beyond a step",
                "train with data.ngrams=1",
            )
            raise TaskError("data.ngrams", got, expected="1 for a stream", remedy=remedy)
        return TextEncoder(self.vocab, lower=self._run.data.lower, value=True, spelled=self._spelled)


def _spelled(texts: Sequence[str], symbols: Vocab, longest: int) -> CharNGramVocab | None:
    """Return the characters of these texts' words, if n-grams of that length are configured."""
    if not longest:
        return None
    if not isinstance(symbols, WordVocab) or longest < SHORTEST:
        got = str(longest) if symbols.unit == "word" else f"{longest} for the unit {symbols.unit}"
        expected = f"0, or for the unit word {SHORTEST} or more"
        raise ConfigError("data.char_ngrams", got, expected=expected, remedy="leave it out, or set data.unit")
    return CharNGramVocab.learn(sorted({word for text in texts for word in symbols.tokens(text)}), longest)


def prepared(text: str, unit: str, lower: bool) -> str:
    """The text as it is encoded: of words and subwords the first has a space before it like the others."""
    text = text.lower() if lower else text
    return " " + text.strip() if unit in ("word", "bpe") and text.strip() else text


def _string(raw: RawValue) -> str:
    if not isinstance(raw.value, str):
        raise DataError(raw.where, f"{type(raw.value).__name__} in the input column", expected="a text")
    return raw.value
