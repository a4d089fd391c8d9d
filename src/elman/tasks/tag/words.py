"""Words <-> numbers, and the characters of each: what a tagger reads. It knows nothing of files or networks.

A word is known if the training part had it. Its number is its rank by frequency, from 1; 0 is a word that is
not known. Its characters have numbers too, so that a word never seen is still spelled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Annotated, Any, NamedTuple, Self, final

import numpy as np

from elman.core import json_schema
from elman.core.errors import RunError
from elman.core.words import FORMS, normal
from elman.inputs.text import char_table, vocab
from elman.inputs.text.vocab import CharVocab

PADDING, STRANGE = 0, 1
"""Numbers that do not stand for a character: the padding after a word, and an unknown character."""


@final
class TaggerWords:
    """The words of a training part, most frequent first, and their characters.

    Args:
        counts: how often each word was there, in the order of the words' numbers.
        chars: its characters.
        lower: whether capitals make no other word; the characters have them all the same.
        longest: how many characters of a word are read, half of them at its end where it is longer.

    The vocabulary of the characters determines how words are normalised.
    """

    def __init__(self, counts: Mapping[str, int], chars: CharVocab, *, lower: bool, longest: int) -> None:
        self.counts, self.chars, self.lower, self.longest = dict(counts), chars, lower, longest
        self._numbers = {word: number for number, word in enumerate(counts, 1)}

    def __len__(self) -> int:
        """How many words are known."""
        return len(self.counts)

    @property
    def symbols(self) -> int:
        """How many numbers a character may have, `PADDING` and `STRANGE` among them."""
        return len(self.chars) + 1

    @classmethod
    def learn(
        cls,
        sentences: Iterable[Sequence[str]],
        *,
        lower: bool,
        longest: int,
        size: int = 0,
        form: str = "none",
    ) -> Self:
        """The words of these sentences, one at least.

        Args:
            sentences: each a list of words.
            lower: see `Words`.
            longest: see `Words`.
            size: the most words to know; the most frequent stay. 0: all.
            form: how they are normalised, one of `elman.core.words.FORMS`.
        """
        seen = Counter(normal(word, form) for word in chain.from_iterable(sentences))
        counts: Counter[str] = Counter()
        for word, count in seen.items():
            counts[word.lower() if lower else word] += count
        ranked = sorted(counts, key=lambda word: (-counts[word], word))[: size or None]
        # A character of one word only stays strange, so that the network learns what to make of such ones.
        chars = vocab.learn("char", seen, min_count=2, form=form, least=0)
        assert isinstance(chars, CharVocab)
        return cls({word: counts[word] for word in ranked}, chars, lower=lower, longest=longest)

    def encode(self, words: Sequence[str]) -> np.ndarray:
        """The numbers of words: [T, 1 + C] int32, the word's own and then its C = `longest` characters'."""
        words = [self.chars.normal(word) for word in words]
        distinct = {word: place for place, word in enumerate(dict.fromkeys(words))}
        table = np.zeros((len(distinct), 1 + self.longest), np.int32)
        named = (word.lower() for word in distinct) if self.lower else iter(distinct)
        table[:, 0] = np.fromiter(map(self._numbers.get, named, repeat(0)), np.int32, len(distinct))
        # A vocabulary gives 0 to what it does not know; here that is the padding.
        table[:, 1:] = char_table.char_table(
            list(distinct), lambda text: self.chars.encode(text) + STRANGE, self.longest
        )
        return table[np.fromiter(map(distinct.__getitem__, words), np.int64, len(words))]

    def spelled(self, numbers: np.ndarray) -> list[str]:
        """The words that `encode` gave, by their characters; those that are not known are U+FFFD."""
        known = ["", "\ufffd", *(self.chars.decode([number]) for number in range(1, len(self.chars)))]
        return ["".join(known[number] for number in row) for row in numbers[:, 1:].tolist()]

    def to_content(self) -> dict[str, Any]:
        """What `from_content` needs, in terms of JSON."""
        return {
            "lower": self.lower,
            "longest": self.longest,
            "characters": "".join(self.chars.symbols),
            "words": self.counts,
            "form": self.chars.form,
        }

    @classmethod
    def from_content(cls, content: Mapping[str, Any], where: object) -> Self:
        """The words that wrote `content`.

        Raises:
            RunError: an entry is missing or of another kind.
        """
        kinds = {"lower": bool, "longest": int, "characters": str, "words": dict}
        for name, kind in kinds.items():
            if type(content.get(name)) is not kind:
                remedy = "restore it from a copy, or train anew"
                raise RunError(where, f"damaged: no entry {name!r} of kind {kind.__name__}", remedy=remedy)
        learnt = json_schema.build(_WordsLearnt, content)
        if len(set(learnt.characters)) < len(learnt.characters):
            raise ValueError("a character stands there twice")
        chars = CharVocab(list(learnt.characters))
        chars.form = learnt.form
        return cls(learnt.words, chars, lower=learnt.lower, longest=learnt.longest)


class _WordsLearnt(NamedTuple):
    lower: bool
    longest: Annotated[int, ("minimum", 1), ("maximum", 10_000)]
    characters: str
    words: dict[str, Annotated[int, ("minimum", 1)]]
    form: Annotated[str, ("enum", FORMS)] = "none"
