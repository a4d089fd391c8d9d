"""What is known beside a series, as numbers: columns of numbers standardised, columns of text one-hot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from elman.core.errors import DataError
from elman.data.formats.base import float32
from elman.tasks.forecast.column_roles import is_number, no_number

_MOST_KINDS = 100


@final
@dataclass(frozen=True)
class Coding:
    """How a column becomes channels.

    Args:
        column: its name.
        kinds: the texts that it holds, a channel each; none, if it holds numbers.
        mean, std: of its numbers.
    """

    column: str
    kinds: tuple[str, ...] = ()
    mean: float = 0.0
    std: float = 1.0

    @property
    def channels(self) -> int:
        """How many channels it makes."""
        return len(self.kinds) or 1

    def encode(self, cells: Sequence[object], where: str) -> np.ndarray:
        """Cells as channels: [T, channels] float32; 0 where a number is missing or a text unknown.

        Raises:
            DataError: a text where there were numbers.
        """
        if self.kinds:
            found = [[float(str(cell) == kind) for kind in self.kinds] for cell in cells]
            return np.array(found, np.float32).reshape(len(cells), self.channels)
        numbers = [(_number(cell, self.column, where) - self.mean) / self.std for cell in cells]
        return np.nan_to_num(float32(numbers))[:, None]

    def lacks(self, cell: object) -> bool:
        """Whether a cell holds nothing for this column."""
        return cell is None if self.kinds else no_number(cell)


def learn(column: str, cells: Sequence[object], where: str) -> Coding:
    """Learn a column's coding from its cells in the training part: text, if one cell is not a number.

    Raises:
        DataError: too many different texts.
    """
    there = [cell for cell in cells if cell is not None]
    if all(is_number(cell) or no_number(cell) for cell in there):
        numbers = np.array([_number(cell, column, where) for cell in there if not no_number(cell)] or [0.0])
        off = numbers - numbers[0]  # exactly 0 where nothing changes
        return Coding(column, (), float(numbers[0] + off.mean()), float(off.std()) or 1.0)
    kinds = tuple(sorted({str(cell) for cell in there}))
    if len(kinds) > _MOST_KINDS:
        got = f"{len(kinds)} different texts in column {column!r}"
        raise DataError(where, got, expected=f"numbers, or {_MOST_KINDS} texts at most")
    return Coding(column, kinds)


def _number(cell: object, column: str, where: str) -> float:
    if no_number(cell):
        return math.nan
    if not is_number(cell) or not math.isfinite(float(cell)):  # pyrefly: ignore[bad-argument-type]
        raise DataError(where, f"{cell!r} in column {column!r}", expected="a number")
    return float(cell)  # pyrefly: ignore[bad-argument-type]
