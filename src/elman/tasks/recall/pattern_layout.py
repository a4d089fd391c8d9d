"""Patterns as records have them become rows of numbers from -1, the lowest, to 1, the highest; and back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from elman.core.errors import DataError, nearest
from elman.core.records import Record
from elman.core.run_config import DataSettings
from elman.data.cells import is_number
from elman.data.formats.base import float32, read_array
from elman.inputs.base import beside, named_in
from elman.inputs.signals import images

ALL = "*"
"""The name for all columns but that of the names, if they are numbers."""

_PATTERNS = ("pattern", "picture", "image", "series", "path", "file", "text")
_NAMES = ("name", "label", "class", "letter", "digit", "id", "target")
_ON, _OFF, _UNKNOWN = "#", ".", "?"
_MISSING = ("", _UNKNOWN, "nan", "na")
_WHITE, _MOST_AXES = 255, 3
_REMEDY = "recall.rule = modern takes real numbers"


@dataclass(frozen=True)
class PatternLayout:
    """Where a pattern stands in a record, and what its numbers mean.

    Args:
        input: the column that is read, or `ALL`.
        name: the column of the patterns' names, if there is one.
        shape: of a pattern, such as (height, width).
        low, high: the lowest and the highest number of all patterns.
        bits: whether they have no other ones.
        strict: whether they must not.
        cut: whether a picture's pixels are made black or white, at half of the way.
        spelled: whether patterns are texts of `#` and `.`.
    """

    input: str
    name: str
    shape: tuple[int, ...]
    low: float
    high: float
    bits: bool
    strict: bool
    cut: bool
    spelled: bool

    @classmethod
    def learn(cls, records: Sequence[Record], data: DataSettings, *, strict: bool) -> Self:
        """The layout of all these patterns.

        Args:
            records: two or more.
            data: the settings, which may name the columns.
            strict: whether the patterns must be bits.

        Raises:
            DataError: fewer than two patterns, one of another size or without a number at some place, a third
                value where two are wanted, or one value everywhere.
        """
        if len(records) < 2:
            where = records[0].where if records else data.path
            raise DataError(where, f"{len(records)} pattern", expected="two or more, each a row or a picture")
        read, name = _columns(records, data)
        found = [_numbers(record, read, name) for record in records]
        shape = found[0].shape
        for record, numbers in zip(records, found, strict=True):
            _check_size(numbers, shape, record.where)
            _check_finite(numbers, record.where)
        stacked = np.stack([numbers.reshape(shape) for numbers in found])
        values, counts = np.unique(stacked, return_counts=True)
        if len(values) < 2:
            raise DataError(data.path, f"{values[0]:g} everywhere", expected="patterns of two values or more")
        cut = strict and len(values) > 2 and stacked.dtype == np.uint8
        if strict and len(values) > 2 and not cut:
            usual = np.argsort(-counts, kind="stable")[:2]
            if 2 * counts[usual].sum() < counts.sum():
                got, expected = f"{len(values):,} different numbers", "two, such as 0 and 1"
                raise DataError(data.path, got, expected=expected, remedy=_REMEDY)
            _check_bits(records, found, *sorted(values[usual].tolist()))
        low, high = (0, _WHITE) if cut else (values[0], values[-1])
        spelled = isinstance(records[0].fields.get(read), str) and _is_spelled(records[0].fields[read])
        bits = cut or len(values) == 2
        return cls(read, name, shape, float(low), float(high), bits, strict, cut, spelled)

    def checked(self) -> Self:
        """The layout itself.

        Raises:
            ValueError: it is none that `learn` could have given.
        """
        if not self.low < self.high or not 1 <= len(self.shape) <= _MOST_AXES or min(self.shape) < 1:
            raise ValueError(f"patterns of shape {self.shape} from {self.low} to {self.high}")
        return self

    @property
    def size(self) -> int:
        """N, how many numbers a pattern has."""
        return int(np.prod(self.shape))

    def about(self) -> str:
        """What a pattern is, in words."""
        where = "all columns" if self.input == ALL else f"{self.input!r}"
        where += f", named by {self.name!r}" if self.name else ""
        between = "or" if self.bits else "to"
        return f"{_product(self.shape)} numbers, {self.low:g} {between} {self.high:g}, in {where}"

    def names(self, records: Sequence[Record]) -> list[str]:
        """What the patterns are called: as their column says, or their numbers from 1."""
        return [
            str(record.fields[self.name]) if self.name in record.fields else str(number)
            for number, record in enumerate(records, 1)
        ]

    def encode(self, record: Record, *, whole: bool) -> Tensor:
        """The pattern [N] float32 of a record, from -1 to 1; 0 where it is not known.

        Raises:
            DataError: it is of another size, holds no number at some place though it is to be `whole`, or
                something that is neither of the two values where it must be one.
        """
        numbers = _numbers(record, self.input, self.name)
        _check_size(numbers, self.shape, record.where)
        numbers = numbers.astype(np.float32).ravel()
        missing = np.isnan(numbers)
        _check_finite(numbers if whole else numbers[~missing], record.where)
        if self.cut:
            numbers = np.where(numbers > _WHITE / 2, np.float32(_WHITE), np.float32(0))
        elif self.strict:
            _check_bits([record], [numbers], self.low, self.high)
        scaled = 2 * (numbers - self.low) / (self.high - self.low) - 1
        return torch.from_numpy(np.where(missing, 0, scaled).astype(np.float32))

    def decode(self, pattern: Tensor) -> Any:
        """A pattern [N] in terms of JSON, as the data have it; null at a place that is still not known."""
        if self.bits:
            values = [(_OFF, _UNKNOWN, _ON) if self.spelled else (_plain(self.low), None, _plain(self.high))]
            told = [values[0][1 + sign] for sign in pattern.sign().int().tolist()]
            if self.spelled:
                return "".join(told)
        else:
            numbers = (pattern.double() + 1) / 2 * (self.high - self.low) + self.low
            told = [round(number, 6) for number in numbers.tolist()]
        return np.array(told, object).reshape(self.shape).tolist()


def rows(records: Sequence[Record]) -> list[Record]:
    """The records; of a single array [P, N], which is what a `.npy` file holds, its rows."""
    if len(records) == 1 and len(records[0].fields) == 1:
        ((name, value),) = records[0].fields.items()
        if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind == "f" and len(value) > 1:
            where = records[0].where
            return [Record({name: row}, f"{where}:row {number}") for number, row in enumerate(value, 1)]
    return list(records)


# Columns


def _columns(records: Sequence[Record], data: DataSettings) -> tuple[str, str]:
    """The column of the patterns, or `ALL`, and that of their names, or nothing."""
    first = records[0]
    for name in filter(None, (data.input, data.target)):
        if name not in first.fields and name != ALL:
            raise DataError(first.where, f"no column {name!r}", remedy=nearest(name, first.fields))
    left = [name for name in first.fields if name not in (data.input, data.target)]
    named = data.target or (_usual(_NAMES, left) if len(first.fields) > 1 else "")
    if data.input:
        return data.input, named
    left = [name for name in left if name != named and _is_pattern(first.fields[name])]
    if read := _usual(_PATTERNS, left) or next(iter(left), ""):
        return read, named
    left = [name for name in first.fields if name != named]
    if not named and left and not any(is_number(record.fields.get(left[0])) for record in records):
        named = left.pop(0)
    if len(left) < 2:
        got = f"columns {', '.join(map(repr, first.fields))}"
        expected = "a column a number, or one with lists, pictures, or texts of # and ."
        raise DataError(first.where, got, expected=expected, remedy="name the column with --input")
    return ALL, named


def _usual(usual: Sequence[str], names: Sequence[str]) -> str:
    small = {name.lower(): name for name in names}
    return next((small[name] for name in usual if name in small), "")


def _is_pattern(value: Any) -> bool:
    if isinstance(value, str):
        return Path(value).suffix.lower() in (*images.SUFFIXES, ".npy") or _is_spelled(value)
    return isinstance(value, np.ndarray | list | tuple)


def _is_spelled(text: str) -> bool:
    return len(text) > 1 and set(text) <= {_ON, _OFF, _UNKNOWN} and text != _OFF * len(text)


# Numbers


def _numbers(record: Record, read: str, name: str) -> np.ndarray:
    """The numbers of a pattern in its shape, as bytes or float32; not-a-number where one is missing."""
    fields = record.fields
    if read == ALL and (len(fields) > 1 or is_number(next(iter(fields.values())))):
        cells = [_number(fields[column], record.where, column) for column in fields if column != name]
        return float32(cells)
    if read not in fields and len(fields) > 1:
        raise DataError(record.where, f"no column {read!r}", remedy=nearest(read, fields))
    value = fields[read] if read in fields else next(iter(fields.values()))
    numbers = (
        _from_text(value, record.where) if isinstance(value, str) else _from_numbers(value, record.where)
    )
    while numbers.ndim > 1 and numbers.shape[-1] == 1:
        numbers = numbers[..., 0]
    return numbers


def _number(cell: Any, where: str, column: str) -> float:
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in _MISSING):
        return float("nan")
    if not is_number(cell):
        remedy = "leave the column out, or name that of the patterns' names with --target"
        raise DataError(where, f"{cell!r} in column {column!r}", expected="a number", remedy=remedy)
    return float(cell)


def _from_text(text: str, where: str) -> np.ndarray:
    suffix = Path(text).suffix.lower() if len(text) < 4096 else ""
    try:
        if suffix in images.SUFFIXES:
            return images.read(beside(where, text), color=False)
        if suffix == ".npy":
            return _from_numbers(read_array(beside(where, text)), where)
    except DataError as error:
        raise named_in(where, error) from error
    if len(text) > 1 and set(text) <= {_ON, _OFF, _UNKNOWN}:
        values = {_ON: 1.0, _OFF: 0.0, _UNKNOWN: float("nan")}
        return np.array([values[sign] for sign in text], np.float32)
    parts = re.split(r"[,;]" if "," in text else r"[\s,;]+", text.strip())
    cells = [part.strip() for part in parts]
    if len(cells) < 2:
        raise DataError(where, repr(text), expected="numbers, the path of a picture, or a text of # and .")
    return float32([_number(cell, where, str(place)) for place, cell in enumerate(cells, 1)])


def _from_numbers(value: Any, where: str) -> np.ndarray:
    try:
        numbers = value if isinstance(value, np.ndarray) else float32(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(where, f"no pattern ({error})", expected="numbers") from error
    if numbers.dtype.kind not in "biuf" or not numbers.size:
        raise DataError(where, f"an array of {numbers.dtype} {list(numbers.shape)}", expected="numbers")
    if numbers.dtype == np.uint8 and numbers.ndim == 3 and numbers.shape[2] == 3:  # as Pillow makes grey
        return (numbers @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
    return numbers if numbers.dtype == np.uint8 else float32(numbers)


def _check_size(numbers: np.ndarray, shape: tuple[int, ...], where: str) -> None:
    if numbers.size != np.prod(shape) or (numbers.ndim > 1 < len(shape) and numbers.shape != shape):
        rows = numbers.ndim == 2 and numbers.shape[1] == np.prod(shape)
        remedy = "store several patterns in a .npz or a table" if rows else "bring all patterns to one size"
        got, expected = f"{_product(numbers.shape)} numbers", f"{_product(shape)}, as the first pattern has"
        raise DataError(where, got, expected=expected, remedy=remedy)


def _check_finite(numbers: np.ndarray, where: str) -> None:
    bad = ~np.isfinite(numbers).ravel()
    if bad.any():
        place, value = int(bad.argmax()) + 1, numbers.ravel()[bad][0]
        remedy = "fill it, or leave the pattern out; only what is recalled from may have gaps"
        raise DataError(where, f"{value:g} at place {place}", expected="a number", remedy=remedy)


def _check_bits(records: Sequence[Record], found: Sequence[np.ndarray], low: float, high: float) -> None:
    for record, numbers in zip(records, found, strict=True):
        wrong = ~np.isin(numbers.ravel(), (low, high)) & ~np.isnan(numbers.ravel())
        if wrong.any():
            place, value = int(wrong.argmax()) + 1, numbers.ravel()[wrong][0]
            got, expected = f"{value:g} at place {place}", f"{low:g} or {high:g}"
            raise DataError(record.where, got, expected=expected, remedy=_REMEDY)


def _plain(value: float) -> float:
    return int(value) if value == int(value) else value


def _product(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
