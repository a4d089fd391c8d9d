"""Associative memories: the whole recall is a loop of the graph, for its rounds are what it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor

from elman.core.records import Seq
from elman.exporters import layers as exporters_layers
from elman.exporters.graph import (
    ExportedGraph,
    GraphValue,
    Named,
    NetworkGraphs,
    Sizes,
    StepGraph,
    TensorGraph,
)
from elman.exporters.layers import INPUT
from elman.nn.hopfield import ROUNDING, SETTLED, Asynchronous, Modern, Synchronous
from elman.tasks.recall.networks import STILL, Attractor, Computed, Store

PATTERN, STEPS, REST = "pattern", "steps", "settled"


@final
class RecallPiece(ExportedGraph):
    """Damaged patterns [1, B, N] -> what they run to [B, N], after how many steps, and whether it rests."""

    whole = True

    def __init__(self, network: Store) -> None:
        self._network = network

    def build(self, graph: StepGraph) -> None:
        got, remedy = "a memory, which runs until it comes to rest", "export the whole to ONNX"
        graph = exporters_layers.needs_tensors(graph, "the task", got, remedy)
        data = graph.features(INPUT, self._network.patterns.shape[1])
        graph.lengths = None
        start = graph.op("Gather", data, -1, axis=0)
        network = self._network
        if isinstance(network, Attractor):
            found = _attracted(graph, network, start)
        else:
            assert isinstance(network, Computed)
            found = _computed(graph, network, start)
        shape = ["B", self._network.patterns.shape[1]]
        for name, value, kind, size in zip(
            (PATTERN, STEPS, REST),
            found,
            (torch.float32, torch.int64, torch.bool),
            (shape, shape[:1], shape[:1]),
            strict=True,
        ):
            graph.give(name, value, kind, size)

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        """See `ExportedGraph`: stored patterns with some signs turned."""
        patterns = self._network.patterns.detach()
        which = torch.randint(len(patterns), (sizes.batch,), generator=generator)
        turned = torch.rand(sizes.batch, patterns.shape[1], generator=generator) < 0.15
        return {INPUT: torch.where(turned, -patterns[which], patterns[which])[None]}

    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        found, _ = self._network(Seq(given[INPUT]))
        return {PATTERN: found.final, STEPS: found.steps, REST: found.settled}


def _computed(graph: TensorGraph, network: Computed, start: GraphValue) -> list[GraphValue]:
    memory, most = network.memory(), network.iterations
    update = _UPDATES[type(memory)](graph, memory, most)

    def body(inner: TensorGraph, states: Sequence[GraphValue], steps: Sequence[GraphValue]) -> Any:
        before, moving, taken = states
        changed = update(inner, before, steps[0])
        after = inner.op("Where", inner.op("Unsqueeze", moving, [1]), changed, before)
        moved = inner.op("ReduceMax", inner.op("Abs", inner.op("Sub", changed, before)), [1], keepdims=0)
        still = inner.op("And", moving, inner.op("Greater", moved, SETTLED))
        taken = inner.op("Add", taken, inner.op("Cast", still, to=torch.int64))
        return [after, still, taken], [_some(inner, still)]

    all_move = graph.op("Expand", True, graph.batch)
    none = graph.op("Expand", 0, graph.batch)
    kinds = torch.float32, torch.bool, torch.int64
    pattern, moving, taken = graph.loop(body, [start, all_move, none], most, kinds)
    return [pattern, taken, graph.op("Not", moving)]


def _some(graph: TensorGraph, where: GraphValue) -> GraphValue:
    """Whether one is true."""
    numbers = graph.op("Cast", where, to=torch.int32)
    return graph.op("Greater", graph.op("ReduceMax", numbers, keepdims=0), torch.tensor(0, dtype=torch.int32))


Update = Callable[[TensorGraph, GraphValue, GraphValue], GraphValue]
"""States [B, N], and the number of the step -> the states after it."""


def _modern(graph: TensorGraph, memory: Any, most: int) -> Update:
    assert isinstance(memory, Modern)
    patterns, beta = memory.patterns.detach(), memory.beta

    def update(inner: TensorGraph, states: GraphValue, step: GraphValue) -> GraphValue:
        near = inner.op("Sub", inner.op("MatMul", states, patterns.t()), patterns.square().sum(1) / 2)
        return inner.op("MatMul", inner.op("Softmax", inner.op("Mul", near, beta), axis=1), patterns)

    return update


def _synchronous(graph: TensorGraph, memory: Any, most: int) -> Update:
    assert isinstance(memory, Synchronous)
    weights = memory.weights.detach()

    def update(inner: TensorGraph, states: GraphValue, step: GraphValue) -> GraphValue:
        return _sign(inner, inner.op("MatMul", states, weights), states)

    return update


def _asynchronous(graph: TensorGraph, memory: Any, most: int) -> Update:
    """Unit after unit, in the orders that the memory has."""
    assert isinstance(memory, Asynchronous)
    weights = memory.weights.detach()
    orders = torch.tensor([memory.order(step) for step in range(most)])
    count = len(weights)

    def unit(inner: TensorGraph, states: Sequence[GraphValue], steps: Sequence[GraphValue]) -> Any:
        (units,), (row, weight) = states, steps  # [N, B], a number, [N]
        field = inner.op("MatMul", weight, units)
        old = inner.op("Gather", units, row, axis=0)
        mine = inner.op("Equal", inner.op("Range", 0, count, 1), row)
        new = inner.op("Unsqueeze", _sign(inner, field, old), [0])
        return [inner.op("Where", inner.op("Unsqueeze", mine, [1]), new, units)], []

    def update(inner: TensorGraph, states: GraphValue, step: GraphValue) -> GraphValue:
        order = inner.op("Gather", orders, step, axis=0)
        rows = inner.op("Gather", weights, order, axis=0)
        units = inner.op("Transpose", inner.op("Reshape", states, [-1, count]), perm=[1, 0])
        kinds = torch.float32, torch.int64, torch.float32
        (after,), _ = inner.scan(unit, [units], [order, rows], kinds=kinds)
        return inner.op("Transpose", after, perm=[1, 0])

    return update


_UPDATES: dict[type, Callable[[TensorGraph, Any, int], Update]] = {
    Modern: _modern,
    Synchronous: _synchronous,
    Asynchronous: _asynchronous,
}


def _sign(graph: TensorGraph, fields: GraphValue, states: GraphValue) -> GraphValue:
    """The sign of each field; where that is nearly 0, the state's own."""
    far = graph.op("Greater", graph.op("Abs", fields), ROUNDING)
    return graph.op("Sign", graph.op("Where", far, fields, states))


def _attracted(graph: TensorGraph, network: Attractor, start: GraphValue) -> list[GraphValue]:
    """A trained memory, which makes all of its steps."""
    layers, most = network.recurrent, network.iterations
    begun = exporters_layers.started(graph, exporters_layers.initial_states(layers))

    def body(inner: TensorGraph, states: Sequence[GraphValue], steps: Sequence[GraphValue]) -> Any:
        pattern, taken, _, *before = states
        x = GraphValue(inner.op("Unsqueeze", pattern, [0]).name, layers.input_size)
        parts = [
            [
                inner.rows(GraphValue(state.name, size), layer, 1)
                for state, size in zip(before, layers.state_sizes, strict=True)
            ]
            for layer in range(layers.layers)
        ]
        with exporters_layers.over(inner, inner.op("Identity", [1]), inner.batch, None):
            hidden, after = exporters_layers.stacked(inner, layers, x, parts)
        settled = inner.op(
            "Tanh", inner.op("Squeeze", exporters_layers.linear(inner, hidden, network.output), [0])
        )
        moved = inner.op("ReduceMax", inner.op("Abs", inner.op("Sub", settled, pattern)), [1], keepdims=0)
        moves = inner.op("Greater", moved, STILL)
        taken = inner.op("Where", moves, inner.op("Add", steps[0], 1), taken)
        kept = [inner.op("Concat", *state, axis=0) for state in zip(*after, strict=True)]
        return [settled, taken, moves, *kept], [inner.op("Identity", True)]

    none = graph.op("Expand", 0, graph.batch)
    moving = graph.op("Expand", True, graph.batch)
    kinds = torch.float32, torch.int64, torch.bool, *[torch.float32] * len(begun)
    pattern, taken, moves, *_ = graph.loop(body, [start, none, moving, *begun], most, kinds)
    return [pattern, taken, graph.op("Not", moves)]


GRAPHS: NetworkGraphs = {
    Attractor: lambda network, streams: [RecallPiece(network)],
    Computed: lambda network, streams: [RecallPiece(network)],
}
