"""The few types that travel from a file to a prediction. They know nobody.

formats -> Record -> task.encode -> Example -> loader -> Batch
  -> network -> scores -> task.loss
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


State: TypeAlias = tuple["Tensor", ...]
"""The state of a recurrent network between two calls: S tensors (LSTM: hidden, cell), each [L * D, B, H]."""


@dataclass(frozen=True)
class Record:
    """Raw fields as a file has them, and where they came from (`path:line`)."""

    fields: Mapping[str, Any]
    where: str


class Sound(NamedTuple):
    """A sound that is in no file.

    Args:
        samples: [N], floats in [-1, 1] or int16.
        rate: samples a second.
    """

    samples: np.ndarray
    rate: int

    def tobytes(self) -> bytes:
        """Return the bytes that two sounds have in common if they are the same."""
        return self.rate.to_bytes(4) + self.samples.tobytes()


@dataclass(frozen=True)
class Example:
    """One sequence as tensors.

    Args:
        data: [T] symbols or [T, F] features.
        target: what is to be predicted, in the task's own shape.
        size: how many characters (or samples) of raw input this is, for scores per character.
    """

    data: Tensor
    target: Tensor
    size: int = 0


class Seq(NamedTuple):
    """Sequences side by side, time first.

    Args:
        data: [T, B] symbols or [T, B, F] features; what lies beyond a length is padding of any value.
        lengths: [B] int64 on the CPU, each from 1 to T; None where all are T long.
    """

    data: Tensor
    lengths: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """The input of one training step. Targets stand apart: they never enter a network's `forward`."""

    seq: Seq
    targets: Tensor


class RawValue(NamedTuple):
    """A raw value and the place it came from (`path:line`), for errors and for the files that it names."""

    value: Any
    where: str
