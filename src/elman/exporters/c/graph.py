"""A graph in C: one step of one sequence, as loops over arrays whose sizes are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

from elman.exporters.c import templates
from elman.exporters.c.cells import listed_step
from elman.exporters.graph import GraphValue, StepGraph, formula_of, refused
from elman.nn.cells.base import Cell
from elman.nn.kernels.base import Weights

_FUNCTIONS = {
    "Add": "{} + {}",
    "Sub": "{} - {}",
    "Mul": "{} * {}",
    "Div": "{} / {}",
    "Max": "fmaxf({}, {})",
    "Tanh": "tanhf({})",
    "Exp": "expf({})",
    "Relu": "fmaxf({}, 0.0f)",
    "Sigmoid": "sigmoid({})",
    "Softplus": "softplus({})",
}
"""What is computed of each number, by its name in ONNX."""


class CInput(NamedTuple):
    """What a step reads.

    Args:
        name: what it is called.
        size: how many symbols there are, or numbers.
        symbol: whether it is a symbol.
    """

    name: str
    size: int
    symbol: bool


@final
class CGraph(StepGraph):
    """A step as C: values are expressions that point at numbers."""

    streams = True

    def __init__(self) -> None:
        self.input: CInput | None = None
        self.states: dict[str, Tensor] = {}
        self.outputs: dict[str, int] = {}
        self.constants: list[str] = []
        self.lines: list[str] = []
        self.last: list[str] = []
        self.work = 0
        self._known: dict[tuple[int, tuple[int, ...], tuple[int, ...]], tuple[str, Tensor]] = {}

    # What comes in and goes out

    def symbols(self, name: str, count: int) -> GraphValue:
        self.input = CInput(name, count, True)
        return GraphValue("input")

    def features(self, name: str, width: int) -> GraphValue:
        self.input = CInput(name, width, False)
        return GraphValue("input", width)

    def output(self, name: str, value: GraphValue) -> None:
        self.outputs[name] = value.width
        self.last.append(_copied(f"output->{name}", value.name, value.width))

    def state(self, name: str, initial: Tensor) -> GraphValue:
        self.states[name] = initial
        return GraphValue(f"state->{name}", initial.shape[1])

    def keep(self, name: str, values: Sequence[GraphValue]) -> None:
        """See `StepGraph`: not before the end of the step, for others may still read the state."""
        for place, value in enumerate(values):
            there = _at(f"state->{name}", place * value.width)
            if there != value.name:
                self.last.append(_copied(there, value.name, value.width))

    def rows(self, state: GraphValue, first: int, count: int) -> GraphValue:
        return GraphValue(_at(state.name, first * state.width), state.width)

    def row(self, state: GraphValue, place: int) -> GraphValue:
        return self.rows(state, place, 1)

    # Arithmetic

    def lookup(self, symbols: GraphValue, table: Tensor) -> GraphValue:
        width = table.shape[1]
        return GraphValue(f"({self._constant(table)} + (size_t){symbols.name} * {width})", width)

    def linear(self, x: GraphValue, weight: Tensor, bias: Tensor | None = None) -> GraphValue:
        y = self._new(len(weight))
        self._begin(y, bias)
        self._product(y, x, weight)
        return y

    def apply(self, name: str, *operands: GraphValue | Tensor | float) -> GraphValue:
        width = max(_width(one) for one in operands)
        y = self._new(width)
        self._each(y.name, width, _FUNCTIONS[name].format(*(self._element(one, width) for one in operands)))
        return y

    def concat(self, values: Sequence[GraphValue]) -> GraphValue:
        if len(values) == 1:
            return values[0]
        y, place = self._new(sum(value.width for value in values)), 0
        for value in values:
            self.lines.append(_copied(_at(y.name, place), value.name, value.width))
            place += value.width
        return y

    def part(self, x: GraphValue, start: int, end: int) -> GraphValue:
        return GraphValue(_at(x.name, start), end - start)

    def same(self, x: GraphValue, symbol: int) -> GraphValue:
        y = self._new(x.width)
        self._each(y.name, x.width, f"{self._element(x, x.width)} == {symbol}.0f ? 1.0f : 0.0f")
        return y

    def total(self, x: GraphValue) -> GraphValue:
        """See `StepGraph`: the one step."""
        return x

    def most(self, x: GraphValue) -> GraphValue:
        """See `StepGraph`: the one step."""
        return x

    def count(self) -> GraphValue:
        """See `StepGraph`: the one step."""
        return GraphValue(self._constant(torch.ones(1)), 1)

    # Layers

    def layer(
        self, cell: Cell, weights: Sequence[Weights], x: GraphValue, before: Sequence[GraphValue], merge: str
    ) -> tuple[GraphValue, tuple[GraphValue, ...]]:
        """See `StepGraph`: the cell's list of operations."""
        (each,), size = weights, before[0].width
        formula = formula_of(cell, size)
        wx = self.wx(each, x).name
        arrays = {("input", gate): (_at(wx, gate * size), True) for gate in range(formula.gates)}
        arrays |= {("state", s): (state.name, True) for s, state in enumerate(before)}
        for place, own in enumerate(each.own):
            arrays["learnt", place] = self._constant(own.detach().reshape(-1)), own.dim() > 0

        def product(entering: str, first: int, last: int) -> str:
            return self.uh(each, GraphValue(entering, size), first * size, last * size).name

        def room(count: int) -> str:
            return self._new(count).name

        after = listed_step(formula, size, room, arrays, product, self.lines.extend)
        found = tuple(GraphValue(place, size) for place in after)
        return found[0], found

    def wx(self, each: Weights, x: GraphValue) -> GraphValue:
        """Return W x + b."""
        return self._normed(x, each.w_ih, each.b_ih, each.gain_ih, each)

    def uh(self, each: Weights, h: GraphValue, first: int, end: int) -> GraphValue:
        """Return U h + b', rows `first` to before `end`."""
        rows = slice(first, end)
        bias, gain = (None if part is None else part[rows] for part in (each.b_hh, each.gain_hh))
        return self._normed(h, each.w_hh[rows], bias, gain, each)

    def _normed(
        self, x: GraphValue, weight: Tensor, bias: Tensor | None, gain: Tensor | None, each: Weights
    ) -> GraphValue:
        if gain is None:
            return self.linear(x, weight, bias)
        y, size = self.linear(x, weight), each.w_hh.shape[1]
        self.lines.append(f"normalise({y.name}, {self._constant(gain)}, {len(weight) // size}, {size});")
        return y if bias is None else self.apply("Add", y, bias)

    # Text

    def _begin(self, y: GraphValue, bias: Tensor | None) -> None:
        if bias is None:
            self.lines.append(f"memset({y.name}, 0, {y.width} * sizeof(float));")
        else:
            self.lines.append(_copied(y.name, self._constant(bias), y.width))

    def _product(self, y: GraphValue, x: GraphValue, weight: Tensor) -> None:
        rows, columns = weight.shape
        table = self._constant(weight.detach().t())
        self.lines.append(f"product({table}, {x.name}, {y.name}, {columns}, {rows});")

    def _each(self, y: str, width: int, expression: str) -> None:
        self.lines.append(f"for (i = 0; i < {width}; i++)\n        ({y})[i] = {expression};")

    def _element(self, one: GraphValue | Tensor | float, width: int) -> str:
        if isinstance(one, float):
            return templates.number(one)
        name = one.name if isinstance(one, GraphValue) else self._constant(one)
        return f"({name})[{'i' if _width(one) > 1 or width == 1 else '0'}]"

    def _new(self, width: int) -> GraphValue:
        value = GraphValue(f"work + {self.work}", width)
        self.work += width
        return value

    def _constant(self, tensor: Tensor) -> str:
        key = tensor.data_ptr(), tuple(tensor.shape), tensor.stride()
        if key not in self._known:
            if not templates.finite(tensor):
                raise refused("the weights", "numbers that are not finite", remedy="train anew")
            name = f"w{len(self._known)}"
            self._known[key] = name, tensor  # kept, so that no other comes to its place
            self.constants.append(templates.array(name, tensor))
        return self._known[key][0]


def _width(one: GraphValue | Tensor | float) -> int:
    if isinstance(one, GraphValue):
        return one.width
    return one.numel() if isinstance(one, Tensor) else 1


def _at(name: str, place: int) -> str:
    """Return the pointer advanced by `place` numbers."""
    if not place:
        return name
    base, _, offset = name.rpartition(" + ")
    if base and offset.isdigit():
        return f"{base} + {int(offset) + place}"
    return f"{name} + {place}"


def _copied(to: str, start: str, count: int) -> str:
    return f"memcpy({to}, {start}, {count} * sizeof(float));"
