"""Text as it comes, piece by piece: the symbols that are whole, whatever comes after them."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from elman.core import json_schema
from elman.core.errors import DataError
from elman.inputs.incremental import IncrementalEncoder
from elman.inputs.text.char_ngrams import CharNGramVocab
from elman.inputs.text.vocab import Vocab, WordVocab

_LONGEST = 1 << 16
"""Characters, at most, that wait for the end of a word or of a space; memory is bounded by them."""

_WHERE = "a piece of text"


class _TextKept(NamedTuple):
    held: Annotated[str, ("maxLength", _LONGEST)]
    begun: bool


@final
class TextEncoder(IncrementalEncoder):
    """The symbols of a text that comes in pieces.

    Characters and bytes are whole at once: a mark that comes in another piece than its letter is not composed
    with it. A word is whole when something follows that is not part of it; a subword when the space or
    the line's end after its word has come.

    Args:
        symbols: the vocabulary.
        lower: whether capitals become small letters.
        value: whether the text is read as `Text` reads a value: of words, a space is put before the first one
            and left out after the last one; and an empty text is one unknown symbol.
        spelled: the characters of words that stand beside their numbers, if there are any.

    Attributes:
        pending: the text that is not whole yet.
    """

    def __init__(
        self,
        symbols: Vocab,
        *,
        lower: bool = False,
        value: bool = False,
        spelled: CharNGramVocab | None = None,
    ) -> None:
        self._vocab, self._lower, self._value, self._spelled = symbols, lower, value, spelled
        self._apart = symbols.unit in ("word", "bpe")
        self._numbers = _numbers(symbols) if spelled is None else {}
        self.pending, self._begun = "", False

    def encode_step(self, x: Any) -> int | Tensor:
        """See `IncrementalEncoder`: the text of a symbol, that of a word with or without its space, or its
        number.
        """
        if type(x) is str and not self.pending and (number := self._numbers.get(x)) is not None:
            self._begun = True
            return number
        number = self._other(x)
        self._begun = True
        return number

    def encode(self, chunk: Any) -> Tensor:
        if not isinstance(chunk, str):
            raise DataError(_WHERE, type(chunk).__name__, expected="a text")
        text, begun = self.pending + chunk, self._begun
        if self._value and self._apart and not begun:
            bare = text.lstrip()
            text = f" {bare}" if bare else ""
        end = self._end(text)
        if len(text) - end > _LONGEST:
            got, remedy = f"{len(text) - end:,} characters without the end of a word", "finish() the stream"
            raise DataError(_WHERE, got, expected=f"at most {_LONGEST:,}", remedy=remedy)
        found = self._encoded(text[:end])
        self.pending, self._begun = text[end:], begun or bool(text)
        return found

    def flush(self) -> Tensor:
        rest = self.pending.rstrip() if self._value else self.pending
        found = self._encoded(rest)
        if self._value and not self._begun:
            found = self._unknown()
        self.pending, self._begun = "", False
        return found

    def content(self) -> dict[str, Any]:
        return {"held": self.pending, "begun": self._begun}

    def restore(self, content: dict[str, Any]) -> None:
        self.pending, self._begun = json_schema.build(_TextKept, content)

    def _encoded(self, text: str) -> Tensor:
        """Symbols [n], or [n, 1 + C] with their characters, of a text that is whole."""
        text = self._vocab.normal(text.lower() if self._lower else text)
        found = torch.from_numpy(self._vocab.encode(text, where=_WHERE).astype(np.int64))
        return found if self._spelled is None else self._with_characters(found, self._tokens(text))

    def _tokens(self, text: str) -> list[str]:
        assert isinstance(self._vocab, WordVocab)
        return self._vocab.tokens(text)

    def _unknown(self) -> Tensor:
        found = torch.full((1,), self._vocab.unknown or 0)
        return found if self._spelled is None else self._with_characters(found, [" "])

    def _with_characters(self, found: Tensor, words: list[str]) -> Tensor:
        assert self._spelled is not None
        characters = torch.from_numpy(self._spelled.encode(words or [" "], _WHERE)).long()[: len(found)]
        return torch.cat([found[:, None], characters], 1)

    def _other(self, x: Any) -> int | Tensor:
        """Return the number of a text that is not a symbol as it stands."""
        if self.pending:
            got, remedy = (
                f"{x!r:.40} after {self.pending!r:.40}, a part of a word",
                "feed(...) it, or finish()",
            )
            raise DataError("a step of text", got, expected="a symbol after whole ones", remedy=remedy)
        if isinstance(x, int) and 0 <= x < len(self._vocab) and self._spelled is None:
            return x
        spaced = f" {x}"
        if self._apart and spaced in self._numbers:
            return self._numbers[spaced]
        found = self._encoded(x) if isinstance(x, str) else torch.empty(0)
        if len(found) != 1:
            got = f"{x!r:.40}" + (f", {len(found)} symbols" if len(found) else "")
            remedy = "feed(...) takes texts of any length"
            raise DataError("a step of text", got, expected=f"one {self._vocab.unit}", remedy=remedy)
        return int(found[0]) if self._spelled is None else found[0]

    def _end(self, text: str) -> int:
        """How much of a text is whole, whatever comes after it."""
        if not self._apart:
            return len(text)
        bare = len(text.rstrip())
        if self._value and bare < len(text):  # spaces at the end are left out, if nothing follows
            return bare
        line = text.rfind("\n") + 1
        if self._vocab.unit == "bpe":
            return max(text.rfind(" "), line)
        # A sign and a letter may join the word before them: "it", "'" and "s" are one.
        return len(text) - sum(map(len, self._tokens(text[line:])[-2:]))


def _numbers(symbols: Vocab) -> dict[Any, int]:
    """The text of each symbol that has one of its own -> its number."""
    found: dict[Any, int] = {}
    for number, piece in enumerate(symbols.pieces):
        text = piece.decode("utf-8", "replace")
        if text and text.encode() == piece:
            found[text] = number
    return found
