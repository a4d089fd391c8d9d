"""What an input is: a kind of raw value, how it becomes a sequence in a tensor, the layer that reads it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from torch import Tensor

from elman.core.errors import DataError
from elman.core.records import RawValue
from elman.core.run_config import RunConfig
from elman.data.formats.base import MEDIA_FOLDERS
from elman.inputs.incremental import IncrementalEncoder
from elman.nn.readers import InputLayer


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
    def learn(cls, values: Sequence[RawValue], run: RunConfig) -> Self:
        """The input with what it must know of the training part: symbols, scales, the shape of a step.

        Raises:
            DataError: a value is broken, or differs in shape from those before it.
        """

    @classmethod
    @abstractmethod
    def restore(cls, content: dict[str, Any], run: RunConfig, where: object) -> Self:
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
        """Return the value that a line of text represents; `encode` reports an invalid one."""

    @abstractmethod
    def encode(self, raw: RawValue) -> Tensor:
        """A value as symbols [T] int64, features [T, F] float32 or pixels [T, F] uint8, T at least 1.

        Raises:
            DataError: the value is broken, or of another shape than those of the training part.
        """

    def readable(self, data: Tensor) -> str:
        """What `encode` gave, as a text that people read; empty where it is none."""
        return ""

    @abstractmethod
    def reader(self) -> InputLayer:
        """A fresh first layer for a network."""

    @abstractmethod
    def incremental_encoder(self) -> IncrementalEncoder:
        """What makes steps, as `encode` does, of a value that comes piece by piece.

        Raises:
            TaskError: the steps depend on the whole value.
        """


def identity(value: Any) -> bytes:
    """What two values that are the same have in common: numbers in arrays, or the words themselves."""
    return value.tobytes() if hasattr(value, "tobytes") else repr(value).encode()


def beside(where: str, path: str) -> Path:
    """A path as a file names it: beside that file or in a folder of media there, or else as it stands.

    A name that no file can have is not there, as is what may not be looked at; reading it tells why.
    """
    folder = Path(where.rsplit(":", 1)[0]).parent
    places = [folder / path, *(folder / name / path for name in MEDIA_FOLDERS), Path(path)]
    return next((place for place in places if os.path.exists(place)), places[0])  # noqa: PTH110, see above


def named_in(where: str, error: DataError) -> DataError:
    """The fault of a file, with the place that names the file."""
    if where in error.where or not Path(error.where.strip("'")).suffix:
        return error
    named = f"{error.where} (named in {where})"
    return DataError(named, error.got, expected=error.expected, remedy=error.remedy)
