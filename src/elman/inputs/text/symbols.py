"""The contract of a vocabulary: symbols of one unit and their numbers; and errors for texts with others."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from elman.core import words
from elman.core.errors import DataError, RunError, VocabError

UNKNOWN = "<unk>"
BYTES = [bytes([value]) for value in range(256)]


class Vocab(ABC):
    """Symbols of one unit and their numbers, 0 to `len(vocab)` - 1.

    Attributes:
        unit: `char`, `byte`, `word` or `bpe`.
        pieces: the UTF-8 bytes that each symbol adds to the text; `b""` for `<unk>`.
        unknown: the number of `<unk>`, for what the vocabulary lacks; None where nothing can be lacking.
        form: how texts are normalised, one of `elman.core.words.FORMS`.
    """

    unit: ClassVar[str]
    pieces: list[bytes]
    unknown: int | None
    form: str = "none"

    @property
    def format(self) -> int:
        """Which of the formats of `elman.inputs.text.vocab` it is written in."""
        return 1 if self.form == "none" else 2

    def __len__(self) -> int:
        """The number of symbols, `<unk>` among them."""
        return len(self.pieces)

    def encode(
        self, text: str, *, where: str = "text", strict: bool = False, near: bool = False
    ) -> np.ndarray:
        """The numbers of the symbols that `text` consists of, [T] int32; what is not known becomes `unknown`.

        Args:
            text: any text.
            where: what to call the text in an error: an option, a path.
            strict: raise at the first unknown symbol.
            near: take a word with a space before it for the one without, and the other way, where only that
                is known.

        Raises:
            VocabError: `strict` and a symbol is unknown, or the text is not valid Unicode (half a surrogate
                pair).
        """
        if not text.isascii() and SURROGATE.search(text):
            raise broken(text, where)
        text = self.normal(text)
        ids = self._ids_near(text) if near else self._ids(text)
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
        return () if self.unknown is None else self._split(self.normal(text))

    def normal(self, text: str) -> str:
        """The text as it is encoded: normalised."""
        return words.normal(text, self.form)

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

    def _ids_near(self, text: str) -> np.ndarray:
        """The numbers, where a space before a word makes no difference if it has to."""
        return self._ids(text)

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


SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which is not a character."""


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


def broken(text: str, where: str) -> VocabError:
    """The error of a lone surrogate, which Python makes of a byte that is not valid UTF-8."""
    found = SURROGATE.search(text)
    assert found is not None
    got = f"U+{ord(found[0]):04X} at {_place(text, found.start())} is a lone surrogate, not a character"
    return VocabError(where, got, remedy="give the text as UTF-8")


def empty() -> DataError:
    """The error of texts without a character."""
    return DataError(
        "text", "empty, nothing to learn symbols from", remedy="give a text of at least one character"
    )


def damaged(where: object, how: str) -> RunError:
    """The error of a vocabulary that cannot be read back."""
    return RunError(
        where, f"the vocabulary is damaged: {how}", remedy="restore it from a copy, or train anew"
    )
