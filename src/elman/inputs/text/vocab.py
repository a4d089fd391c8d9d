"""Symbols <-> numbers: the one place that knows what a model's symbols are.

A vocabulary knows its units (characters, bytes, words, subwords) and nothing of files, tasks or tensors.
Each symbol adds a fixed string of bytes to the text, its piece; so decoding is concatenation for every unit.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import io
import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, islice, repeat
from typing import Any, ClassVar, final

import numpy as np

from elman.core.errors import ConfigError, DataError, RunError, VocabError, nearest

FORMAT = 1
"""The number that `to_text` writes; a file with a higher one comes from a newer Elman."""

UNKNOWN = "<unk>"
BYTES = [bytes([value]) for value in range(256)]


class Vocab(ABC):
    """Symbols of one unit and their numbers, 0 to `len(vocab)` - 1.

    Attributes:
        unit: `char`, `byte`, `word` or `bpe`.
        pieces: the UTF-8 bytes that each symbol adds to the text; `b""` for `<unk>`.
        unknown: the number of `<unk>`, for what the vocabulary lacks; None where nothing can be lacking.
    """

    unit: ClassVar[str]
    pieces: list[bytes]
    unknown: int | None

    def __len__(self) -> int:
        """The number of symbols, `<unk>` among them."""
        return len(self.pieces)

    def encode(self, text: str, *, where: str = "text", strict: bool = False) -> np.ndarray:
        """The numbers of the symbols that `text` consists of, [T] int32; what is not known becomes `unknown`.

        Args:
            text: any text.
            where: what to call the text in an error: an option, a path.
            strict: raise at the first unknown symbol.

        Raises:
            VocabError: `strict` and a symbol is unknown, or the text is no Unicode (half a surrogate pair).
        """
        try:
            ids = self._ids(text)
        except UnicodeEncodeError as error:
            raise _broken(text, where) from error
        if strict and self.unknown is not None and (ids == self.unknown).any():
            raise self._stranger(text, int(np.argmax(ids == self.unknown)), where)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text that the symbols spell; invalid UTF-8 becomes U+FFFD, `<unk>` becomes nothing."""
        numbers = ids.tolist() if isinstance(ids, np.ndarray) else ids
        return b"".join([self.pieces[number] for number in numbers]).decode("utf-8", errors="replace")

    def describe(self, number: int) -> str:
        """A printable form of a symbol: `⏎` a newline, `␣` a space, `<0xC3>` part of a character."""
        if number == self.unknown:
            return UNKNOWN
        try:
            return "".join(map(_printable, self.pieces[number].decode("utf-8")))
        except UnicodeDecodeError:
            return "".join(f"<0x{byte:02X}>" for byte in self.pieces[number])

    def words(self, text: str) -> Sequence[str]:
        """The symbols of a text as strings, known or not; nothing for units to which nothing is unknown."""
        return () if self.unknown is None else self._split(text)

    def _stranger(self, text: str, index: int, where: str) -> VocabError:
        """The error that names the unknown symbol at `index` of `text`, and its place there."""
        symbols = self._split(text)
        name = _name(symbols[index], self.unit)
        place = _place(text, sum(map(len, islice(symbols, index))))
        return VocabError(
            where,
            f"{name} at {place} is not among the {len(self) - 1:,} that the model knows",
            remedy="leave it out, or train with --unit byte",
        )

    @abstractmethod
    def _ids(self, text: str) -> np.ndarray:
        """The numbers, [T] int32, of the symbols of `text`."""

    @abstractmethod
    def _split(self, text: str) -> Sequence[str]:
        """The symbols of `text` as strings; asked for only where one of them may be unknown."""

    @abstractmethod
    def _content(self) -> dict[str, Any]:
        """What `_restore` needs, in terms of JSON."""

    @classmethod
    @abstractmethod
    def _learn(cls, texts: Iterable[str], size: int, min_count: int) -> Vocab:
        """The vocabulary of these texts."""

    @classmethod
    @abstractmethod
    def _restore(cls, content: dict[str, Any], where: object) -> Vocab:
        """The vocabulary that wrote `content`; a RunError if that is damaged."""


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
            raise _damaged(where, "a symbol of more than one character")
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


# A word with the space before it and apostrophes within, a sign with the space before it, spaces but for the
# one that goes with the next word, a newline, tabs, any other white space: together, every character.
_WORD = re.compile(r" ?\w+(?:['’]\w+)*| ?[^\w\s]| +(?= \S)| +|\n|\t+|\s")


@final
class WordVocab(Vocab):
    """Words, most frequent first, after `<unk>`. A word carries the space before it, so no space is lost."""

    unit = "word"

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = list(symbols)
        self.pieces = [b"", *(symbol.encode() for symbol in symbols)]
        self.unknown = 0
        self._numbers = {symbol: number for number, symbol in enumerate(symbols, start=1)}

    @staticmethod
    def tokens(text: str) -> list[str]:
        """The words of any text, each of which `encode` gives one number."""
        return _WORD.findall(text)

    def _ids(self, text: str) -> np.ndarray:
        return np.fromiter(map(self._numbers.get, self._split(text), repeat(0)), np.int32)

    def _split(self, text: str) -> Sequence[str]:
        return self.tokens(text)

    def _content(self) -> dict[str, Any]:
        return {"symbols": self.symbols}

    @classmethod
    def _learn(cls, texts: Iterable[str], size: int, min_count: int) -> Vocab:
        return cls(_frequent(map(_WORD.findall, texts), size, min_count))

    @classmethod
    def _restore(cls, content: dict[str, Any], where: object) -> Vocab:
        return cls(_symbols(content, where))


SPACE = "\u2581"
"""How SentencePiece writes a space. A text that holds this very character gets it back: it goes as bytes."""

BPE_SIZE, BPE_LEAST = 2000, 260
# Written as bytes, between the stretches that SentencePiece encodes.
_SPLICED = re.compile(rb"(\n|\xe2\x96\x81)")
# No part of a learnt subword: SentencePiece keeps some of them for itself, and a subword ends with its line.
_UNTAUGHT = re.compile(f"[\0\n\r\t{SPACE}\u2585]+")
_COMMON = 0.9995  # of the text is written in characters and subwords; that is SentencePiece's own choice
_SENTENCE = 4096  # characters; the trainer cannot count beyond 65,535 in one word


@final
class BpeVocab(Vocab):
    """Byte-pair encoding by SentencePiece (Sennrich et al., 2016; Kudo and Richardson, 2018).

    The first 256 symbols are the bytes, for whatever the learnt subwords cannot write. So nothing is unknown,
    and every text comes back as it was.
    """

    unit = "bpe"

    def __init__(self, model: bytes) -> None:
        from sentencepiece import SentencePieceProcessor

        processor = SentencePieceProcessor()
        processor.LoadFromSerializedProto(model)
        # Symbol 0 of the model is its <unk>, needless beside the bytes: all numbers move down by one.
        names = [processor.IdToPiece(number) for number in range(1, processor.GetPieceSize())]
        self.pieces = BYTES + [name.replace(SPACE, " ").encode() for name in names[len(BYTES) :]]
        self.unknown = None
        self._model, self._processor = model, processor

    def _ids(self, text: str) -> np.ndarray:
        parts = _SPLICED.split(text.encode())
        # One by one: a list has threads started for it, which takes longer than a line.
        numbers: list[list[int]] = [self._processor.Encode(part, out_type=int) for part in parts]
        numbers[1::2] = [[byte + 1 for byte in part] for part in parts[1::2]]
        return np.fromiter(chain.from_iterable(numbers), np.int32) - np.int32(1)

    def _split(self, text: str) -> Sequence[str]:
        raise AssertionError("no subword is unknown")

    def _content(self) -> dict[str, Any]:
        return {"size": len(self), "model": base64.b64encode(self._model).decode()}

    @classmethod
    def _learn(cls, texts: Iterable[str], size: int, min_count: int) -> Vocab:
        size = size or BPE_SIZE
        if size < BPE_LEAST:
            raise ConfigError(
                "vocab_size",
                str(size),
                expected=f"at least {BPE_LEAST} for the unit bpe (256 bytes, and characters)",
                remedy="ask for more, or use --unit byte",
            )
        return cls(_train_bpe(_lines(texts), size))

    @classmethod
    def _restore(cls, content: dict[str, Any], where: object) -> Vocab:
        try:
            vocab = cls(base64.b64decode(content["model"], validate=True))
        except KeyError as error:
            raise _damaged(where, "no entry 'model'") from error
        except (TypeError, binascii.Error) as error:
            raise _damaged(where, "the model is not valid base64") from error
        except (RuntimeError, UnicodeDecodeError) as error:
            raise _damaged(where, "the model is not one of SentencePiece") from error
        if len(vocab) != content.get("size"):
            raise _damaged(where, f"the model has {len(vocab)} symbols, 'size' says {content.get('size')}")
        return vocab


UNITS: dict[str, type[Vocab]] = {cls.unit: cls for cls in (CharVocab, ByteVocab, WordVocab, BpeVocab)}


def learn(unit: str, texts: Iterable[str], *, size: int = 0, min_count: int = 1) -> Vocab:
    """The vocabulary of `texts`; the same texts give the same vocabulary.

    Args:
        unit: `char`, `byte`, `word` or `bpe`.
        texts: what to learn from; at least one character in all, except for `byte`.
        size: the most symbols to have, `<unk>` among them; the most frequent stay. 0: all of them, and 2,000
            for `bpe`. A text too small for that many subwords gives as many as it has.
        min_count: characters and words that occur less often than this are left out.

    Raises:
        ConfigError: an unknown unit, or a size or count that it cannot have.
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
    return UNITS[unit]._learn(texts, size, min_count)


def to_text(vocab: Vocab) -> str:
    """The vocabulary as JSON: readable, one symbol a line; `from_text` reads it back."""
    content = {"format": FORMAT, "unit": vocab.unit, **vocab._content()}
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
        raise _damaged(where, f"not valid JSON at line {line}, column {column}") from error
    if not isinstance(content, dict) or type(content.get("format")) is not int:
        raise _damaged(where, "no entry 'format' with a number")
    if content["format"] > FORMAT:
        expected, remedy = f"at most format {FORMAT}", "update Elman (pip install -U elman)"
        raise RunError(where, f"format {content['format']}", expected=expected, remedy=remedy)
    if (unit := str(content.get("unit"))) not in UNITS:
        raise _damaged(where, f"unknown unit {unit!r:.60}")
    return UNITS[unit]._restore(content, where)


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
    """The symbols, most frequent first, ties in their own order; at most `size` - 1, unless it is 0."""
    counts: Counter[str] = Counter()
    for symbols in texts:
        counts.update(symbols)
    if not counts:
        raise _empty()
    if broken := next((symbol for symbol in counts if _SURROGATE.search(symbol)), None):
        raise _broken(broken, "text")
    ranked = sorted(counts, key=lambda symbol: (-counts[symbol], symbol))
    kept = [symbol for symbol in ranked if counts[symbol] >= min_count]
    return kept[: size - 1] if size else kept


def _lines(texts: Iterable[str]) -> list[str]:
    """What subwords are learnt from: the stretches between newlines and what else stays bytes."""
    lines, some = [], False
    for text in texts:
        some = some or bool(text)
        if not text.isascii() and _SURROGATE.search(text):
            raise _broken(text, "text")
        lines += filter(None, _UNTAUGHT.split(text))
    if not some:
        raise _empty()
    return lines


def _sentences(lines: list[str], most: int) -> Iterator[str]:
    """The lines as the trainer bears them: of at most `most` different characters, none too long.

    It fails where the characters leave no room for subwords; rare ones are as well written in bytes.
    """
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line)
    ranked = sorted(counts, key=lambda char: (-counts[char], char))
    sums = accumulate((counts[char] for char in ranked[: most - 1]), initial=0)
    kept = sum(before < _COMMON * counts.total() for before in sums)
    rare = dict.fromkeys(map(ord, ranked[kept:]), "\n")
    for line in chain.from_iterable(line.translate(rare).split("\n") for line in lines):
        yield from (line[start : start + _SENTENCE] for start in range(0, len(line), _SENTENCE))


def _train_bpe(lines: list[str], size: int) -> bytes:
    """A SentencePiece model, serialized, of at most `size` symbols and its <unk>."""
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    SentencePieceTrainer.Train(
        sentence_iterator=_sentences(lines or [" "], (size - len(BYTES)) // 2),
        model_writer=model,
        model_type="bpe",
        vocab_size=size + 1,
        hard_vocab_limit=False,
        character_coverage=1.0,
        required_chars=SPACE,  # a space has no byte to fall back on, being written as another character
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        max_sentence_length=4 * _SENTENCE,
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        minloglevel=2,
    )
    return model.getvalue()


def _symbols(content: dict[str, Any], where: object) -> list[str]:
    """The entry 'symbols', checked: different strings, none empty."""
    symbols = content.get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) and symbol for symbol in symbols):
        raise _damaged(where, "no entry 'symbols' with a list of strings")
    if len(set(symbols)) != len(symbols) or any(map(_SURROGATE.search, symbols)):
        raise _damaged(where, "a symbol occurs twice, or is not a character")
    return symbols


_SURROGATE = re.compile("[\ud800-\udfff]")


def _printable(char: str) -> str:
    special = {"\n": "⏎", " ": "␣"}.get(char)
    return special or (char if char.isprintable() else char.encode("unicode_escape").decode())


def _name(symbol: str, unit: str) -> str:
    """`character 'é' (U+00E9)`, or `word 'élan'`; a word without the space that it carries."""
    bare = symbol.strip() or symbol
    code = f" (U+{ord(bare):04X})" if len(bare) == 1 else ""
    return f"{'character' if unit == 'char' else unit} {bare!r}{code}"


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"


def _broken(text: str, where: str) -> VocabError:
    """A lone surrogate: what Python makes of a byte on the command line that is not valid UTF-8."""
    found = _SURROGATE.search(text)
    assert found is not None
    got = f"U+{ord(found[0]):04X} at {_place(text, found.start())} is a lone surrogate, not a character"
    return VocabError(where, got, remedy="give the text as UTF-8")


def _empty() -> DataError:
    return DataError(
        "text", "empty, nothing to learn symbols from", remedy="give a text of at least one character"
    )


def _damaged(where: object, how: str) -> RunError:
    return RunError(
        where, f"the vocabulary is damaged: {how}", remedy="restore it from a copy, or train anew"
    )
