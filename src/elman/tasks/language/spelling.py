"""What it takes to spell a word that a vocabulary lacks: `<unk>` does not tell the word."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Self

from elman.core import json_schema
from elman.inputs.text.vocab import Vocab

_END = ""
"""In the counts, the end of a word."""

_CODE_POINTS = 0x110000


class Spelling:
    """A unigram model over the characters of words, each once, with an end after each word.

    p(c) = n(c) / (N + V + 1), and (V + 1) / (N + V + 1) / 1,114,112 for a character that was not counted; N
    is the sum of the counts n, V the number of different characters (Witten and Bell 1991, over code points).

    Args:
        symbols: the vocabulary.
        counts: character -> how often it was in the words of the training text that the vocabulary lacks; if
            there were none, those of the vocabulary's own words are counted.
    """

    def __init__(self, symbols: Vocab, counts: Mapping[str, int]) -> None:
        self.counts, self._ends = dict(counts), symbols.unit != "char"  # a word's end is spelled, too
        counts = counts or Counter(
            self._spelled(*(piece.decode("utf-8", "replace") for piece in symbols.pieces))
        )
        total, kinds = sum(counts.values()), len(counts)
        self._nats = {char: math.log((total + kinds + 1) / count) for char, count in counts.items()}
        self._new = math.log((total + kinds + 1) * _CODE_POINTS / (kinds + 1))

    @classmethod
    def learn(cls, symbols: Vocab, texts: Sequence[str]) -> Self:
        """The characters of these texts' words that are unknown."""
        words: set[str] = set()
        for text in texts if symbols.unknown is not None else ():
            found = symbols.encode(text) == symbols.unknown
            if found.any():
                split = symbols.words(text)
                words.update(split[place] for place in found.nonzero()[0])
        own = cls(symbols, {})
        return cls(symbols, Counter(own._spelled(*sorted(words)))) if words else own

    @classmethod
    def restore(cls, symbols: Vocab, content: object) -> Self:
        """What had these `counts`."""
        counts = json_schema.build(dict[str, Annotated[int, ("minimum", 1)]], content, "spelling")
        return cls(symbols, counts)

    def nats(self, word: str) -> float:
        """-ln p of a word."""
        return sum(self._nats.get(char, self._new) for char in self._spelled(word))

    def _spelled(self, *words: str) -> Iterator[str]:
        for word in filter(None, words):
            yield from [*word, *[_END] * self._ends]
