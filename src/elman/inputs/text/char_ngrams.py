"""Words by their characters: which n-grams of them a training part has, and what is read of a word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self, final

import numpy as np

from elman.core import json_schema, ngrams
from elman.inputs.text import char_table, vocab
from elman.inputs.text.vocab import CharVocab
from elman.nn.embedding import CharNGrams

SHORTEST = 3
"""Characters of the shortest n-grams."""

_LONGEST = 20
"""Characters that are read of a word, with the space on each side of it."""


class _CharNgramsLearnt(NamedTuple):
    characters: str
    ngrams: list[list[int]]


@final
class CharNGramVocab:
    """The characters of words, and the n-grams of them, of `SHORTEST` characters or more, that repeat.

    A word stands between two spaces, so that its start and its end differ from its middle.

    Args:
        chars: what is known; in a word 0 is what follows it, 1 a character that is not known.
        repeated: for n = 3, 4, ...: the sorted keys of the n-grams that occur twice or more in the words.
    """

    def __init__(self, chars: CharVocab, repeated: Sequence[np.ndarray]) -> None:
        self._chars, self._repeated = chars, repeated

    @classmethod
    def learn(cls, words: Iterable[str], longest: int) -> Self:
        """The characters of different words, one at least, and their n-grams of up to `longest`.

        Raises:
            ConfigError: there are more n-grams of that length than can be numbered.
        """
        framed = [_framed(word) for word in words]
        chars = vocab.learn("char", framed)
        assert isinstance(chars, CharVocab)
        own = cls(chars, ())
        sequences = [row[row > 0] for row in own._rows(framed, "text")]
        lengths, setting = range(SHORTEST, longest + 1), "data.char_ngrams"
        return cls(chars, [ngrams.repeated(sequences, n, own._size, setting) for n in lengths])

    @classmethod
    def restore(cls, content: dict[str, Any]) -> Self:
        """What gave `content`."""
        learnt = json_schema.build(_CharNgramsLearnt, content)
        if len(set(learnt.characters)) < len(learnt.characters):
            raise ValueError("a character stands there twice")
        return cls(CharVocab(list(learnt.characters)), ngrams.restored(learnt.ngrams))

    def content(self) -> dict[str, Any]:
        """Characters and keys, in terms of JSON."""
        keys = [keys.tolist() for keys in self._repeated]
        return {"characters": "".join(self._chars.symbols), "ngrams": keys}

    def about(self) -> str:
        """How many n-grams there are."""
        return f"{sum(map(len, self._repeated)):,} n-grams of characters"

    def encode(self, words: Sequence[str], where: str) -> np.ndarray:
        """The characters of each word: [T, C] int32, zeros after them.

        Raises:
            VocabError: a word is not valid Unicode; the message begins with `where`.
        """
        return self._rows([_framed(word) for word in words], where)

    def reader(self, width: int, dropped: float) -> CharNGrams:
        """A fresh layer that reads what `encode` gave."""
        return CharNGrams(self._repeated, self._size, SHORTEST, width, dropped)

    @property
    def _size(self) -> int:
        return len(self._chars) + 1

    def _rows(self, framed: Sequence[str], where: str) -> np.ndarray:
        return char_table.char_table(framed, lambda text: self._chars.encode(text, where=where) + 1, _LONGEST)


def _framed(word: str) -> str:
    return f" {word.strip()} "
