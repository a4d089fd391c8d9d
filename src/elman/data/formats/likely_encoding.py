"""Guess the encoding of bytes: to read them by, or to advise where another one was named."""

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
_WIDE = 1 << 12  # bytes that tell whether every other one is zero
AUTO = "auto"
"""In place of a name: guess it."""

_IN_A_ROW = 0.5
"""Of the bytes beyond ASCII stand beside another one, from which on a text has no Latin alphabet."""

_UNUSED = b"\x81\x8d\x8f\x90\x9d"
"""Bytes that Windows-1252 leaves out."""

_CONTROLS = frozenset(range(0x80, 0xA0))
"""Control characters in ISO 8859-1, which no text has; in Windows-1252 quotes and dashes."""


def guess(data: bytes) -> str:
    """The encoding of a text: by its mark, else UTF-8, else UTF-16 by its zero bytes, else Windows-1252.

    UTF-8, too, where nothing is likely: its decoder tells the first wrong byte.

    Args:
        data: all bytes, or the first ones, without a cut symbol at their end.
    """
    if wide := wide_name(data):
        return wide
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "utf-8" if _is_damaged(data) or not _is_latin(data) else "cp1252"
    return "utf-8"


def wide_name(data: bytes) -> str:
    """The name of UTF-16 or UTF-32, if their mark is there, or zeros at every other byte alone; else ""."""
    if mark := next((mark for mark in _MARKS if data.startswith(mark)), None):
        return _MARKS[mark]
    begin = data[:_WIDE]
    low, high = begin[::2].count(0), begin[1::2].count(0)
    if len(begin) < 4 or min(low, high) or 4 * max(low, high) < len(begin):
        return ""
    return "utf-16-le" if high else "utf-16-be"


def as_utf8(data: bytes) -> bytes:
    """The first bytes of a file as UTF-8, if they are UTF-16 or UTF-32; else as they are."""
    if wide := wide_name(data):
        return data.decode(wide, "ignore").removeprefix("\ufeff").encode("utf-8", "ignore")
    return data


def _is_damaged(data: bytes) -> bool:
    """Whether most of what is not ASCII is UTF-8."""
    text = data.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    return sum(not sign.isascii() for sign in text) > 2 * wrong > 0


def _is_latin(data: bytes) -> bool:
    """Whether these bytes may be Windows-1252: few beyond ASCII in a row, and none that it lacks."""
    return not (_are_in_a_row(data[:_PROBED]) or data.translate(None, _UNUSED) != data)


def likely(data: bytes, named: str) -> str:
    """What to do about bytes of another encoding, such as to name that: `--encoding cp1252`.

    Args:
        data: of a text that is not of the encoding `named`.
        named: an encoding that Python knows.
    """
    known = codecs.lookup(named).name
    if known == "utf-8" and _is_damaged(data):
        return "mend it: all else is UTF-8"
    return f"name the encoding it has, such as --encoding {_likely(data[:_PROBED], known)}"


def _likely(data: bytes, named: str) -> str:
    if mark := next((mark for mark in _MARKS if data.startswith(mark)), None):
        return _MARKS[mark]
    if named != "utf-8":
        return "utf-8"
    if _are_in_a_row(data):
        return "cp1251 (Cyrillic), cp1253 (Greek), gb18030 (Chinese), shift-jis (Japanese) or euc-kr (Korean)"
    return "cp1252" if has_controls(data) else "latin-1"


def _are_in_a_row(data: bytes) -> bool:
    high = [byte >= 0x80 for byte in data]
    return sum(map(and_, high, high[1:])) > _IN_A_ROW * sum(high)


def has_controls(data: bytes) -> bool:
    """Whether these bytes have some that are control characters in ISO 8859-1, and signs in Windows-1252."""
    return not _CONTROLS.isdisjoint(data)


def is_latin_1(name: str) -> bool:
    """Whether that is ISO 8859-1."""
    return codecs.lookup(name).name == "iso8859-1"
