"""What an export is: a network described once, as operations that a target writes in its own language.

A description (`networks`) tells a `StepGraph` what is computed; `onnx` and `c` are graphs. What is described
is checked against the network itself, which no description may call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from elman.core.errors import TaskError
from elman.core.records import Seq, State
from elman.nn.cells.base import Cell
from elman.nn.formula.listing import listed
from elman.nn.formula.operations import Formula
from elman.nn.kernels.base import Weights

Named: TypeAlias = dict[str, Tensor]
"""What goes into or comes out of a graph, by name."""

STATES = ("h", "c", "n", "m")
"""What the states of a cell are called: the hidden state, and an LSTM's cell state; up to four."""

NEXT = "next_"
"""What stands before the name of a state that is given out."""

LENGTHS = "lengths"
"""What the number of steps of each sequence is called."""

MOST = 1 << 62
"""A length that is longer than any sequence."""


class GraphValue(NamedTuple):
    """A value that one operation passes to the next.

    Args:
        name: how the target calls it.
        width: the last axis of what it stands for.
        timed: whether that is [T, B, width], a row for each step, and not [B, width].
    """

    name: str
    width: int = 0
    timed: bool = True


class StepGraph(ABC):
    """Operations that every target has. Data are [T, B, width], or without time [B, width].

    Attributes:
        streams: whether a sequence comes in pieces, one call after the other, with the state in between.
    """

    streams: bool

    @abstractmethod
    def symbols(self, name: str, count: int) -> GraphValue:
        """Add an input of symbols [T, B], each below `count`."""

    @abstractmethod
    def features(self, name: str, width: int) -> GraphValue:
        """Add an input of numbers [T, B, width]."""

    @abstractmethod
    def output(self, name: str, value: GraphValue) -> None:
        """Give a value out."""

    @abstractmethod
    def state(self, name: str, initial: Tensor) -> GraphValue:
        """Add a state [R, B, W] that is carried from call to call, from `initial` [R, W] on."""

    @abstractmethod
    def keep(self, name: str, values: Sequence[GraphValue]) -> None:
        """Set what that state is after the call: its rows, one value after the other."""

    @abstractmethod
    def rows(self, state: GraphValue, first: int, count: int) -> GraphValue:
        """Return some rows [count, B, W] of a state."""

    @abstractmethod
    def row(self, state: GraphValue, place: int) -> GraphValue:
        """Return one row [B, W] of a state."""

    @abstractmethod
    def lookup(self, symbols: GraphValue, table: Tensor) -> GraphValue:
        """Look up the rows of a table [N, width] that stand at the symbols."""

    @abstractmethod
    def linear(self, x: GraphValue, weight: Tensor, bias: Tensor | None = None) -> GraphValue:
        """Return W x + b of each row; weight [out, in]."""

    @abstractmethod
    def apply(self, name: str, *operands: GraphValue | Tensor | float) -> GraphValue:
        """Apply a function element by element, by its ONNX name; a single column stands beside any width."""

    @abstractmethod
    def concat(self, values: Sequence[GraphValue]) -> GraphValue:
        """Join values along the last axis; one without time stands beside every step."""

    @abstractmethod
    def part(self, x: GraphValue, start: int, end: int) -> GraphValue:
        """Return the features from `start` to before `end`."""

    @abstractmethod
    def same(self, x: GraphValue, symbol: int) -> GraphValue:
        """Return 1 where a number of the last axis is `symbol`, else 0."""

    @abstractmethod
    def total(self, x: GraphValue) -> GraphValue:
        """Return the sum [B, width] of all steps within a sequence."""

    @abstractmethod
    def most(self, x: GraphValue) -> GraphValue:
        """Return the greatest [B, width] of all steps within a sequence."""

    @abstractmethod
    def count(self) -> GraphValue:
        """Return the number of steps of a sequence, [B, 1]."""

    @abstractmethod
    def layer(
        self, cell: Cell, weights: Sequence[Weights], x: GraphValue, before: Sequence[GraphValue], merge: str
    ) -> tuple[GraphValue, tuple[GraphValue, ...]]:
        """Run one layer in one or two directions.

        Args:
            cell: the algebra of a step.
            weights: of each direction.
            x: [T, B, F].
            before: S states [D, B, H].
            merge: the directions side by side ("concat"), or their sum.

        Returns:
            The hidden states at all steps, zero beyond a length, and S states [D, B, H] after the last one.
        """


class TensorGraph(StepGraph, ABC):
    """A graph of tensors of any shape, which computes whole sequences.

    Attributes:
        steps: T as an int64 tensor [1].
        batch: B as an int64 tensor [1].
        lengths: [B] int64; None where all are T long.
    """

    steps: GraphValue
    batch: GraphValue
    lengths: GraphValue | None

    @abstractmethod
    def tensor(self, name: str, kind: torch.dtype, shape: Sequence[str | int]) -> GraphValue:
        """Add an input of that shape; a size with a name may be any."""

    @abstractmethod
    def timed(self, value: GraphValue) -> None:
        """Let T and B be those of that input [T, B, ...]."""

    @abstractmethod
    def inside(self) -> GraphValue:
        """Return whether each step is within its sequence, [T, B, 1]."""

    @abstractmethod
    def op(self, name: str, *operands: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Apply an ONNX operator to values, tensors and numbers; return a value, or `outputs` of them."""

    @abstractmethod
    def give(self, name: str, value: GraphValue, kind: torch.dtype, shape: Sequence[str | int]) -> None:
        """Give a value of that shape out."""

    @abstractmethod
    def scan(
        self,
        body: Body,
        states: Sequence[GraphValue],
        steps: Sequence[GraphValue],
        *,
        kinds: Sequence[torch.dtype] = (),
        reverse: bool = False,
    ) -> tuple[list[GraphValue], list[GraphValue]]:
        """Run a body over the first axis of `steps`: the last states, and what it gave at every step.

        `kinds` are those of states and steps, in single precision if not given.
        """

    @abstractmethod
    def loop(
        self, body: Body, states: Sequence[GraphValue], most: int, kinds: Sequence[torch.dtype]
    ) -> list[GraphValue]:
        """Run a body, which gets the number of the round, while what it gives out is true."""


Body: TypeAlias = Callable[
    [TensorGraph, Sequence[GraphValue], Sequence[GraphValue]], tuple[list[GraphValue], list[GraphValue]]
]
"""What a scan or a loop does in each round, from states and steps to states and what it gives out."""


class Sizes(NamedTuple):
    """How large an example is.

    Args:
        steps: T.
        lengths: [B], each at most T.
    """

    steps: int
    lengths: Tensor

    @property
    def batch(self) -> int:
        """B."""
        return len(self.lengths)


class ExportedGraph(ABC):
    """One graph of a network: what it computes, and what the network itself says of the same inputs.

    Args:
        name: where a network needs several, what this one is called; empty where it is the only one.
    """

    name: str = ""
    whole: bool = False
    """Whether it needs whole sequences: then it does not stream."""

    @abstractmethod
    def build(self, graph: StepGraph) -> None:
        """Tell the graph what is computed.

        Raises:
            TaskError: the target has no way to compute a part.
        """

    @abstractmethod
    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        """Draw random inputs that the network takes, without lengths and states."""

    @abstractmethod
    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        """Run the network on inputs and, where given, states; return the states after it too."""

    def as_scores(self, outputs: Named) -> Any:
        """Return what the network would give a task as scores; None where several graphs make them."""
        return None

    def starts(self) -> Named:
        """Return states to start from beside the usual one, such as one a class: name -> [K, R, W]."""
        return {}

    def about(self) -> dict[str, Any]:
        """Return what a user of the graph must know beside the names, as JSON values."""
        return {}


NetworkGraphs = Mapping[type[nn.Module], Callable[[Any, bool], list[ExportedGraph]]]
"""Class of a network -> (a network of it, whether sequences come in pieces) -> its graphs."""


def states(given: Mapping[str, Tensor], names: Sequence[str] = STATES) -> State | None:
    """Return the states among inputs; None where there are none."""
    found = tuple(given[name] for name in names if name in given)
    return found or None


def refused(part: str, got: str, *, expected: str = "", remedy: str = "") -> TaskError:
    """Return the error to raise for a part of a network that a target cannot compute."""
    return TaskError(f"export of {part}", got, expected=expected, remedy=remedy)


def on_cpu(network: nn.Module) -> None:
    """Fail where the weights are elsewhere, or not in single precision."""
    for name, weight in network.named_parameters():
        if weight.device.type != "cpu" or weight.dtype != torch.float32:
            got = f"{weight.dtype} on {weight.device}"
            raise refused(name, got, expected="torch.float32 on cpu", remedy="load it with device='cpu'")


def sequence(given: Tensor, lengths: Tensor | None) -> Seq:
    """Return the inputs as sequences, dense ones without lengths."""
    return Seq(given, lengths)


def formula_of(cell: Cell, hidden: int) -> Formula:
    """Return the list of operations of a cell.

    Args:
        cell: of the layers.
        hidden: H.

    Raises:
        TaskError: its step is none.
    """
    formula, refusal = listed(cell, hidden)
    if formula is None:
        got, expected = f"the cell {cell.name!r}: {refusal}", "a step that is a list of operations"
        raise refused("the recurrent layers", got, expected=expected, remedy="see elman kernels")
    return formula
