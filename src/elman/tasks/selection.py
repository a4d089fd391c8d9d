"""Records that cannot be used: left out and reported in their order, or the reason to refuse all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from elman.core import notes
from elman.core.errors import DataError
from elman.core.records import Example, Record
from elman.tasks.abilities import PredictsRecords
from elman.tasks.base import Purpose, Task

_TOLD = 3
"""Records that are named; the others are counted."""

_MOST = 200
"""Records that are found at fault one after the other, before it is given up."""

_Made = TypeVar("_Made")


def usable(
    records: Sequence[Record], faults: Mapping[int, DataError], use: str, *, strict: bool
) -> list[Record]:
    """Return the records without those at fault; report the first of these and their number.

    Args:
        records: all of them.
        faults: place among them -> what is wrong there.
        use: what they are for, in words.
        strict: whether one at fault is one too many.

    Raises:
        DataError: the first fault, if `strict`, or if it is that of more than half of the records.
    """
    if not faults:
        return list(records)
    found = [faults[place] for place in sorted(faults)]
    if strict or 2 * len(found) > len(records):
        raise found[0]
    named = "; ".join(f"{error.where}: {error.got}" for error in found[:_TOLD])
    more = f"; and {len(found) - _TOLD:,} more" if len(found) > _TOLD else ""
    count = f"{len(found):,} of {len(records):,} records {use}"
    notes.note(f"left out {count}: {named}{more} (--strict refuses them)")
    return [record for place, record in enumerate(records) if place not in faults]


def fitted(
    records: Sequence[Record], make: Callable[[Sequence[Record]], _Made], *, strict: bool
) -> tuple[_Made, list[Record]]:
    """Make something of training records; return it and the records used, without unreadable ones.

    Raises:
        DataError: as `usable`; or what is wrong is not one record.
    """
    left, faults = dict(enumerate(records)), dict[int, DataError]()
    while True:
        try:
            made = make(list(left.values()))
        except DataError as error:
            place = next((place for place, record in left.items() if _names(error, record)), None)
            if place is None or strict or len(faults) == _MOST or 2 * len(faults) + 2 > len(records):
                raise faults.get(min(faults, default=-1), error) from error
            faults[place] = error
            del left[place]
        else:
            return made, usable(records, faults, "to learn from", strict=strict)


def encoded(task: Task, records: Sequence[Record], use: Purpose, *, strict: bool) -> Sequence[Example]:
    """Encode the records, without those that the task cannot take.

    Raises:
        DataError: as `usable`; or the task's records are not examples each for itself.
    """
    try:
        return task.encode(records, use)
    except DataError:
        if strict or not isinstance(task, PredictsRecords):
            raise
    faults = dict[int, DataError]()
    for place, record in enumerate(records):
        try:
            task.encode([record], use)
        except DataError as error:
            faults[place] = error
    return task.encode(usable(records, faults, _USES[use], strict=strict), use)


_USES = {
    Purpose.TRAIN: "to learn from",
    Purpose.VALID: "to validate on",
    Purpose.TEST: "to test on",
    Purpose.SCORE: "to score",
    Purpose.PREDICT: "to predict for",
}


def checked(records: Sequence[Record], check: Callable[[Record], object]) -> dict[int, DataError]:
    """Return the places of the records that `check` raises an error for, and the errors."""
    faults = dict[int, DataError]()
    for place, record in enumerate(records):
        try:
            check(record)
        except DataError as error:
            faults[place] = error
    return faults


def _names(error: DataError, record: Record) -> bool:
    return error.where == record.where or error.where.endswith(f"(named in {record.where})")
