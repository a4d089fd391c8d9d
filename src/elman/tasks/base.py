"""What a task answers. It knows no file, batch size, optimiser or device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple, Protocol, Self, runtime_checkable

from torch import Tensor, nn

from elman.batch import Batch, Example, Record
from elman.config import Data, Run, Settings


class Parts(NamedTuple):
    """The data by use: to learn from, to choose by, to be scored on once."""

    train: list[Record]
    valid: list[Record]
    test: list[Record]


class Loss(NamedTuple):
    """A summed loss in nats, and over how many targets."""

    nats: Tensor
    count: int


class Baseline(NamedTuple):
    """A trivial predictor learnt from the training part, and its summed loss on held-out examples."""

    name: str
    nats: float


class Task(ABC):
    """One kind of sequence problem: from records to examples, a network, a loss, and scores.

    A task is made by `prepare` from the training records or by `restore` from what `to_text` gave.
    """

    Config: ClassVar[type[Settings]]
    formats: ClassVar[tuple[str, ...]]
    """Names of the formats that suggest this task."""

    @classmethod
    @abstractmethod
    def split(cls, records: Sequence[Record], data: Data) -> Parts:
        """The records by use, in shares that `data` says."""

    @classmethod
    @abstractmethod
    def prepare(cls, records: Sequence[Record], run: Run) -> Self:
        """The task with all that it has to learn from training records before a network can be built."""

    @classmethod
    @abstractmethod
    def restore(cls, text: str, run: Run, where: object) -> Self:
        """The task as `to_text` described it."""

    @abstractmethod
    def to_text(self) -> str:
        """What was learnt from the training records (such as the vocabulary), to be kept in a file."""

    @abstractmethod
    def build(self) -> nn.Module:
        """A fresh network: `network(seq, state) -> (scores, state)`, with `state` None at a start.

        Raises:
            ConfigError: a setting that does not fit the others.
        """

    @abstractmethod
    def encode(self, records: Sequence[Record]) -> Example:
        """The records as tensors."""

    @abstractmethod
    def loss(self, scores: Tensor, batch: Batch) -> Loss:
        """The loss of `scores` [T, B, V] on the batch's targets [T, B]."""

    @abstractmethod
    def scores(self, nats: float, count: int, size: int) -> dict[str, float]:
        """Named scores, the most telling one first, from a summed loss over `count` targets.

        `size` is the raw size (`Example.size`) that these targets stand for.
        """

    @abstractmethod
    def baselines(self, train: Example, held: Example) -> list[Baseline]:
        """Trivial predictors learnt from `train` and scored on `held`."""

    @abstractmethod
    def soften(self, network: nn.Module, temperature: float) -> None:
        """Divide the scores that the network gives by `temperature`, from now on, in its weights."""

    @abstractmethod
    def preview(self, network: nn.Module, seed: int) -> str:
        """One line that shows what the network, in evaluation mode, does; for the eye."""

    @abstractmethod
    def use(self) -> list[str]:
        """Commands that put a model to use, with {name} for its run folder."""


@runtime_checkable
class Writer(Protocol):
    """A task whose models can write sequences and complete what was begun.

    Networks come in evaluation mode.
    """

    def write(
        self,
        network: nn.Module,
        prompt: str,
        length: int,
        *,
        temperature: float,
        top_k: int,
        top_p: float,
        seed: int | None,
    ) -> Iterator[str]:
        """The text that follows `prompt`, piece by piece."""
        ...

    def complete(self, network: nn.Module, text: str, count: int) -> list[tuple[str, float]]:
        """The likeliest next words after `text` with their probabilities, the likeliest first."""
        ...
