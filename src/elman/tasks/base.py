"""What a task answers. It knows no file, batch size, optimiser or device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias, TypeVar

from torch import Tensor, nn

from elman.batch import Batch, Example, Record
from elman.config import Data, Run, Settings
from elman.drawings import Drawing
from elman.futures import Future
from elman.streaming import Streamer
from elman.translation import Translation
from elman.wording import Line, Search

Scores: TypeAlias = dict[str, float]
"""Named scores, the most telling one first."""

RISING = frozenset(
    {
        *("accuracy", "macro_f1", "span_f1", "subset_accuracy", "r2"),
        *("bleu", "bleu_1", "bleu_2", "bleu_3", "chrf", "exact_match"),
        *("recalled", "overlap", "bit_accuracy"),
    }
)
"""Scores of which more is better; of all others less is."""


_Item = TypeVar("_Item")
Parted: TypeAlias = Mapping[str, Sequence[_Item]]
"""Name of a held-out part (valid, test) -> what is in it."""


class Use(Enum):
    """What records are for: a part of a run's data, other data to be scored on, or data to predict for."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"
    SCORE = "score"
    PREDICT = "predict"

    @property
    def labelled(self) -> bool:
        """Whether the records have to have targets."""
        return self is not Use.PREDICT


class Parts(NamedTuple):
    """The data by use: to learn from, to choose by, to be scored on once."""

    train: list[Record]
    valid: list[Record]
    test: list[Record]


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


class Task(ABC):
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
    def suits(cls, record: Record) -> bool:
        """Whether data that begin with this record are probably for this task."""

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
    def facts(self) -> dict[str, str]:
        """What was guessed or found in the data (columns, symbols, classes), to be told."""

    @abstractmethod
    def build(self) -> nn.Module:
        """A fresh network: `network(seq, state) -> (scores, state)`, with `state` None at a start.

        Raises:
            ConfigError: a setting that does not fit the others.
        """

    @abstractmethod
    def encode(self, records: Sequence[Record], use: Use = Use.SCORE) -> Sequence[Example]:
        """The records as tensors; to predict for, targets are not looked at, and are empty."""

    @property
    @abstractmethod
    def watch(self) -> str:
        """The score that selects the best epoch; "loss" needs no predictions."""

    @abstractmethod
    def loss(self, scores: Any, batch: Batch) -> Loss:
        """The loss that is reported of what the network said of `batch.seq`, on the batch's targets."""

    @abstractmethod
    def objective(self, scores: Any, batch: Batch) -> Loss:
        """What training makes small: the loss, or one that differs by weights, smoothing and the like."""

    @abstractmethod
    def scores(self, held: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """Scores of outputs, one for each held-out example, and from the summed loss over `count` targets.

        Where no predictions were made, `outputs` is empty, and only what the loss tells is given.
        """

    @abstractmethod
    def baselines(self, train: Sequence[Example], parts: Parted[Example]) -> dict[str, dict[str, Scores]]:
        """Trivial predictors learnt from `train`: part -> predictor -> its scores on that part."""

    @abstractmethod
    def findings(self, held: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """What there is to show of the outputs beside the scores."""

    @abstractmethod
    def preview(self, network: nn.Module, seed: int) -> str:
        """One line that shows what the network, in evaluation mode, does; for the eye."""

    @abstractmethod
    def use(self) -> list[str]:
        """Commands that put a model to use, with {name} for its run folder."""


class Predictor(ABC):
    """A task whose models predict for every sequence of a batch.

    Networks come in evaluation mode.
    """

    @abstractmethod
    def predict(self, network: nn.Module, batch: Batch, scores: Any) -> list[Any]:
        """One output a sequence, on the CPU, in the batch's order; `scores` is what the network said."""


class Answering(Predictor):
    """A task whose every record is a sequence, for which its models have an answer."""

    does: ClassVar[str] = "predict"

    @property
    @abstractmethod
    def reads(self) -> str:
        """What kind of value it reads: text, tokens, series, steps, pattern, sound, picture or frames."""

    @abstractmethod
    def record(self, value: Any, where: str) -> Record:
        """A record that holds nothing but a value to read, and where that came from."""

    @abstractmethod
    def answer(self, output: Any, record: Record) -> dict[str, Any]:
        """What is told of an output for `record`, in terms of JSON, the prediction itself first."""


class Forecaster(Predictor):
    """A task whose models tell the future of series."""

    does: ClassVar[str] = "forecast"

    @abstractmethod
    def ahead(self, horizon: int) -> Self:
        """The same task, to forecast another number of steps."""

    @abstractmethod
    def encode(self, records: Sequence[Record], use: Use = Use.SCORE) -> Sequence[Example]:
        """As every task does; to predict for, one example at the end of each series."""

    @abstractmethod
    def futures(self, windows: Sequence[Example], outputs: Sequence[Any]) -> list[Future]:
        """What was predicted for examples without targets, one for each series."""

    @abstractmethod
    def example(self) -> list[dict[str, Any]]:
        """Rows of a made-up series, to try a model with; none where one cannot be made up."""

    @abstractmethod
    def smoothing(self, held: Sequence[Example]) -> dict[str, Scores]:
        """The scores of exponential smoothing on held-out examples, by its name."""


class Translator(Answering):
    """A task whose models write a sequence for each source.

    Networks come in evaluation mode.
    """

    does: ClassVar[str] = "translate"

    @abstractmethod
    def usual(self) -> Search:
        """The search that the settings ask for."""

    @abstractmethod
    def search(self, network: nn.Module, batch: Batch, scores: Any, how: Search) -> list[list[Line]]:
        """For each source the best lines, or drawn ones, with what each of their steps looked at."""

    @abstractmethod
    def translation(self, line: Line, record: Record, example: Example) -> Translation:
        """A line that was written for a record, as text."""


class Drawer(ABC):
    """A task whose models make sequences of numbers: drawings, music, curves.

    Networks come in evaluation mode.
    """

    does: ClassVar[str] = "draw"

    @abstractmethod
    def draw(
        self,
        network: nn.Module,
        *,
        count: int,
        length: int,
        start: str,
        prefix: Any,
        temperature: float,
        seed: int | None,
    ) -> list[Drawing]:
        """So many sequences of so many steps at most, from a start and after a prefix."""


class Illustrated(ABC):
    """A task whose report shows what the network makes."""

    @abstractmethod
    def pictures(self, network: nn.Module, held: Sequence[Example]) -> Mapping[str, Callable[[Any], None]]:
        """The name of a picture, without suffix -> what draws it on a matplotlib Figure."""


class Searching(ABC):
    """A task whose predictions are looked for by a beam."""

    does: ClassVar[str] = "search with a beam for its predictions"

    @abstractmethod
    def with_beam(self, width: int) -> Task:
        """The same task with another width of the beam; 1: greedy."""


class Calibrated(ABC):
    """A task whose networks' scores can be divided by a temperature."""

    @abstractmethod
    def soften(self, network: nn.Module, temperature: float) -> None:
        """Divide the scores that the network gives by `temperature`, from now on, in its weights."""


class Storing(ABC):
    """A task whose networks take in the training part at once, before anything is learnt by gradient.

    Where no weight of a network is learnt by gradient, that is all of its training.
    """

    @abstractmethod
    def store(self, network: nn.Module, train: Sequence[Example]) -> None:
        """Compute from the training examples what a fresh network has to know of them."""


class Legible(ABC):
    """A task whose sequences have something to be read at each step."""

    @abstractmethod
    def symbols(self, example: Example) -> list[str]:
        """What stands at each step of an example's data, as text; nothing where steps are numbers."""


class Ending(ABC):
    """A task whose loss at one end of a sequence is not its loss with the other targets made padding."""

    @abstractmethod
    def ending(self, scores: Any, batch: Batch, *, last: bool) -> Tensor:
        """The nats of the last step of each sequence alone, or of the first, summed over the sequences."""


class Sectional(ABC):
    """A task whose sequences are cut in a way of their own."""

    @abstractmethod
    def tail(self, example: Example, steps: int) -> Example:
        """The last steps of an example, as if nothing stood before them."""


class Explaining(ABC):
    """A task that can show how its models came to what they say."""

    @abstractmethod
    def evidence(self, network: nn.Module, held: Sequence[Example], outputs: Sequence[Any]) -> list[Evidence]:
        """What there is to show, such as where attention was, for examples and an output for each."""


class Streaming(ABC):
    """A task whose models can run forward in time, as data come in."""

    @abstractmethod
    def streamer(self, network: nn.Module) -> Streamer:
        """What runs the network, in evaluation mode, on streams.

        Raises:
            TaskError: the settings do not allow it; it says which would.
        """


class Writer(ABC):
    """A task whose models can write sequences and complete what was begun.

    Networks come in evaluation mode.
    """

    does: ClassVar[str] = "write"

    @abstractmethod
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

    @abstractmethod
    def complete(self, network: nn.Module, text: str, count: int) -> list[tuple[str, float]]:
        """The likeliest next words after `text` with their probabilities, the likeliest first."""
