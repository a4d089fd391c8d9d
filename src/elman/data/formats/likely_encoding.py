"""Guess the encoding of bytes that are invalid in the given one: for the message only, not applied."""

from __future__ import annotations

import codecs
from operator import and_

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_PROBED = 1 << 20  # bytes
_IN_A_ROW = 0.5
"""Of the bytes beyond ASCII stand beside another one, from which on a text has no Latin alphabet."""

_CONTROLS = frozenset(range(0x80, 0xA0))
"""Control characters in ISO 8859-1, which no text has; in Windows-1252 quotes and dashes."""


def likely(data: bytes, named: str) -> str:
    """How to name the encoding that these bytes may have, such as `--encoding cp1252`.

    Args:
        data: of a text that is not of the encoding `named`.
        named: an encoding that Python knows.
    """
    return f"such as --encoding {_likely(data[:_PROBED], codecs.lookup(named).name)}"


def _likely(data: bytes, named: str) -> str:
    if mark := next((mark for mark in _MARKS if data.startswith(mark)), None):
        return _MARKS[mark]
    if named != "utf-8":
        return "utf-8"
    high = [byte >= 0x80 for byte in data]
    if sum(map(and_, high, high[1:])) > _IN_A_ROW * sum(high):
        return "cp1251 (Cyrillic), cp1253 (Greek), gb18030 (Chinese), shift-jis (Japanese) or euc-kr (Korean)"
    return "cp1252" if has_controls(data) else "latin-1"


def has_controls(data: bytes) -> bool:
    """Whether these bytes have some that are control characters in ISO 8859-1, and signs in Windows-1252."""
    return not _CONTROLS.isdisjoint(data)


def is_latin_1(name: str) -> bool:
    """Whether that is ISO 8859-1."""
    return codecs.lookup(name).name == "iso8859-1"
