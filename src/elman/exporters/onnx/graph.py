"""A graph in ONNX, of its own operators: RNN, LSTM and GRU for layers, and Scan where they do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, final

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor

from elman.exporters.graph import LENGTHS, MOST, NEXT, Body, GraphValue, TensorGraph, formula_of
from elman.exporters.onnx.cells import OPERATORS, has_operator, scanned
from elman.nn.cells.base import Cell
from elman.nn.kernels.base import Weights

OPSET, ML_OPSET, IR = 18, 2, 9
"""Old ones, so that what runs ONNX does not have to be new."""

_LEAST = -1e30
_KINDS = {
    torch.float32: onnx.TensorProto.FLOAT,
    torch.int32: onnx.TensorProto.INT32,
    torch.int64: onnx.TensorProto.INT64,
    torch.bool: onnx.TensorProto.BOOL,
}


class _File:
    """What a graph and the bodies in it have in common: constants, and names that are given once."""

    def __init__(self) -> None:
        self.constants: dict[str, onnx.TensorProto] = {}
        self._numbers = count()
        self._known: dict[tuple[Any, ...], tuple[str, Tensor]] = {}

    def name(self, kind: str) -> str:
        """Return a name that no other has."""
        return f"{kind}_{next(self._numbers)}"

    def constant(self, number: Any) -> str:
        """Return the name of a constant: one for each tensor, and for each number."""
        tensor = _tensor(number)
        small = tuple(tensor.flatten().tolist()) if tensor.numel() < 8 else tensor.data_ptr()
        key = small, tuple(tensor.shape), tensor.stride(), tensor.dtype
        if key not in self._known:
            name = self.name("constant")
            self._known[key] = name, tensor  # kept, so that no other comes to its place
            self.constants[name] = numpy_helper.from_array(tensor.contiguous().numpy(), name)
        return self._known[key][0]


def _tensor(number: Any) -> Tensor:
    if isinstance(number, Tensor):
        return number.detach().cpu()
    if isinstance(number, np.ndarray):
        return torch.from_numpy(number)
    kind = torch.float32 if isinstance(number, float) else None
    return torch.tensor(number, dtype=kind)


@final
class OnnxGraph(TensorGraph):
    """A graph, or a body in one.

    Inputs for which there is a value to start from, such as states and lengths, may be left out.

    Attributes:
        states: what is carried from call to call, and from what on.
        in_step: the outputs that have a row for each step.
        beside: the inputs that have not, and are given with every piece of a sequence.

    Args:
        streams: whether sequences come in pieces.
        around: the graph that this is a body of.
    """

    def __init__(self, *, streams: bool, around: OnnxGraph | None = None) -> None:
        self.streams = streams
        self._file = _File() if around is None else around._file
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: dict[str, onnx.ValueInfoProto] = {}
        self._outputs: dict[str, onnx.ValueInfoProto] = {}
        self.states: dict[str, Tensor] = {}
        self.in_step: set[str] = set()
        self.beside: set[str] = set()
        self._first: GraphValue | None = None
        if around is not None:
            self.steps, self.batch, self.lengths = around.steps, around.batch, around.lengths

    # What comes in and goes out

    def symbols(self, name: str, count: int) -> GraphValue:
        value = self.tensor(name, torch.int64, ["T", "B"])
        self.timed(value)
        return value

    def features(self, name: str, width: int) -> GraphValue:
        value = self.tensor(name, torch.float32, ["T", "B", width])
        self.timed(value)
        return value._replace(width=width)

    def tensor(self, name: str, kind: torch.dtype, shape: Sequence[str | int]) -> GraphValue:
        self._inputs[name] = helper.make_tensor_value_info(name, _KINDS[kind], list(shape))
        self.beside.add(name)
        return GraphValue(name, timed=len(shape) == 3)

    def timed(self, value: GraphValue) -> None:
        self.beside.discard(value.name)
        shape = self.op("Shape", value)
        self.steps, self.batch = (self.op("Slice", shape, [at], [at + 1], [0]) for at in (0, 1))
        self._first, self.lengths = self.steps, None
        if not self.streams:
            self._default(LENGTHS, torch.tensor([MOST]), ["B"])
            most = self.op("Min", GraphValue(LENGTHS), self.steps)
            self.lengths = self.op("Expand", most, self.batch)

    def output(self, name: str, value: GraphValue) -> None:
        steps = "T" if self.steps is self._first else "frames"
        shape = [steps, "B", value.width] if value.timed else ["B", value.width]
        self.give(name, value, torch.float32, shape)
        if value.timed:
            self.in_step.add(name)

    def give(self, name: str, value: GraphValue, kind: torch.dtype, shape: Sequence[str | int]) -> None:
        self._nodes.append(helper.make_node("Identity", [value.name], [name]))
        self._outputs[name] = helper.make_tensor_value_info(name, _KINDS[kind], list(shape))

    def state(self, name: str, initial: Tensor) -> GraphValue:
        rows, width = initial.shape
        self._default(name, initial[:, None], [rows, "B", width])
        self.states[name] = initial
        shape = self.op("Concat", [1], self.batch, [1], axis=0)
        return GraphValue(self.op("Expand", GraphValue(name), shape).name, width)

    def keep(self, name: str, values: Sequence[GraphValue]) -> None:
        found = [value if value.timed else self.op("Unsqueeze", value, [0]) for value in values]
        rows, width = self.states[name].shape
        both = found[0] if len(found) == 1 else self.op("Concat", *found, axis=0)
        self.give(NEXT + name, both, torch.float32, [rows, "B", width])

    def _default(self, name: str, number: Tensor, shape: Sequence[str | int]) -> None:
        """Make an input optional: left out, it has one column, which stands for all."""
        self._inputs[name] = helper.make_tensor_value_info(name, _KINDS[number.dtype], list(shape))
        self._file.constants[name] = numpy_helper.from_array(number.detach().contiguous().numpy(), name)

    # Arithmetic

    def op(self, name: str, *operands: Any, outputs: int = 1, **attributes: Any) -> Any:
        names = [one.name if isinstance(one, GraphValue) else self._file.constant(one) for one in operands]
        results = [self._file.name(name.lower()) for _ in range(outputs)]
        values: Any = {key: _KINDS[given] if key == "to" else given for key, given in attributes.items()}
        domain = "ai.onnx.ml" if name == "LabelEncoder" else ""
        node = helper.make_node(name, names, results, domain=domain, **values)
        self._nodes.append(node)
        found = [GraphValue(result) for result in results]
        return found[0] if outputs == 1 else found

    def operator(
        self, name: str, inputs: Sequence[GraphValue | None], outputs: int, **attributes: Any
    ) -> list[GraphValue]:
        """Add an operator some of whose inputs are left out."""
        results = [self._file.name(name.lower()) for _ in range(outputs)]
        names = ["" if one is None else one.name for one in inputs]
        self._nodes.append(helper.make_node(name, names, results, **attributes))
        return [GraphValue(result) for result in results]

    def constant(self, number: Any) -> GraphValue:
        """Return a constant as a value."""
        return GraphValue(self._file.constant(number))

    def rows(self, state: GraphValue, first: int, count: int) -> GraphValue:
        return GraphValue(self.op("Slice", state, [first], [first + count], [0]).name, state.width)

    def row(self, state: GraphValue, place: int) -> GraphValue:
        return GraphValue(self.op("Gather", state, place, axis=0).name, state.width, False)

    def lookup(self, symbols: GraphValue, table: Tensor) -> GraphValue:
        return GraphValue(self.op("Gather", table, symbols, axis=0).name, table.shape[1])

    def linear(self, x: GraphValue, weight: Tensor, bias: Tensor | None = None) -> GraphValue:
        y = self.op("MatMul", x, weight.detach().t())
        y = y if bias is None else self.op("Add", y, bias)
        return GraphValue(y.name, weight.shape[0], x.timed)

    def apply(self, name: str, *operands: GraphValue | Tensor | float) -> GraphValue:
        values = [one for one in operands if isinstance(one, GraphValue)]
        width = max(value.width for value in values)
        return GraphValue(self.op(name, *operands).name, width, any(value.timed for value in values))

    def concat(self, values: Sequence[GraphValue]) -> GraphValue:
        if len(values) == 1:
            return values[0]
        timed = any(value.timed for value in values)
        wide = [self._at_each_step(value) if timed and not value.timed else value for value in values]
        return GraphValue(self.op("Concat", *wide, axis=-1).name, sum(value.width for value in values), timed)

    def _at_each_step(self, value: GraphValue) -> GraphValue:
        shape = self.op("Concat", self.steps, [1, 1], axis=0)
        return self.op("Expand", value, shape)

    def part(self, x: GraphValue, start: int, end: int) -> GraphValue:
        return GraphValue(self.op("Slice", x, [start], [end], [-1]).name, end - start, x.timed)

    def same(self, x: GraphValue, symbol: int) -> GraphValue:
        equal = self.op("Equal", x, float(symbol))
        return GraphValue(self.op("Cast", equal, to=torch.float32).name, x.width, x.timed)

    # Over time

    def inside(self) -> GraphValue:
        times = self.op("Range", 0, self.op("Squeeze", self.steps), 1)
        lengths = self.lengths if self.lengths is not None else self.op("Expand", self.steps, self.batch)
        less = self.op("Less", self.op("Unsqueeze", times, [1]), self.op("Unsqueeze", lengths, [0]))
        return GraphValue(self.op("Unsqueeze", less, [2]).name, 1)

    def total(self, x: GraphValue) -> GraphValue:
        kept = x if self.lengths is None else self.op("Where", self.inside(), x, 0.0)
        return GraphValue(self.op("ReduceSum", kept, [0], keepdims=0).name, x.width, False)

    def most(self, x: GraphValue) -> GraphValue:
        kept = x if self.lengths is None else self.op("Where", self.inside(), x, _LEAST)
        return GraphValue(self.op("ReduceMax", kept, [0], keepdims=0).name, x.width, False)

    def count(self) -> GraphValue:
        lengths = self.lengths if self.lengths is not None else self.op("Expand", self.steps, self.batch)
        number = self.op("Cast", self.op("Unsqueeze", lengths, [1]), to=torch.float32)
        return GraphValue(number.name, 1, False)

    def layer(
        self, cell: Cell, weights: Sequence[Weights], x: GraphValue, before: Sequence[GraphValue], merge: str
    ) -> tuple[GraphValue, tuple[GraphValue, ...]]:
        """See `StepGraph`: an operator of ONNX's own, or a Scan of the cell's list of operations."""
        size = weights[0].w_hh.shape[1]
        if weights[0].gain_ih is None and has_operator(cell):
            y, after = self._own_layer(cell, weights, x, before)
        else:
            formula = formula_of(cell, size)
            runs = [scanned(self, formula, weights, x, before, run) for run in range(len(weights))]
            y = self.op("Concat", *(self.op("Unsqueeze", run[0], [1]) for run in runs), axis=1)
            after = tuple(
                self.op("Concat", *parts, axis=0) for parts in zip(*(r[1] for r in runs), strict=True)
            )
        wide = size * (len(weights) if merge == "concat" else 1)
        if merge == "concat":
            shape = self.op("Concat", self.steps, self.batch, [wide], axis=0)
            y = self.op("Reshape", self.op("Transpose", y, perm=[0, 2, 1, 3]), shape)
        else:
            y = self.op("ReduceSum", y, [1], keepdims=0)
        return GraphValue(y.name, wide), tuple(GraphValue(one.name, size) for one in after)

    def _own_layer(
        self, cell: Cell, weights: Sequence[Weights], x: GraphValue, before: Sequence[GraphValue]
    ) -> tuple[GraphValue, list[GraphValue]]:
        """Run RNN, LSTM or GRU: y [T, D, B, H] and the states [D, B, H] after it."""
        own = OPERATORS[cell.name]
        w, u, b = own.arrays(weights)
        lengths = None if self.lengths is None else self.op("Cast", self.lengths, to=torch.int32)
        inputs = [x, *map(self.constant, (w, u, b)), lengths, *before]
        attributes: dict[str, Any] = {"hidden_size": weights[0].w_hh.shape[1], **own.attributes}
        if own.activations:
            attributes["activations"] = list(own.activations) * len(weights)
        if len(weights) == 2:
            attributes["direction"] = "bidirectional"
        y, *after = self.operator(own.name, inputs, 1 + len(before), **attributes)
        return y, after

    def scan(
        self,
        body: Body,
        states: Sequence[GraphValue],
        steps: Sequence[GraphValue],
        *,
        kinds: Sequence[torch.dtype] = (),
        reverse: bool = False,
    ) -> tuple[list[GraphValue], list[GraphValue]]:
        kinds = kinds or [torch.float32] * (len(states) + len(steps))
        inner, before, each = self._body(states, steps, kinds)
        after, given = body(inner, before, each)
        outs = [*zip(after, kinds, strict=False), *((one, torch.float32) for one in given)]
        results = [self._file.name("scan") for _ in outs]
        way = [int(reverse)]
        node = helper.make_node(
            "Scan",
            [one.name for one in (*states, *steps)],
            results,
            body=inner._as_body([one.name for one in (*before, *each)], outs),
            num_scan_inputs=len(steps),
            scan_input_directions=way * len(steps),
            scan_output_directions=way * len(given) or None,
        )
        self._nodes.append(node)
        last = [
            GraphValue(result, state.width, state.timed)
            for result, state in zip(results, states, strict=False)
        ]
        return last, [GraphValue(result) for result in results[len(states) :]]

    def loop(
        self, body: Body, states: Sequence[GraphValue], most: int, kinds: Sequence[torch.dtype]
    ) -> list[GraphValue]:
        inner, before, _ = self._body(states, (), kinds)
        number, going = (self._file.name(name) for name in ("round", "going"))
        inner._inputs = {
            number: helper.make_tensor_value_info(number, onnx.TensorProto.INT64, []),
            going: helper.make_tensor_value_info(going, onnx.TensorProto.BOOL, []),
            **inner._inputs,
        }
        after, (on,) = body(inner, before, [GraphValue(number)])
        outs = [(on, torch.bool), *zip(after, kinds, strict=True)]
        results = [self._file.name("loop") for _ in states]
        names = [self._file.constant(most), self._file.constant(True), *(state.name for state in states)]
        graph = inner._as_body([number, going, *(one.name for one in before)], outs)
        self._nodes.append(helper.make_node("Loop", names, results, body=graph))
        return [
            GraphValue(result, state.width, state.timed)
            for result, state in zip(results, states, strict=True)
        ]

    def _body(
        self, states: Sequence[GraphValue], steps: Sequence[GraphValue], kinds: Sequence[torch.dtype]
    ) -> tuple[OnnxGraph, list[GraphValue], list[GraphValue]]:
        inner = OnnxGraph(streams=self.streams, around=self)
        found = []
        for outer, kind in zip((*states, *steps), kinds, strict=True):
            name = self._file.name("inner")
            inner._inputs[name] = helper.make_tensor_value_info(name, _KINDS[kind], None)
            found.append(GraphValue(name, outer.width, outer.timed and len(found) < len(states)))
        return inner, found[: len(states)], found[len(states) :]

    def _as_body(
        self, inputs: Sequence[str], outs: Sequence[tuple[GraphValue, torch.dtype]]
    ) -> onnx.GraphProto:
        infos, nodes = [], list(self._nodes)
        for value, kind in outs:
            name = self._file.name(
                "out"
            )  # a body may not hand on an input, or a value of the graph around it
            nodes.append(helper.make_node("Identity", [value.name], [name]))
            infos.append(helper.make_tensor_value_info(name, _KINDS[kind], None))
        return helper.make_graph(nodes, "body", [self._inputs[name] for name in inputs], infos)

    # The file

    def model(self, notes: dict[str, str]) -> onnx.ModelProto:
        """Return the graph as a model, with notes in its metadata, without what nothing needs."""
        nodes, needed = self._needed()
        inputs = [info for name, info in self._inputs.items() if name in needed]
        constants = [tensor for name, tensor in self._file.constants.items() if name in needed]
        graph = helper.make_graph(nodes, "elman", inputs, list(self._outputs.values()), constants)
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain for node in nodes):
            opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="elman")
        helper.set_model_props(model, notes)
        onnx.checker.check_model(model)
        return model

    def _needed(self) -> tuple[list[onnx.NodeProto], set[str]]:
        """Return the nodes that an output depends on, and the names that these read."""
        needed, kept = set(self._outputs), []
        for node in reversed(self._nodes):
            if needed & set(node.output):
                needed |= _read(node)
                kept.append(node)
        self.states = {name: start for name, start in self.states.items() if name in needed}
        return kept[::-1], needed


def _read(node: onnx.NodeProto) -> set[str]:
    """Return what a node reads, in its bodies too."""
    found = set(node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            found |= _read(inner)
    return found
