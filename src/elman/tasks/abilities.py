"""What a task can do beyond training: abstract classes that tasks inherit, and commands ask for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from elman.core.records import Batch, Example, Record
from elman.decoding.options import SamplingOptions, SearchOptions
from elman.exporters.graph import NetworkGraphs
from elman.tasks.base import Evidence, Purpose, Scores, Task
from elman.tasks.draw.result import GeneratedSequence
from elman.tasks.forecast.result import SeriesForecast
from elman.tasks.seq2seq.result import GeneratedText
from elman.tasks.seq2seq.target_text import TextHypothesis


class Predictor(ABC):
    """A task whose models predict for every sequence of a batch.

    Networks come in evaluation mode.
    """

    @abstractmethod
    def predict(self, network: nn.Module, batch: Batch, scores: Any) -> list[Any]:
        """One output a sequence, on the CPU, in the batch's order; `scores` is what the network said."""


class PredictsRecords(Predictor):
    """A task whose every record is a sequence, for which its models have an answer."""

    lacks: ClassVar[str] = "a task that does not predict"

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

    lacks: ClassVar[str] = "a task that does not forecast"

    @abstractmethod
    def ahead(self, horizon: int) -> Self:
        """The same task, to forecast another number of steps."""

    @abstractmethod
    def encode(self, records: Sequence[Record], use: Purpose = Purpose.SCORE) -> Sequence[Example]:
        """As every task does; to predict for, one example at the end of each series."""

    @abstractmethod
    def futures(self, windows: Sequence[Example], outputs: Sequence[Any]) -> list[SeriesForecast]:
        """What was predicted for examples without targets, one for each series."""

    @abstractmethod
    def example(self) -> list[dict[str, Any]]:
        """Rows of a made-up series, to try a model with; none where one cannot be made up."""

    @abstractmethod
    def smoothing(self, held: Sequence[Example]) -> dict[str, Scores]:
        """The scores of exponential smoothing on held-out examples, by its name."""


class Translator(PredictsRecords):
    """A task whose models write a sequence for each source.

    Networks come in evaluation mode.
    """

    lacks: ClassVar[str] = "a task that does not translate"

    @abstractmethod
    def usual(self) -> SearchOptions:
        """The search that the settings ask for."""

    @abstractmethod
    def search(
        self, network: nn.Module, batch: Batch, scores: Any, how: SearchOptions
    ) -> list[list[TextHypothesis]]:
        """For each source the best lines, or drawn ones, with what each of their steps looked at."""

    @abstractmethod
    def translation(self, line: TextHypothesis, record: Record, example: Example) -> GeneratedText:
        """A line that was written for a record, as text."""


class Drawer(ABC):
    """A task whose models make sequences of numbers: drawings, music, curves.

    Networks come in evaluation mode.
    """

    lacks: ClassVar[str] = "a task that does not draw"

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
    ) -> list[GeneratedSequence]:
        """So many sequences of so many steps at most, from a start and after a prefix."""


class Illustrated(ABC):
    """A task whose report shows what the network makes."""

    @abstractmethod
    def pictures(self, network: nn.Module, held: Sequence[Example]) -> Mapping[str, Callable[[Any], None]]:
        """The name of a picture, without suffix -> what draws it on a matplotlib Figure."""


class HasBeam(ABC):
    """A task whose predictions are looked for by a beam."""

    lacks: ClassVar[str] = "a task that does not search with a beam"

    @abstractmethod
    def with_beam(self, width: int) -> Task:
        """The same task with another width of the beam; 1: greedy."""


class Calibratable(ABC):
    """A task whose networks' scores can be divided by a temperature."""

    @abstractmethod
    def soften(self, network: nn.Module, temperature: float) -> None:
        """Divide the scores that the network gives by `temperature`, from now on, in its weights."""


class ComputesWeights(ABC):
    """A task whose networks take in the training part at once, before anything is learnt by gradient.

    Where no weight of a network is learnt by gradient, that is all of its training.
    """

    @abstractmethod
    def store(self, network: nn.Module, train: Sequence[Example]) -> None:
        """Compute from the training examples what a fresh network has to know of them."""


class NamesSteps(ABC):
    """A task whose sequences have something to be read at each step."""

    @abstractmethod
    def symbols(self, example: Example) -> list[str]:
        """What stands at each step of an example's data, as text; nothing where steps are numbers."""


class EdgeLoss(ABC):
    """A task whose loss at one end of a sequence is not its loss with the other targets made padding."""

    @abstractmethod
    def ending(self, scores: Any, batch: Batch, *, last: bool) -> Tensor:
        """The nats of the last step of each sequence alone, or of the first, summed over the sequences."""


class Exportable(ABC):
    """A task whose networks can be exported."""

    graphs: ClassVar[NetworkGraphs]
    """Each class of network that it builds, with its graphs."""


class Crops(ABC):
    """A task whose sequences are cut in a way of their own."""

    @abstractmethod
    def tail(self, example: Example, steps: int) -> Example:
        """The last steps of an example, as if nothing stood before them."""


class ShowsEvidence(ABC):
    """A task that can show how its models came to what they say."""

    @abstractmethod
    def evidence(self, network: nn.Module, held: Sequence[Example], outputs: Sequence[Any]) -> list[Evidence]:
        """What there is to show, such as where attention was, for examples and an output for each."""


class Writer(ABC):
    """A task whose models can write sequences and complete what was begun.

    Networks come in evaluation mode.
    """

    lacks: ClassVar[str] = "a task that does not write"

    @abstractmethod
    def write(
        self,
        network: nn.Module,
        prompt: str,
        length: int,
        how: SamplingOptions,
    ) -> Iterator[str]:
        """The text that follows `prompt`, piece by piece."""

    @abstractmethod
    def complete(self, network: nn.Module, text: str, count: int) -> list[tuple[str, float]]:
        """The likeliest next words after `text` with their probabilities, the likeliest first."""
