"""What a task can do beyond training: abstract classes that tasks inherit, and commands ask for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from torch import Tensor, nn

from elman.core.json_schema import Schema
from elman.core.records import Batch, Example, Record
from elman.data.columns import Columns
from elman.exporters.graph import NetworkGraphs
from elman.inputs.base import Input
from elman.tasks import operations
from elman.tasks.base import Evidence, Task
from elman.tasks.operations import AnyOperation, Operation, Request, RequestLimits

AnyInput = TypeVar("AnyInput", bound=Input)


class Ability(ABC):
    """Something that a task can do for a user, with what a user needs for it: methods and operations."""

    lacks: ClassVar[str]
    """What a task is called that cannot: "a task that does not draw"."""
    methods: ClassVar[type[Any] | None] = None
    """The subclass of `elman.Model` with the methods for it; None: every model has them."""
    operations: ClassVar[tuple[AnyOperation, ...]] = ()
    """What can be asked for by HTTP: each is POST /models/NAME/OPERATION of the server."""

    def example(self) -> Any:
        """Return something to try a model with, in terms of JSON; None: nothing can be made up."""
        return None

    @property
    def stream_kind(self) -> str:
        """What kind of value a stream of its models reads: one of `reads`, or observations."""
        return "observations"


def abilities_of(kind: type[Task]) -> list[type[Ability]]:
    """Return the abilities that a class of tasks inherits, in the order of its bases."""
    return [base for base in kind.__mro__ if issubclass(base, Ability) and base not in (kind, Ability)]


def operations_of(kind: type[Task]) -> list[AnyOperation]:
    """Return the operations of a class of tasks, each name once."""
    found = {call.name: call for ability in abilities_of(kind) for call in ability.operations}
    return list(found.values())


class Predictor(ABC):
    """A task whose models predict for every sequence of a batch.

    Networks come in evaluation mode.
    """

    @abstractmethod
    def predict(self, network: nn.Module, batch: Batch, scores: Any) -> list[Any]:
        """Predict one output a sequence, on the CPU, in the batch's order, from the network's `scores`."""


class _Predicting(Protocol):
    """A model, as far as predictions need it."""

    @property
    def reads(self) -> str: ...

    def predict(self, values: Sequence[Any]) -> list[dict[str, Any]]: ...


def _to_predict(model: _Predicting, limits: RequestLimits) -> Schema:
    return operations.object_of({"values": operations.values_of(model.reads, limits)})


def _predict(model: _Predicting, limits: RequestLimits, requests: Sequence[Request]) -> list[Any]:
    values = operations.received(model.reads, limits, requests)
    return operations.by_request(model.predict(values), requests, "answers")


_ANSWER: Schema = {"type": "object", "description": "the prediction, and what goes with it"}

PREDICT = Operation(
    name="predict",
    about="Predict for some values.",
    takes=_to_predict,
    gives=operations.object_of({"answers": operations.list_of(_ANSWER)}),
    together=operations.all_together,
    run=_predict,
)


class PredictsRecords(Predictor, Ability):
    """A task whose every record is a sequence, for which its models have an answer."""

    lacks = "a task that does not predict"
    operations = (PREDICT,)

    @property
    @abstractmethod
    def reads(self) -> str:
        """What kind of value it reads: text, tokens, series, steps, pattern, sound, picture or frames."""

    @property
    def stream_kind(self) -> str:
        return self.reads

    @abstractmethod
    def record(self, value: Any, where: str) -> Record:
        """Return a record that holds nothing but a value to read, and where that came from."""

    @abstractmethod
    def answer(self, output: Any, record: Record) -> dict[str, Any]:
        """Return an output for `record` as JSON, the prediction itself first."""


class Illustrated(ABC):
    """A task whose report shows what the network makes."""

    @abstractmethod
    def pictures(
        self, network: nn.Module, examples: Sequence[Example]
    ) -> Mapping[str, Callable[[Any], None]]:
        """Return the name of each picture, without suffix -> what draws it on a matplotlib Figure."""


class Mistake(NamedTuple):
    """A wrong answer.

    Args:
        place: of its example among those that were answered.
        answer: the prediction.
        right: what should have been.
        numbers: a name -> a number that tells how wrong or how sure it is; all of a task have the same names.
        read: what was read, where that is a text.
    """

    place: int
    answer: str
    right: str
    numbers: Mapping[str, float]
    read: str = ""


class ShowsMistakes(ABC):
    """A task that can tell which of its models' answers are the most wrong."""

    @abstractmethod
    def mistakes(self, examples: Sequence[Example], outputs: Sequence[Any], most: int) -> list[Mistake]:
        """Return the most wrong answers to examples with targets, the worst first, `most` at most."""

    def source_text(self, record: Record) -> str:
        """Return the text that a record is read from, or the path; empty if it is neither."""
        return ""


def largest(sizes: Sequence[float], most: int) -> list[int]:
    """Return the places of the largest sizes above 0, in falling order, `most` at most."""
    places = [place for place, size in enumerate(sizes) if size > 0]
    return sorted(places, key=lambda place: -sizes[place])[:most]


class ReadsColumn(PredictsRecords, Generic[AnyInput]):
    """A task that reads one column of its records by an input.

    Attributes:
        columns: those that are read, and written.
        input: what reads the one.
    """

    columns: Columns
    input: AnyInput

    @property
    def reads(self) -> str:
        return self.input.kind

    @property
    def roles(self) -> Mapping[str, Sequence[str]]:
        """The columns that it learnt from."""
        return self.columns.roles()

    def record(self, value: Any, where: str) -> Record:
        parsed = self.input.parse(value) if isinstance(value, str) else value
        return Record({self.columns.input: parsed}, where)


class HasBeam(Ability):
    """A task whose predictions are looked for by a beam."""

    lacks = "a task that does not search with a beam"

    @abstractmethod
    def with_beam(self, width: int) -> Task:
        """Return the same task with another width of the beam; 1: greedy."""


class Calibratable(ABC):
    """A task whose networks' scores can be divided by a temperature."""

    @abstractmethod
    def soften(self, network: nn.Module, temperature: float) -> None:
        """Divide the scores that the network gives by `temperature`, from now on, in its weights."""


class FitsLast(ABC):
    """A task that fits a few of its networks' numbers to the validation part, when training has ended."""

    @abstractmethod
    def fit_last(self, network: nn.Module, valid: Sequence[Example]) -> str:
        """Fit them, in the network's weights; what was done in a line, "" if nothing."""


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
        """Name each step of an example's data as text; return nothing where steps are numbers."""


class EdgeLoss(ABC):
    """A task whose loss at one end of a sequence is not its loss with the other targets made padding."""

    @abstractmethod
    def ending(self, scores: Any, batch: Batch, *, last: bool) -> Tensor:
        """Sum the nats of the last step of each sequence alone, or of the first, over the sequences."""


class Exportable(ABC):
    """A task whose networks can be exported."""

    graphs: ClassVar[NetworkGraphs]
    """Each class of network that it builds, with its graphs."""


class Crops(ABC):
    """A task whose sequences are cut in a way of their own."""

    @abstractmethod
    def tail(self, example: Example, steps: int) -> Example:
        """Return the last steps of an example, as if nothing stood before them."""


class ShowsEvidence(ABC):
    """A task that can show how its models came to what they say."""

    @abstractmethod
    def evidence(
        self, network: nn.Module, examples: Sequence[Example], outputs: Sequence[Any]
    ) -> list[Evidence]:
        """Show evidence, such as where attention was, for examples and an output for each."""
