"""Symbols <-> numbers: the one place that knows what a model's symbols are.

A vocabulary knows its units (characters, bytes, words, subwords) and nothing of files, tasks or tensors.
Each symbol adds a fixed string of bytes to the text, its piece; so decoding is concatenation for every unit.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, final

import numpy as np

from elman.core import words
from elman.core.errors import ConfigError, RunError, nearest
from elman.core.run_config import DataSettings
from elman.inputs.text.subwords import BpeVocab
from elman.inputs.text.symbols import BYTES, SURROGATE, Vocab, broken, damaged, empty

FORMAT = 2
"""The newest number that `to_text` writes; a file with a higher one comes from a newer Elman.

1: texts are taken as they are, and a word of Latin letters, digits and apostrophes is what `re` calls one.
2: texts are normalised, and words are those of `elman.core.words`.
"""


@final
class CharVocab(Vocab):
    """Unicode characters in the order of their code points, after `<unk>`."""

    unit = "char"

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = list(symbols)
        self.pieces = [b"", *(symbol.encode() for symbol in symbols)]
        self.unknown = 0
        points = [ord(symbol) for symbol in symbols]
        # A table over the code points; its last entry stands for all those above the highest known one.
        self._table = np.zeros(max(points, default=0) + 2, np.int32)
        self._table[points] = np.arange(1, len(points) + 1)

    def _ids(self, text: str) -> np.ndarray:
        points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        return self._table[np.minimum(points, len(self._table) - 1)]

    def _split(self, text: str) -> Sequence[str]:
        return text

    def _content(self) -> dict[str, Any]:
        return {"symbols": self.symbols}

    @classmethod
    def _learn(cls, texts: Iterable[str], size: int, min_count: int) -> Vocab:
        return cls(sorted(_frequent(texts, size, min_count)))

    @classmethod
    def _restore(cls, content: dict[str, Any], where: object) -> Vocab:
        symbols = _symbols(content, where)
        if any(len(symbol) != 1 for symbol in symbols):
            raise damaged(where, "a symbol of more than one character")
        return cls(symbols)


@final
class ByteVocab(Vocab):
    """The 256 bytes of UTF-8: every text can be written, none needs to be learnt."""

    unit = "byte"

    def __init__(self) -> None:
        self.pieces = BYTES
        self.unknown = None

    def _ids(self, text: str) -> np.ndarray:
        return np.frombuffer(text.encode(), np.uint8).astype(np.int32)

    def _split(self, text: str) -> Sequence[str]:
        raise AssertionError("no byte is unknown")

    def _content(self) -> dict[str, Any]:
        return {}

    @classmethod
    def _learn(cls, texts: Iterable[str], size: int, min_count: int) -> Vocab:
        if size not in (0, len(BYTES)):
            raise ConfigError(
                "vocab_size", str(size), expected="256 for the unit byte", remedy="leave it out"
            )
        return cls()

    @classmethod
    def _restore(cls, content: dict[str, Any], where: object) -> Vocab:
        return cls()


# What vocabularies of format 1 take for words.
_PLAIN_WORD = re.compile(r" ?\w+(?:['’]\w+)*| ?[^\w\s]| +(?= \S)| +|\n|\t+|\s")


@final
class WordVocab(Vocab):
    """Words, most frequent first, after `<unk>`. A word carries the space before it, so no space is lost.

    Args:
        symbols: the words.
        plain: whether words are those of format 1.
    """

    unit = "word"

    @property
    def format(self) -> int:
        return 1 if self._plain else 2

    def __init__(self, symbols: Sequence[str], *, plain: bool = False) -> None:
        self.symbols, self._plain = list(symbols), plain
        self.pieces = [b"", *(symbol.encode() for symbol in symbols)]
        self.unknown = 0
        self._numbers = {symbol: number for number, symbol in enumerate(symbols, start=1)}

    def tokens(self, text: str) -> list[str]:
        """The words of any text as it is, each of which `encode` gives one number."""
        return self._split(text)

    def spaced(self, begun: str) -> str:
        """The beginning of a word, with the space before it turned about where only so a word begins."""
        able = (one for one in (begun, _turned(begun)) if any(s.startswith(one) for s in self.symbols))
        return next(able, begun)

    def _ids(self, text: str) -> np.ndarray:
        return np.fromiter(map(self._numbers.get, self._split(text), repeat(0)), np.int32)

    def _ids_near(self, text: str) -> np.ndarray:
        known, tokens = self._numbers, self._split(text)
        return np.array([known.get(token) or known.get(_turned(token), 0) for token in tokens], np.int32)

    def _split(self, text: str) -> list[str]:
        return _PLAIN_WORD.findall(text) if self._plain else words.tokens(text)

    def _content(self) -> dict[str, Any]:
        return {"symbols": self.symbols}

    @classmethod
    def _learn(cls, texts: Iterable[str], size: int, min_count: int) -> Vocab:
        return cls(_frequent(map(words.tokens, texts), size, min_count))

    @classmethod
    def _restore(cls, content: dict[str, Any], where: object) -> Vocab:
        return cls(_symbols(content, where), plain=content["format"] == 1)


UNITS: dict[str, type[Vocab]] = {cls.unit: cls for cls in (CharVocab, ByteVocab, WordVocab, BpeVocab)}


def learn(
    unit: str,
    texts: Iterable[str],
    *,
    size: int = 0,
    min_count: int = 1,
    form: str = "none",
    least: int = 1,
) -> Vocab:
    """The vocabulary of `texts`; the same texts give the same vocabulary.

    Args:
        unit: `char`, `byte`, `word` or `bpe`.
        texts: what to learn from; at least one character in all, except for `byte`.
        size: the most symbols to have, `<unk>` among them; the most frequent stay. 0: all of them, and 2,000
            for `bpe`. A text too small for that many subwords gives as many as it has.
        min_count: characters and words that occur less often than this are left out.
        form: how texts are normalised, one of `elman.core.words.FORMS`.
        least: how many symbols there must be beside `<unk>`.

    Raises:
        ConfigError: an unknown unit, a size or count that it cannot have, or a count that no symbol has.
        DataError: there is nothing to learn from.
    """
    if unit not in UNITS:
        raise ConfigError("unit", f"unknown unit {unit!r}", remedy=nearest(unit, UNITS))
    if size < 0 or size == 1:
        raise ConfigError("vocab_size", str(size), expected="at least 2 symbols, or 0 for no bound")
    if min_count < 1:
        raise ConfigError("min_count", str(min_count), expected="at least 1")
    if min_count > 1 and unit in ("byte", "bpe"):
        remedy = "leave it out" + (", or set vocab_size" if unit == "bpe" else "")
        raise ConfigError("min_count", f"unit {unit} does not count symbols", remedy=remedy)
    learnt = UNITS[unit]._learn((words.normal(text, form) for text in texts), size, min_count)
    learnt.form = form
    if len(learnt) <= least and learnt.unknown is not None:
        got, expected = f"{min_count}, which no {unit} of the text has", "a count that some have"
        raise ConfigError(
            "min_count", got, expected=expected, remedy="lower it, or use --unit char, byte or bpe"
        )
    return learnt


def learn_as(
    data: DataSettings, unit: str, texts: Iterable[str], *, size: int = 0, strict: bool = True
) -> Vocab:
    """Learn the vocabulary that the settings of the data describe.

    Args:
        data: the settings.
        unit: as of `learn`; the settings' own, or what a task takes for `auto`.
        texts: as of `learn`.
        size: in place of the settings' `vocab_size`; 0: that one.
        strict: whether a setting that the unit cannot have is an error. Else it is ignored: it may be meant
            for the input, which has another unit.

    Raises:
        ConfigError, DataError: as of `learn`.
    """
    count = data.min_count if strict or unit in ("char", "word") else 1
    size = size or (data.vocab_size if strict or unit != "byte" else 0)
    return learn(unit, texts, size=size, min_count=count, form=data.normal_form)


def to_text(vocab: Vocab) -> str:
    """The vocabulary as JSON: readable, one symbol a line; `from_text` reads it back."""
    form = {"form": vocab.form} if vocab.format > 1 else {}
    content = {"format": vocab.format, "unit": vocab.unit, **form, **vocab._content()}
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def from_text(text: str, where: object = "vocabulary") -> Vocab:
    """The vocabulary that `to_text` wrote.

    Args:
        text: the JSON.
        where: the path it came from, for errors.

    Raises:
        RunError: the text is damaged, or of a newer format.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        raise damaged(where, f"not valid JSON at line {line}, column {column}") from error
    if not isinstance(content, dict) or type(content.get("format")) is not int:
        raise damaged(where, "no entry 'format' with a number")
    if content["format"] > FORMAT:
        expected, remedy = f"at most format {FORMAT}", "update Elman (pip install -U elman)"
        raise RunError(where, f"format {content['format']}", expected=expected, remedy=remedy)
    if (unit := str(content.get("unit"))) not in UNITS:
        raise damaged(where, f"unknown unit {unit!r:.60}")
    if (form := str(content.get("form", "none"))) not in words.FORMS:
        raise damaged(where, f"unknown form {form!r:.60}")
    restored = UNITS[unit]._restore(content, where)
    restored.form = form
    return restored


class SymbolDecoder:
    """Turns symbols into text as they come; bytes that only begin a character wait for the rest of it.

    All that `feed` returned, and last what `flush` returned, is what `vocab.decode` gives for the whole.
    """

    def __init__(self, vocab: Vocab) -> None:
        self._pieces = vocab.pieces
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, number: int) -> str:
        """The text that this symbol completes, possibly none."""
        return self._utf8.decode(self._pieces[number])

    def flush(self) -> str:
        """What is left at the end: U+FFFD for a character that was never completed. Then it starts afresh."""
        rest = self._utf8.decode(b"", final=True)
        self._utf8.reset()
        return rest


def _frequent(texts: Iterable[Iterable[str]], size: int, min_count: int) -> list[str]:
    """The symbols, most frequent first, ties in their own order; at most `size` - 1, unless it is 0.

    Raises:
        DataError: there is no symbol, or one that is not a character.
    """
    counts: Counter[str] = Counter()
    for symbols in texts:
        counts.update(symbols)
    if not counts:
        raise empty()
    if half := next((symbol for symbol in counts if SURROGATE.search(symbol)), None):
        raise broken(half, "text")
    ranked = sorted(counts, key=lambda symbol: (-counts[symbol], symbol))
    kept = [symbol for symbol in ranked if counts[symbol] >= min_count]
    return kept[: size - 1] if size else kept


def _turned(word: str) -> str:
    """A word without the space before it, or with one."""
    return word[1:] if word.startswith(" ") else f" {word}"


def _symbols(content: dict[str, Any], where: object) -> list[str]:
    """The entry 'symbols', checked: different strings, none empty."""
    symbols = content.get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) and symbol for symbol in symbols):
        raise damaged(where, "no entry 'symbols' with a list of strings")
    if len(set(symbols)) != len(symbols) or any(map(SURROGATE.search, symbols)):
        raise damaged(where, "a symbol occurs twice, or is not a character")
    return symbols
