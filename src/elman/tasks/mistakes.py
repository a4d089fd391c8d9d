"""The worst answers of a model, as a table of its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elman.core.errors import shortened
from elman.core.records import Example, Record
from elman.tasks.abilities import Mistake, PredictsRecords, ShowsMistakes
from elman.tasks.base import Task

TITLE = "most wrong"
"""What the table is called among the findings."""

_MOST = 8
_LONGEST = 80
"""Characters of a text in a cell, at most."""


def table(
    task: Task, examples: Sequence[Example], outputs: Sequence[Any], records: Sequence[Record] = ()
) -> list[list[object]]:
    """Return rows of the worst answers, the worst first, below a head; empty if all are right.

    Args:
        task: the task.
        examples: examples with targets.
        outputs: what was predicted, one for each.
        records: what the examples were made of, if known: the table then has the source of each mistake.
    """
    if not isinstance(task, ShowsMistakes) or not len(outputs):
        return []
    found = task.mistakes(examples, outputs, _MOST)
    if not found:
        return []
    told = isinstance(task, PredictsRecords) and len(records) == len(examples)
    if told:
        found = [one._replace(read=task.source_text(records[one.place]) or one.read) for one in found]
    read = any(one.read for one in found)
    head: list[object] = [*["where"] * told, *["read"] * read, "answer", "right", *found[0].numbers]
    return [head, *(_row(one, _place(records[one.place]) if told else "", read=read) for one in found)]


def _row(one: Mistake, where: str, *, read: bool) -> list[object]:
    texts = [where] * bool(where) + [one.read] * read + [one.answer, one.right]
    return [*(shortened(text, _LONGEST) for text in texts), *one.numbers.values()]


def _place(record: Record) -> str:
    """Return where a record came from: the file's name, with that of its folder, and the line."""
    return "/".join(Path(record.where).parts[-2:]) or record.where
