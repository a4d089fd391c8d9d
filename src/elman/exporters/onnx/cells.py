"""Cells in ONNX: the operators that are theirs, and a step of those that have none, being normalised."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from elman.exporters.graph import GraphValue, TensorGraph, refused
from elman.nn.cells import registry
from elman.nn.cells.base import Cell
from elman.nn.kernels.base import Weights


class Operator(NamedTuple):
    """An operator of ONNX's own.

    Args:
        name: RNN, LSTM or GRU.
        gates: where its gates stand among ours, in its order.
        attributes: what it has to be told.
        activations: of a direction, where they are not the usual ones.
        step: the algebra of a step: W x, a product U h of some gates, states -> states.
    """

    name: str
    gates: tuple[int, ...]
    attributes: Mapping[str, Any]
    activations: tuple[str, ...]
    step: Step

    def arrays(self, weights: Sequence[Weights]) -> tuple[Tensor, Tensor, Tensor]:
        """W [D, G * H, F], R [D, G * H, H] and B [D, 2 G * H], gates in its order."""
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
Step = Callable[[TensorGraph, GraphValue, Recur, Sequence[GraphValue], int], list[GraphValue]]


def _gates(graph: TensorGraph, both: GraphValue, count: int, size: int) -> list[GraphValue]:
    return [graph.op("Slice", both, [i * size], [(i + 1) * size], [-1]) for i in range(count)]


def _rnn(bend: str) -> Step:
    def step(
        graph: TensorGraph, wx: GraphValue, recur: Recur, state: Sequence[GraphValue], size: int
    ) -> list[GraphValue]:
        return [graph.op(bend, graph.op("Add", wx, recur(state[0], 0, 1)))]

    return step


def _lstm(
    graph: TensorGraph, wx: GraphValue, recur: Recur, state: Sequence[GraphValue], size: int
) -> list[GraphValue]:
    i, f, g, o = _gates(graph, graph.op("Add", wx, recur(state[0], 0, 4)), 4, size)
    kept = graph.op("Mul", graph.op("Sigmoid", f), state[1])
    c = graph.op("Add", kept, graph.op("Mul", graph.op("Sigmoid", i), graph.op("Tanh", g)))
    return [graph.op("Mul", graph.op("Sigmoid", o), graph.op("Tanh", c)), c]


def _gru(
    graph: TensorGraph, wx: GraphValue, recur: Recur, state: Sequence[GraphValue], size: int
) -> list[GraphValue]:
    w, u = (_gates(graph, both, 3, size) for both in (wx, recur(state[0], 0, 3)))
    r, z = (graph.op("Sigmoid", graph.op("Add", w[i], u[i])) for i in (0, 1))
    return [_moved(graph, graph.op("Add", w[2], graph.op("Mul", r, u[2])), z, state[0])]


def _gru_before(
    graph: TensorGraph, wx: GraphValue, recur: Recur, state: Sequence[GraphValue], size: int
) -> list[GraphValue]:
    w, u = _gates(graph, wx, 3, size), _gates(graph, recur(state[0], 0, 2), 2, size)
    r, z = (graph.op("Sigmoid", graph.op("Add", w[i], u[i])) for i in (0, 1))
    product = recur(graph.op("Mul", r, state[0]), 2, 3)
    return [_moved(graph, graph.op("Add", w[2], product), z, state[0])]


def _moved(graph: TensorGraph, proposal: GraphValue, z: GraphValue, h: GraphValue) -> GraphValue:
    n = graph.op("Tanh", proposal)
    return graph.op("Add", n, graph.op("Mul", z, graph.op("Sub", h, n)))


OPERATORS: dict[str, Operator] = {
    "rnn": Operator("RNN", (0,), {}, (), _rnn("Tanh")),
    "rnn_relu": Operator("RNN", (0,), {}, ("Relu",), _rnn("Relu")),
    "lstm": Operator("LSTM", (0, 3, 1, 2), {}, (), _lstm),
    "gru": Operator("GRU", (1, 0, 2), {"linear_before_reset": 1}, (), _gru),
    "gru_reset_before": Operator("GRU", (1, 0, 2), {"linear_before_reset": 0}, (), _gru_before),
}
"""By the name of a cell: ONNX's order is i o f c of an LSTM, z r h of a GRU."""


def operator(cell: Cell) -> Operator:
    """The operator of a cell.

    Raises:
        TaskError: it has none, such as a cell of your own.
    """
    if cell.name in OPERATORS and cell == registry.get(cell.name):
        return OPERATORS[cell.name]
    expected = ", ".join(OPERATORS)
    raise refused(
        "the recurrent layers", f"the cell {cell.name!r}", expected=expected, remedy="train one of these"
    )


def normed(
    graph: TensorGraph,
    own: Operator,
    weights: Sequence[Weights],
    x: GraphValue,
    before: Sequence[GraphValue],
    direction: int,
) -> tuple[GraphValue, list[GraphValue]]:
    """A layer-normalised layer in one direction: y [T, B, H], and the states [1, B, H] after it."""
    each, size, gates = weights[direction], weights[0].w_hh.shape[1], len(own.gates)
    assert each.gain_ih is not None
    wx = product(graph, x, each.w_ih, each.gain_ih, each.b_ih, gates)
    starts = [graph.row(state, direction) for state in before]
    lengths = graph.lengths

    def step(inner: TensorGraph, states: Sequence[GraphValue], steps: Sequence[GraphValue]) -> Any:
        def recur(h: GraphValue, first: int, end: int) -> GraphValue:
            rows = slice(first * size, end * size)
            assert each.gain_hh is not None
            bias = None if each.b_hh is None else each.b_hh[rows]
            return product(inner, h, each.w_hh[rows], each.gain_hh[rows], bias, end - first)

        after = own.step(inner, steps[0], recur, states, size)
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
    graph: TensorGraph, x: GraphValue, weight: Tensor, gain: Tensor, bias: Tensor | None, gates: int
) -> GraphValue:
    """`W x + b` with each gate normalised over its H before gain and bias (Ba et al. 2016)."""
    size = len(weight) // gates
    y = graph.op("MatMul", x, weight.detach().t())
    shape = graph.op("Shape", y)
    wide = graph.op(
        "Reshape", y, graph.op("Concat", graph.op("Slice", shape, [0], [-1], [0]), [gates, size], axis=0)
    )
    ones = torch.ones(size)
    even = graph.op("LayerNormalization", wide, ones, axis=-1, epsilon=1e-5)
    scaled = graph.op("Mul", graph.op("Reshape", even, shape), gain)
    return scaled if bias is None else graph.op("Add", scaled, bias)
