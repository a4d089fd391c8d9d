"""What an input is: a kind of raw value, how it becomes a sequence in a tensor, the layer that reads it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from torch import Tensor, nn

from elman.config import Run
from elman.errors import DataError
from elman.intake import Intake


class Raw(NamedTuple):
    """A raw value and the place it came from (`path:line`), for errors and for the files that it names."""

    value: Any
    where: str


class Reader(nn.Module, ABC):
    """The first layer of a network: from what `Input.encode` gave to vectors [T, B, width].

    Args:
        width: how many features a vector has.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    @abstractmethod
    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Vectors [T, B, width] of symbols [T, B] or features [T, B, F], of any value beyond a length [B]."""


class Input(ABC):
    """One kind of input.

    It is made by `learn` from the values of the training part, or by `restore` from what `content` gave.
    """

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def takes(cls, value: Any) -> bool:
        """Whether that is a value of this kind."""

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

    @property
    @abstractmethod
    def kind(self) -> str:
        """What a value is: text, series, sound, picture or frames."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What was learnt, in terms of JSON."""

    @abstractmethod
    def about(self) -> str:
        """What a sequence is made of, in words."""

    @abstractmethod
    def parse(self, line: str) -> Any:
        """The value that a line of text stands for; what is none is told by `encode`."""

    @abstractmethod
    def encode(self, raw: Raw) -> Tensor:
        """A value as symbols [T] int64, features [T, F] float32 or pixels [T, F] uint8, T at least 1.

        Raises:
            DataError: the value is broken, or of another shape than those of the training part.
        """

    @abstractmethod
    def reader(self) -> Reader:
        """A fresh first layer for a network."""

    @abstractmethod
    def intake(self) -> Intake:
        """What makes steps, as `encode` does, of a value that comes piece by piece.

        Raises:
            TaskError: the steps depend on the whole value.
        """


def identity(value: Any) -> bytes:
    """What two values that are the same have in common: numbers in arrays, or the words themselves."""
    return value.tobytes() if hasattr(value, "tobytes") else repr(value).encode()


def beside(where: str, path: str) -> Path:
    """A path as a file names it: beside that file, or else as it stands.

    A name that no file can have is not there, as is what may not be looked at; reading it tells why.
    """
    near = Path(where.rsplit(":", 1)[0]).parent / path
    return near if os.path.exists(near) or not os.path.exists(path) else Path(path)  # noqa: PTH110, see above


def named_in(where: str, error: DataError) -> DataError:
    """The fault of a file, with the place that names the file."""
    if where in error.where or not Path(error.where.strip("'")).suffix:
        return error
    named = f"{error.where} (named in {where})"
    return DataError(named, error.got, expected=error.expected, remedy=error.remedy)
