"""Targets of the steps of records: lists, arrays, or files of arrays beside those that are read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data import long_tables
from elman.data.columns import INPUTS, TARGETS, Columns
from elman.data.formats.base import read_array
from elman.inputs import base
from elman.tasks.label.targets import StepCells

_INPUTS = frozenset((*INPUTS, "inputs", "input", "features", "x", "signal"))
_TARGETS = frozenset((*TARGETS, "targets"))


def of(chosen: Columns, record: Record) -> StepCells:
    """The targets of a record's steps; a missing entry is None.

    Raises:
        DataError: the column is not there, or holds no list.
    """
    value = chosen.wanted(record)
    if isinstance(value, str) and Path(value).suffix.lower() == ".npy":
        value = read_array(base.beside(record.where, value))
    if isinstance(value, np.ndarray):
        value = value.squeeze().tolist() if value.ndim > 1 else value.tolist()
    if not isinstance(value, list | tuple) or any(isinstance(cell, list) for cell in value):
        expected = "a list, with a class or a number for each step"
        remedy = "name another column with --target; one answer to a whole sequence is another task"
        raise DataError(
            record.where, f"{value!r:.60} in column {chosen.target!r}", expected=expected, remedy=remedy
        )
    return StepCells([None if _is_nan(cell) else cell for cell in value], record.where)


def are_in_step(record: Record) -> bool:
    """Whether a record has a list of steps and a list of as many classes or numbers, by their usual names."""
    small = {name.lower(): value for name, value in record.fields.items()}
    read = next((small[name] for name in small if name in _INPUTS), None)
    wanted = next((small[name] for name in small if name in _TARGETS), None)
    if not all(isinstance(value, list | np.ndarray) and len(value) > 1 for value in (read, wanted)):
        return False
    assert read is not None
    assert wanted is not None
    vectors = isinstance(read[0], list | np.ndarray) and not isinstance(wanted[0], list | np.ndarray)
    return vectors and len(read) == len(wanted)


def part(record: Record, chosen: Columns, start: int, stop: int) -> Record:
    """The steps of a record from `start` to before `stop`.

    Raises:
        DataError: it names files, which are not cut.
    """
    if table := long_tables.of(record):
        return table.part(record, start, stop)
    read, wanted = chosen.read(record), chosen.wanted(record)
    if isinstance(read, str) or isinstance(wanted, str):
        got, remedy = "one sequence, in a file of its own", "give a file of steps to --valid and --test"
        raise DataError(record.where, got, expected="several sequences", remedy=remedy)
    fields = {chosen.input: read[start:stop], chosen.target: wanted[start:stop]}
    return Record({**record.fields, **fields}, record.where)


def lengths(records: Sequence[Record], chosen: Columns) -> list[int]:
    """How many steps records have, as their targets tell."""
    return [len(of(chosen, record).cells) for record in records]


def _is_nan(cell: Any) -> bool:
    return isinstance(cell, float) and math.isnan(cell)
