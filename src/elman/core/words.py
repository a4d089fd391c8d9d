"""What a word is: the boundaries of Unicode (UAX 29), with the space before a word as a part of it.

Thai, Lao, Khmer and Burmese, whose words nothing parts, are the one tailoring, which that annex asks for: a
stretch of their letters is one word, in place of one for each letter.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

FORMS = ("nfc", "nfkc", "none")
"""How a text is normalised: composed, composed by compatibility (UAX 15), or as it is."""

APOSTROPHES = "'’"
"""Signs after which a word that is being written goes on; others end it, whatever may follow."""

_MARKS = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]*+"
_HEBREW = rf"\p{{WB=Hebrew_Letter}}{_MARKS}"
_LETTER = (
    rf"(?:[\p{{WB=ALetter}}\p{{LB=SA}}]{_MARKS}"
    rf"|{_HEBREW}(?:\p{{WB=Single_Quote}}{_MARKS}|\p{{WB=Double_Quote}}{_MARKS}(?={_HEBREW}))?+)"
)
_DIGIT = rf"\p{{WB=Numeric}}{_MARKS}"
_KATAKANA = rf"\p{{WB=Katakana}}{_MARKS}"
_BETWEEN_LETTERS = rf"[\p{{WB=MidLetter}}\p{{WB=MidNumLet}}\p{{WB=Single_Quote}}]{_MARKS}"
_BETWEEN_DIGITS = rf"[\p{{WB=MidNum}}\p{{WB=MidNumLet}}\p{{WB=Single_Quote}}]{_MARKS}"
_JOINER = rf"\p{{WB=ExtendNumLet}}{_MARKS}"
_UNDERSCORE = rf"(?:(?!\s){_JOINER})"  # not the narrow space, which joins in the middle alone


def _word(letters: str, digits: str) -> str:
    """Return the pattern of a word, given what may stand between two of its letters, and of its digits."""
    run = (
        rf"(?:(?:{_LETTER}(?:(?:{letters})?{_LETTER})*+|{_DIGIT}(?:(?:{digits})?{_DIGIT})*+)++"
        rf"|(?:{_KATAKANA})++)"
    )
    joined = rf"{_UNDERSCORE}*+{run}(?:(?:{_UNDERSCORE}++|{_JOINER}){run})*+{_UNDERSCORE}*+"
    return rf"(?:{joined}|{_UNDERSCORE}++)"


_WORD = _word(_BETWEEN_LETTERS, _BETWEEN_DIGITS)
_WRITTEN = _word(rf"[{APOSTROPHES}]{_MARKS}", rf"[{APOSTROPHES}]{_MARKS}")
_GAPS = rf" +(?= \S)| +|\n|\t+|\u202f{_MARKS}|\s"  # a narrow space with its marks, which may join
# A word or a sign with the space before it, spaces but for the one that goes with the next word, a newline,
# tabs, any other white space: together, every character.
_TOKEN = rf" ?{_WORD}| ?(?!\s)\X|{_GAPS}"
_LEADING = rf" ?(?:{_WRITTEN}|\w{_MARKS})"
_TRAILING = rf" ?{_WRITTEN}[{APOSTROPHES}]?\Z| ?\Z"

_KINDS = {
    "a": r"[\p{WB=ALetter}\p{LB=SA}]",
    "א": r"\p{WB=Hebrew_Letter}",
    "1": r"\p{WB=Numeric}",
    "ア": r"\p{WB=Katakana}",
    "_": r"_",
}


@cache
def _compiled(pattern: str) -> Any:
    # The table of word breaks is not in Python's `unicodedata`; `regex` has that of the newest Unicode.
    import regex

    return regex.compile(pattern, regex.VERSION1)


def tokens(text: str) -> list[str]:
    """Split a text into words, signs and spaces: joined, they are the text."""
    return _compiled(_TOKEN).findall(text)


def leading(text: str) -> str:
    """Return the word that a text begins with, after its space; if there is none, that space or nothing.

    It is a word as it is written: no sign but an apostrophe is within it.
    """
    found = _compiled(_LEADING).match(text)
    return found[0] if found else text[: text.startswith(" ")]


def begun(text: str) -> str:
    """Return the word that may go on at the end of a text, after its space; that space, or nothing."""
    return _compiled(_TRAILING).search(text, text.rfind("\n") + 1)[0]


def alike(char: str) -> str:
    """Return a character after which words go on as after `char`; the same one for very many."""
    return next((own for own, kind in _KINDS.items() if _compiled(kind).match(char)), "我")


def normal(text: str, form: str) -> str:
    """Return the text in one of `FORMS`."""
    if form == "none" or text.isascii():
        return text
    return unicodedata.normalize("NFC" if form == "nfc" else "NFKC", text)
