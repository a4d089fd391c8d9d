"""Cells in ONNX: the operators that are theirs, and a step of those that have none, by their lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from elman.exporters.graph import GraphValue, TensorGraph
from elman.nn.cells import registry
from elman.nn.cells.base import Cell
from elman.nn.formula.operations import Formula
from elman.nn.kernels.base import Weights


class Operator(NamedTuple):
    """An operator of ONNX's own.

    Args:
        name: RNN, LSTM or GRU.
        gates: where its gates stand among ours, in its order.
        attributes: the node's attributes.
        activations: of a direction, where they are not the usual ones.
    """

    name: str
    gates: tuple[int, ...]
    attributes: Mapping[str, Any]
    activations: tuple[str, ...]

    def arrays(self, weights: Sequence[Weights]) -> tuple[Tensor, Tensor, Tensor]:
        """Return W [D, G * H, F], R [D, G * H, H] and B [D, 2 G * H], gates in its order."""
        w, u, b = [], [], []
        for each in weights:
            rows = len(each.w_ih)
            none = each.w_ih.new_zeros(rows)
            biases = [none if bias is None else bias for bias in (each.b_ih, each.b_hh)]
            w.append(self._ordered(each.w_ih))
            u.append(self._ordered(each.w_hh))
            b.append(torch.cat([self._ordered(bias) for bias in biases]))
        return torch.stack(w).detach(), torch.stack(u).detach(), torch.stack(b).detach()

    def _ordered(self, rows: Tensor) -> Tensor:
        parts = rows.detach().chunk(len(self.gates))
        return torch.cat([parts[gate] for gate in self.gates])


Recur = Callable[[GraphValue, int, int], GraphValue]
"""A hidden state, and from which gate to before which -> their product."""


OPERATORS: dict[str, Operator] = {
    "rnn": Operator("RNN", (0,), {}, ()),
    "rnn_relu": Operator("RNN", (0,), {}, ("Relu",)),
    "lstm": Operator("LSTM", (0, 3, 1, 2), {}, ()),
    "gru": Operator("GRU", (1, 0, 2), {"linear_before_reset": 1}, ()),
    "gru_reset_before": Operator("GRU", (1, 0, 2), {"linear_before_reset": 0}, ()),
}
"""By the name of a cell: ONNX's order is i o f c of an LSTM, z r h of a GRU. Others are Scans."""

_NAMES = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "neg": "Neg", "min": "Min", "max": "Max"}
_NAMES |= {"abs": "Abs", "relu": "Relu", "sqrt": "Sqrt", "exp": "Exp", "log": "Log", "softplus": "Softplus"}
_NAMES |= {"sin": "Sin", "cos": "Cos", "sigmoid": "Sigmoid", "tanh": "Tanh"}
_COMPARED = {"greater": "Greater", "greater_equal": "GreaterOrEqual", "equal": "Equal"}


def operated(
    graph: TensorGraph,
    formula: Formula,
    wx: GraphValue,
    recur: Recur,
    state: Sequence[GraphValue],
    learnt: Sequence[Tensor],
) -> list[GraphValue]:
    """Take a step by ONNX operators: W x, products, states and the cell's own parameters -> states."""
    size = state[0].width
    gates = _gates(graph, wx, formula.gates, size)
    values: list[Any] = []
    products = dict[int, GraphValue]()
    for value, op in enumerate(formula.operations):
        sources = {"input": gates, "state": state, "product": products, "learnt": learnt}
        if op.name == "constant":
            values.append(op.number)
        elif op.name in sources:
            values.append(sources[op.name][op.index])
        else:
            values.append(_operation(graph, op.name, [values[arg] for arg in op.args]))
        for entering, first, last in formula.products:
            if entering == value:
                made = _gates(graph, recur(values[value], first, last), last - first, size)
                products |= dict(enumerate(made, first))
    return [values[result] for result in formula.results]


def _operation(graph: TensorGraph, name: str, args: Sequence[Any]) -> GraphValue:
    if name == "sigmoid_rest":
        return graph.op("Sub", 1.0, args[0])
    if name == "clamp":
        return graph.op("Min", graph.op("Max", *args[:2]), args[2])
    if name == "select":
        return graph.op("Where", graph.op("Not", graph.op("Equal", args[0], 0.0)), *args[1:])
    if name in _COMPARED:
        return graph.op("Cast", graph.op(_COMPARED[name], *args), to=torch.float32)
    return graph.op(_NAMES[name], *args)


def _gates(graph: TensorGraph, both: GraphValue, count: int, size: int) -> list[GraphValue]:
    return [graph.op("Slice", both, [i * size], [(i + 1) * size], [-1]) for i in range(count)]


def has_operator(cell: Cell) -> bool:
    """Return whether a cell is one of ONNX's own operators."""
    return cell.name in OPERATORS and cell == registry.get(cell.name)


def scanned(
    graph: TensorGraph,
    formula: Formula,
    weights: Sequence[Weights],
    x: GraphValue,
    before: Sequence[GraphValue],
    direction: int,
) -> tuple[GraphValue, list[GraphValue]]:
    """Run a list of operations in one direction: y [T, B, H], and the states [1, B, H] after it."""
    each, size = weights[direction], weights[0].w_hh.shape[1]
    wx = product(graph, x, each.w_ih, each.gain_ih, each.b_ih, formula.gates)
    starts = [GraphValue(graph.row(state, direction).name, size) for state in before]
    lengths = graph.lengths

    def step(inner: TensorGraph, states: Sequence[GraphValue], steps: Sequence[GraphValue]) -> Any:
        def recur(h: GraphValue, first: int, end: int) -> GraphValue:
            rows = slice(first * size, end * size)
            bias, gain = (None if part is None else part[rows] for part in (each.b_hh, each.gain_hh))
            return product(inner, h, each.w_hh[rows], gain, bias, end - first)

        own = [parameter.detach() for parameter in each.own]
        sized = [GraphValue(state.name, size) for state in states]
        after = operated(inner, formula, steps[0], recur, sized, own)
        if lengths is None:
            return after, [after[0]]
        kept = [inner.op("Where", steps[1], new, old) for new, old in zip(after, states, strict=True)]
        return kept, [inner.op("Where", steps[1], after[0], 0.0)]

    steps, kinds = [wx], [torch.float32] * (len(starts) + 1)
    if lengths is not None:
        steps, kinds = [wx, graph.inside()], [*kinds, torch.bool]
    after, (y,) = graph.scan(step, starts, steps, kinds=kinds, reverse=direction == 1)
    return y, [graph.op("Unsqueeze", state, [0]) for state in after]


def product(
    graph: TensorGraph, x: GraphValue, weight: Tensor, gain: Tensor | None, bias: Tensor | None, gates: int
) -> GraphValue:
    """Return `W x + b`; with a gain, each gate is normalised over its H before it (Ba et al. 2016)."""
    size = len(weight) // gates
    y = graph.op("MatMul", x, weight.detach().t().contiguous())
    if gain is None:
        return y if bias is None else graph.op("Add", y, bias.detach())
    shape = graph.op("Shape", y)
    wide = graph.op(
        "Reshape", y, graph.op("Concat", graph.op("Slice", shape, [0], [-1], [0]), [gates, size], axis=0)
    )
    ones = torch.ones(size)
    even = graph.op("LayerNormalization", wide, ones, axis=-1, epsilon=1e-5)
    scaled = graph.op("Mul", graph.op("Reshape", even, shape), gain)
    return scaled if bias is None else graph.op("Add", scaled, bias)
