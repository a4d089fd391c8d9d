"""The contract of a task. Independent of files, batch size, optimiser and device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeAlias, TypeVar

from torch import Tensor, nn

from elman.core.errors import DataError
from elman.core.records import Batch, Example, Record
from elman.core.run_config import DataSettings, RunConfig
from elman.core.settings import Settings
from elman.data.long_tables import LongTable

Scores: TypeAlias = dict[str, float]
"""Named scores, the most telling one first."""

RISING = frozenset(
    {
        *("accuracy", "accuracy_known", "accuracy_unknown", "macro_f1", "micro_f1", "span_f1"),
        *("precision", "recall", "subset_accuracy", "r2"),
        *("bleu", "bleu_1", "bleu_2", "bleu_3", "chrf", "exact_match"),
        *("recalled", "overlap", "bit_accuracy"),
    }
)
"""Scores of which more is better; of all others less is."""

_Item = TypeVar("_Item")
TaskSettings = TypeVar("TaskSettings", bound=Settings)
Parted: TypeAlias = Mapping[str, Sequence[_Item]]
"""Name of a held-out part (valid, test) -> what is in it."""


_MOST_NAMED = 6
"""Columns that a reason names."""


class Purpose(Enum):
    """What records are for: a part of a run's data, other data to be scored on, or data to predict for."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"
    SCORE = "score"
    PREDICT = "predict"

    @property
    def labelled(self) -> bool:
        """Whether the records have to have targets."""
        return self is not Purpose.PREDICT


class Parts(NamedTuple):
    """The data by use: to learn from, to choose by, to be scored on once."""

    train: list[Record]
    valid: list[Record]
    test: list[Record]


class Choice(NamedTuple):
    """A setting that is chosen from the data.

    Args:
        setting: as section.name.
        value: what suits the data.
        reason: why, in a few words.
    """

    setting: str
    value: Any
    reason: str


class Loss(NamedTuple):
    """A summed loss, in nats where it is a likelihood, and over how many targets."""

    nats: Tensor
    count: int


class Findings(NamedTuple):
    """What a report shows beside the scores.

    Args:
        tables: title -> rows of cells, the first row being the head.
        figures: the name of a picture, without suffix -> what draws it on a matplotlib Figure.
    """

    tables: Mapping[str, Sequence[Sequence[object]]]
    figures: Mapping[str, Callable[[Any], None]]


class Evidence(NamedTuple):
    """A picture of how a model comes to what it says, with its numbers.

    Args:
        name: of the picture, without suffix.
        caption: what is seen.
        rows: the numbers, one mapping a row, all with the same keys.
        draw: draws it on a matplotlib Figure.
    """

    name: str
    caption: str
    rows: Sequence[Mapping[str, Any]]
    draw: Callable[[Any], None]


class Task(ABC, Generic[TaskSettings]):
    """One kind of sequence problem: from records to examples, a network, a loss, and scores.

    A task is made by `prepare` from the training records or by `restore` from what `to_text` gave.
    """

    Config: ClassVar[type[Settings]]
    formats: ClassVar[tuple[str, ...]]
    """Names of the formats that it reads, the preferred one first."""
    continuous: ClassVar[bool]
    """Whether its one example is a stream, read in windows with the state carried over; else every example is
    a sequence of its own."""

    @classmethod
    @abstractmethod
    def matches(cls, record: Record) -> bool:
        """Return whether data that begin with this record are probably for this task."""

    @classmethod
    def reason(cls, records: Sequence[Record]) -> str:
        """Return why data that begin with these records are probably for this task; "", if they are not."""
        if not cls.matches(records[0]):
            return ""
        names = list(records[0].fields)
        return f"columns {', '.join(names[:_MOST_NAMED])}{', ...' if len(names) > _MOST_NAMED else ''}"

    @classmethod
    def arrange(cls, records: Sequence[Record], data: DataSettings) -> LongTable | None:
        """Join records that are steps to sequences before they are split; return None if they are no steps."""
        return None

    @classmethod
    def guess_columns(cls, records: Sequence[Record], data: DataSettings) -> Any:
        """Return the columns of all records, for `prepare` to find in the run's settings; None: it guesses."""
        return None

    @property
    def arrangement(self) -> LongTable | None:
        """How the records that it learnt from were joined."""
        return None

    @property
    def roles(self) -> Mapping[str, Sequence[str]]:
        """The columns that it learnt from, by the settings that name them: input, target, group, time.

        Other data may have them in another order, or call them otherwise.
        """
        return {}

    def dated(self, notation: str) -> Self:
        """Return the same task for data whose times are written in this notation."""
        return self

    @classmethod
    def recipe(cls, records: Sequence[Record], run: RunConfig[TaskSettings]) -> Sequence[Choice]:
        """Return settings that suit such data, each with its reason; what a user set is left out later.

        Args:
            records: those of data.path, before they are split.
            run: the settings so far.
        """
        return ()

    @classmethod
    def faults(cls, records: Sequence[Record], run: RunConfig[TaskSettings]) -> dict[int, DataError]:
        """Return the places of records that cannot be learnt from, and why, as far as is easily seen."""
        return {}

    @classmethod
    @abstractmethod
    def split(cls, records: Sequence[Record], data: DataSettings) -> Parts:
        """Split the records by use, in the shares that `data` sets."""

    @classmethod
    @abstractmethod
    def prepare(cls, records: Sequence[Record], run: RunConfig[TaskSettings]) -> Self:
        """Return the task with all that it learns from training records before a network can be built."""

    @classmethod
    @abstractmethod
    def restore(cls, text: str, run: RunConfig[TaskSettings], where: object) -> Self:
        """Restore the task that `to_text` described."""

    @abstractmethod
    def to_text(self) -> str:
        """Return what was learnt from the training records (such as the vocabulary), for a file."""

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """Return what was inferred or found in the data (columns, symbols, classes), for the log."""

    @abstractmethod
    def build(self) -> nn.Module:
        """Build a fresh network: `network(seq, state) -> (scores, state)`, with `state` None at a start.

        Raises:
            ConfigError: a setting that does not fit the others.
        """

    @abstractmethod
    def encode(self, records: Sequence[Record], use: Purpose = Purpose.SCORE) -> Sequence[Example]:
        """Encode the records as tensors; to predict for, targets are not looked at, and are empty."""

    @property
    @abstractmethod
    def selection_metric(self) -> str:
        """The score that selects the best epoch; "loss" needs no predictions."""

    @abstractmethod
    def loss(self, scores: Any, batch: Batch) -> Loss:
        """Return the reported loss of the network's scores of `batch.seq`, on the batch's targets."""

    @abstractmethod
    def objective(self, scores: Any, batch: Batch) -> Loss:
        """Return what training minimises: the loss, or one that differs by weights, smoothing and the like."""

    @abstractmethod
    def scores(self, examples: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """Score outputs, one for each held-out example, and the summed loss over `count` targets.

        Where no predictions were made, `outputs` is empty, and only what the loss tells is given.
        """

    @abstractmethod
    def baselines(self, train: Sequence[Example], parts: Parted[Example]) -> dict[str, dict[str, Scores]]:
        """Score trivial predictors learnt from `train`: part -> predictor -> its scores on that part."""

    @abstractmethod
    def findings(self, examples: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """Return what there is to show of the outputs beside the scores."""

    @abstractmethod
    def preview(self, network: nn.Module, shown: Sequence[Example], seed: int) -> str:
        """Show in one line what the network, in evaluation mode, does; for the eye.

        Args:
            network: in evaluation mode.
            shown: the examples of the validation part, or of the training part where there is none.
            seed: chooses among them, and draws; another each epoch.
        """

    @abstractmethod
    def usage(self) -> list[str]:
        """Return the commands that put a model to use, with {name} for its run folder."""
