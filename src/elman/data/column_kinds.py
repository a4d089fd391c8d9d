"""Find columns that are not data: identifiers and row numbers, keys of other tables, times.

They are identified by their names and values: all different, counting, the same within a group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from elman.core.records import Record
from elman.data import times

_PROBED = 1000
"""Rows that are looked at."""

_COUNTED = 10
"""Rows that count up before a column without a telling name is taken for their number."""

_SURE = frozenset(("id", "ids", "uuid", "guid", "pk", "#"))
_LIKELY = frozenset(("idx", "index", "key", "no", "nr", "num", "row", "rownum", "rowid", "nummer"))
_COUNTERS = frozenset(("no", "nr", "num", "number", "idx", "index", "name", "code"))
_ANSWERS = frozenset(
    (
        "answer",
        "category",
        "class",
        "cluster",
        "intent",
        "label",
        "language",
        "target",
        "tag",
        "topic",
        "type",
    )
)

_TIME_WORDS = """
    cycle date datetime datum day ds elapsed epoch frame hour millis minute month ms period quarter sec second
    seconds step t tick time timestamp ts week year zeit
"""
_TIMES = frozenset(_TIME_WORDS.split())

_UNITS = frozenset(("s", "ms", "us", "ns", "utc", "sec", "seconds", "in"))
"""Words that may stand beside the word of a time: `time_s`."""

_GROUP_WORDS = """
    case conversation device dialog dialogue document drive engine episode experiment file flight machine
    meter participant patient person recording run sample sensor sentence seq sequence series session speaker
    rec station store subject track trajectory trial trip turbine unit user video
"""
_GROUPS = frozenset(_GROUP_WORDS.split())


def words(name: str) -> list[str]:
    """The words of a column's name, in lower case: `userId`, `user_id` and `User ID` have the same."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|#|[^\W\d_a-zA-Z]+", name)]


def is_key_name(name: str) -> bool:
    """Whether a name is that of a key: `id`, `user_id`, `Sentence #`; not of a class's, `class_id`."""
    found = words(name)
    return bool(found) and (found[-1] in _SURE or found[0] in _SURE) and _ANSWERS.isdisjoint(found)


def is_group_name(name: str) -> bool:
    """Whether a name is that of a key, or of something that has many rows: `subject`, `trial`, `session`."""
    found = words(name)
    while len(found) > 1 and found[-1] in _COUNTERS:
        del found[-1]
    return is_key_name(name) or (bool(found) and found[-1] in _GROUPS)


def is_time_name(name: str) -> bool:
    """Whether a name is that of a time: `date`, `t`, `time_ms`, `frame`."""
    found = [word for word in words(name) if word not in _UNITS] or words(name)
    return bool(found) and (found[-1] in _TIMES or (found[0] in _TIMES and len(found) == 1))


def keys(records: Sequence[Record], names: Iterable[str]) -> dict[str, str]:
    """Return the columns that are not data, each with what it is: "an identifier", "a time", ...

    A column is an identifier if its name says so: surely (`id`), or likely (`index`) where all its values are
    different whole numbers or words. It numbers the rows if it stands first or has no name, and counts up by
    1, or holds each number of a range once. It is a time if its name says so and its cells are dates.
    """
    head, places = records[:_PROBED], {name: place for place, name in enumerate(records[0].fields)}
    found = {name: _kind(name, [record.fields.get(name) for record in head], places[name]) for name in names}
    return {name: kind for name, kind in found.items() if kind}


def _kind(name: str, cells: Sequence[Any], place: int) -> str:
    if not all(cell is None or (isinstance(cell, str | int | float) and cell is not True) for cell in cells):
        return ""
    if is_key_name(name):
        return "an identifier"
    numbers = whole(cells)
    alone = len(set(map(str, cells))) == len(cells) > 1
    if alone and not _LIKELY.isdisjoint(words(name)) and (numbers or all(map(_is_word, cells))):
        return "an identifier"
    first = place == 0 or not name.strip() or name.startswith("Unnamed:")
    if first and len(numbers) >= _COUNTED and (counts(numbers) or _is_range(numbers)):
        return "the number of the row"
    dated = [times.resembles(cell) for cell in cells if cell not in (None, "")]
    is_one = bool(dated) and (all(dated) or times.holds_times(name, cells))
    return "a time" if is_time_name(name) and is_one else ""


def whole(cells: Sequence[Any]) -> list[int]:
    """The cells as whole numbers; none, if one is no such number."""
    try:
        numbers = [float(cell) for cell in cells]
        return [int(number) for number in numbers] if all(map(float.is_integer, numbers)) else []
    except (TypeError, ValueError, OverflowError):
        return []


def counts(numbers: Sequence[int]) -> bool:
    """Whether each number is one more than that before it."""
    return len(numbers) > 1 and all(b - a == 1 for a, b in pairwise(numbers))


def _is_range(numbers: Sequence[int]) -> bool:
    return 2 * _COUNTED <= len(numbers) == len(set(numbers)) == max(numbers) - min(numbers) + 1


def _is_word(cell: Any) -> bool:
    return isinstance(cell, str) and len(cell.split()) == 1


def is_row_name(cells: Sequence[Any]) -> bool:
    """Whether the cells are a word each, and all different, as the names of rows are."""
    return len(cells) > 1 and all(map(_is_word, cells)) and len(set(cells)) == len(cells)
