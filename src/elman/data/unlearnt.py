"""Known layouts of data that no task learns as they are: what they hold, and what to make of them."""

from __future__ import annotations

from typing import Any

from elman.core.errors import DataError
from elman.core.records import Record

_QUESTIONS = {"context", "question"}
_PAIR = "write a file with the columns source and target"


def check(first: Record) -> None:
    """See that the first record is not one of a layout that no task learns.

    Raises:
        DataError: it is; with what to write in its place.
    """
    names = {name.lower() for name in first.fields}
    values = [*first.fields.values()]
    if "paragraphs" in names or (names >= _QUESTIONS and any(name.startswith("answer") for name in names)):
        remedy = f"{_PAIR}: the question with its context, and the answer's text; then --task translate"
        raise _error(first, "answers that are marked in a context (SQuAD)", remedy)
    if any(_are_turns(value) for value in values):
        raise _error(first, "lists of messages", f"{_PAIR}, a turn and its answer in each row")
    if any(_are_marks(value) for value in values):
        remedy = "write the tokens and as many tags, such as B-PER and O, in each record"
        raise _error(first, "spans by the places of their characters", remedy)


def _error(first: Record, got: str, remedy: str) -> DataError:
    return DataError(first.where, got, expected="a layout that a task learns", remedy=remedy)


def _are_turns(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) and len(v) > 1 for v in value)


def _are_marks(value: Any) -> bool:
    """Whether that is a list of [start, end, name]."""
    return isinstance(value, list) and bool(value) and all(map(_is_mark, value))


def _is_mark(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(place, int) for place in value[:2])
        and isinstance(value[2], str)
    )
