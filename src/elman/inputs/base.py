"""What an input is: one kind of raw value, how it becomes a sequence of a tensor, and the layer that reads it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self

from torch import Tensor, nn

from elman.batch import Record
from elman.config import Run


class Raw(NamedTuple):
    """A raw value and the record that it came from (`path:line`), for errors and for paths beside it."""

    value: Any
    where: str


class Reader(nn.Module, ABC):
    """The first layer of a network: what `Input.encode` gave, as vectors [T, B, width]."""

    width: int


class Input(ABC):
    """One kind of input.

    It is made by `learn` from the values of the training part, or by `restore` from what `content` gave.
    """

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def find(cls, record: Record, column: str, leave: str) -> str | None:
        """The column of `record` that holds such a value: `column`, if one is named; None, if there is none.

        `leave` is a column that is something else, such as the target.
        """

    @classmethod
    @abstractmethod
    def take(cls, record: Record, column: str) -> Raw:
        """The raw value in that column.

        Raises:
            DataError: the record lacks it.
        """

    @classmethod
    @abstractmethod
    def learn(cls, values: Sequence[Raw], run: Run) -> Self:
        """The input with what it must know of the training part: symbols, scales, the shape of a step.

        Raises:
            DataError: a value is broken, or differs in shape from those before it.
        """

    @classmethod
    @abstractmethod
    def restore(cls, content: dict[str, Any], run: Run, where: object) -> Self:
        """The input that gave `content`."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What was learnt, in terms of JSON."""

    @abstractmethod
    def about(self) -> str:
        """What a sequence is made of, in words."""

    @abstractmethod
    def encode(self, raw: Raw) -> Tensor:
        """A value as symbols [T] int64 or features [T, F] float32, T at least 1.

        Raises:
            DataError: the value is broken, or of another shape than the training part's.
        """

    @staticmethod
    @abstractmethod
    def key(raw: Raw) -> bytes:
        """What two values that are the same have in common, and no others."""

    @abstractmethod
    def reader(self) -> Reader:
        """A fresh first layer for a network."""


def missing(record: Record, column: str) -> str:
    """The words of an error: a record lacks a column."""
    return f"no column {column!r} among {', '.join(map(repr, record.fields))}"
