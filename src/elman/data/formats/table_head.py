"""Decide whether a table has a header row: as the user states, or inferred from the rows below it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from elman.data import times
from elman.data.cells import is_number
from elman.data.formats.base import ReadingHints

# Shares, ranges, and numbers such as 1,234.5.
_AMOUNT = re.compile(r"[+-]?(?=.*\d)[\d.][\d.,:/\s+-]*%?")
_WORD = re.compile(r"[^\W\d_]{3}")
_MISSING = {"na", "n/a", "nan", "null", "none", "?", "-", "."}

# Names that a column has and a cell hardly ever.
_USUAL_NAMES = """
    audio category class class_name content date datetime description digit ds feature features file filename
    id image index input label labels lang language name output path picture review score sentence sequence
    series source speaker split tag tags target text time timestamp title token tokens transcript translation
    unique_id value word words x y
"""
_USUAL = frozenset(_USUAL_NAMES.split())

# Words that names are made of, but cells too: they tell where all of the line is made of such.
_USUAL_WORDS = """
    answer article author body choice code column comment completion context conversation count data day
    dialogue document email emotion en fr de es en_us genre group hypothesis intent item key keyword lemma
    line message month no nr number of original paragraph phrase plural pos premise prompt query question
    rating reference reply response sent sentiment singular src stars step subject summary the tgt topic
    trg tweet type unit user username utterance year
    arabic basque bengali bulgarian catalan chinese croatian czech danish dutch english estonian farsi finnish
    french gaelic galician georgian german greek hebrew hindi hungarian icelandic indonesian irish italian
    japanese korean latin latvian lithuanian maltese mandarin norwegian persian polish portuguese romanian
    russian serbian slovak slovenian spanish swahili swedish tagalog tamil thai turkish ukrainian urdu
    vietnamese welsh
"""
_WORDS = _USUAL | frozenset(_USUAL_WORDS.split())

_NUMBERED = re.compile(
    r"(?:[a-z]|ch|col|column|dim|feat|field|value|var|channel|attr|attribute|unnamed)[\s_:.-]*\d+",
    re.IGNORECASE,
)
_JOINED = re.compile(r"[A-Za-z]+(?:_[A-Za-z]+)+")


def is_head(first: Sequence[str], below: Sequence[Sequence[str]], hints: ReadingHints) -> bool:
    """Whether the first row names the columns: as given, else inferred from the rows below it.

    - As `hints.header` says; yes, if it holds a name of `hints.names`.
    - Yes, if it counts on, as years do (name, 1960, 1961, 1962), and most rows below it do not.
    - Not, if one of its cells is a number or a date, marks what is missing (NA, ?, ...), or is found again
      below it in its column.
    - Else yes, if a column below a name holds numbers or dates.
    - Else not, if a column without a name, but for the first, is mostly filled.
    - Else yes, if all its cells are such as columns are called: of words like text, English, question;
      numbered (v1); joined (comment_text).
    - Else only if its cells differ, and one of these is so: the first is empty (above the rows' own names);
      one is a usual name of a column (text, label, path, ...); they are short names above longer text; a
      column below holds few values, again and again, and its head is none of them.
    """
    if hints.header != "auto":
        return hints.header == "yes"
    if not _folded(hints.names).isdisjoint(_folded(first)):
        return True
    if _is_scale(first, below):
        return True
    columns = list(zip(*below, strict=True)) or [() for _ in first]
    pairs = [(name, column) for name, column in zip(first, columns, strict=True) if name]
    if any(_is_value(name) or name in column for name, column in pairs):
        return False
    if any(any(column) and all(map(_is_value, filter(None, column))) for _, column in pairs):
        return True
    unnamed = [column for name, column in zip(first[1:], columns[1:], strict=True) if not name]
    if not pairs or any(2 * sum(map(bool, column)) >= len(column) for column in unnamed):
        return False
    differ = len({name for name, _ in pairs}) == len(pairs)
    return _are_names(pairs) or (differ and _is_header(first, columns, pairs))


def _folded(names: Iterable[str]) -> set[str]:
    return {name.casefold() for name in names}


def _is_header(
    first: Sequence[str], columns: Sequence[Sequence[str]], pairs: Sequence[tuple[str, Sequence[str]]]
) -> bool:
    """Whether a name is a usual one, or a column is of another kind than its name."""
    usual = any(name.lower() in _USUAL for name in first) or (not first[0] and any(columns[0]))
    return usual or _are_short_above_long(pairs) or any(_is_choice(column) for _, column in pairs)


def _are_names(pairs: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Whether all names are such as columns are called, and the cells below one of them are not."""
    for alike in (_is_of_words, _NUMBERED.fullmatch, _JOINED.fullmatch):
        if all(alike(name) for name, _ in pairs):
            return any(2 * sum(map(bool, map(alike, column))) <= len(column) for _, column in pairs)
    return False


def _is_of_words(name: str) -> bool:
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    return bool(words) and all(word in _WORDS or word.removesuffix("s") in _WORDS for word in words)


def _is_value(cell: str) -> bool:
    if cell.lower() in _MISSING or is_number(cell) or _AMOUNT.fullmatch(cell) is not None:
        return True
    return _WORD.search(cell) is None and times.resembles(cell)  # "May 2020" may be a name


def counts_on(row: Sequence[str], most: int) -> bool:
    """Whether at least this many cells are values, and count on: 1960, 1961, 1962; or dates, each later."""
    values = [cell for cell in row if _is_value(cell)]
    try:
        numbers = [float(cell) for cell in values]
    except ValueError:
        dates = [cell for cell in values if times.is_date(cell)]
        return len(dates) == len(values) >= most and dates == sorted(set(dates))
    steps = {b - a for a, b in pairwise(numbers)}
    return len(numbers) >= most and len(steps) == 1 and min(steps) > 0


def _is_scale(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has the steps of the rows below it, most of which do not count on as it does."""
    named = any(cell and not _is_value(cell) for cell in first)
    if not below or not counts_on(first, 3 if named else 5):
        return False
    return 2 * sum(counts_on(row, 3) for row in below) < len(below)


def _are_short_above_long(pairs: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Whether all names are of one word or two, and most cells of a column are longer."""
    if not all(len(name) <= 30 and len(name.split()) <= 2 for name, _ in pairs):
        return False
    return any(2 * sum(len(cell.split()) > 3 for cell in column) > len(column) for _, column in pairs)


def _is_choice(column: Sequence[str]) -> bool:
    return len(column) >= 10 and 3 * len(set(column)) <= len(column)
