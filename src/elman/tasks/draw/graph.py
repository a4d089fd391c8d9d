"""Networks that draw: how the next step is distributed, from nothing, a class or a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, final

import torch
from torch import Tensor, nn

from elman.core.records import Seq
from elman.exporters import layers as exporters_layers
from elman.exporters.graph import (
    STATES,
    ExportedGraph,
    GraphValue,
    Named,
    NetworkGraphs,
    Sizes,
    StepGraph,
    TensorGraph,
    refused,
)
from elman.exporters.layers import INPUT
from elman.nn.mixture_densities import MOST_CORRELATED, PEN_STATES, StepDistribution
from elman.nn.readers import InputLayer
from elman.nn.soft_window import SoftWindow
from elman.tasks.draw.features import FrameFeatures, Moves, NumberFeatures, Scaled
from elman.tasks.draw.heads import ChordHead, Head, Mixture, NotesHead, PenHead, ValuesHead
from elman.tasks.draw.network import Body, ClassBody, DrawNetwork, FreeBody, TextBody

VECTOR, CODES = "vector", "codes"
_UPPER = ("upper_h", "upper_c")
_TEXT = ("seen", "place")
_LETTERS = 5
"""Letters of the texts that are tried."""


@final
class StepPiece(ExportedGraph):
    """How the step after each is distributed, in the data's units; both less `offset`, where there is one."""

    def __init__(self, network: DrawNetwork) -> None:
        self._network = network
        self.name = "step" if network.led else ""

    def build(self, graph: StepGraph) -> None:
        x = _read(graph, self._network.reader)
        features = _BODIES[type(self._network.body)](graph, self._network.body, x)
        for name, value in _HEADS[type(self._network.head)](graph, self._network.head, features).items():
            graph.output(name, value)

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        reader = self._network.reader
        if isinstance(reader, Moves):
            moves = exporters_layers.numbers(sizes, 2, generator)
            pen = exporters_layers.symbols(sizes, PEN_STATES, generator)[..., None]
            steps = torch.cat([moves, pen.float()], 2)
        else:
            steps = exporters_layers.numbers(sizes, reader.width, generator)
        if not isinstance(self._network.body, TextBody):
            return {INPUT: steps}
        codes = _codes(self._network.body, _LETTERS, sizes.batch, generator)
        begun = self._network.body.begin(codes)
        return {INPUT: steps, "text": begun[-2], "inside": codes > 0}

    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        body = self._network.body
        data, names = given[INPUT], state_names(body)
        if isinstance(body, TextBody):
            blank = body.begin(torch.zeros(1, data.shape[1], dtype=torch.int64))
            text = given["text"], given["inside"].long()
            start = *(given.get(n, s) for n, s in zip(names, blank, strict=False)), *text
        else:
            blank = body.begin(torch.zeros(1, data.shape[1], dtype=torch.int64))
            start = tuple(given.get(n, s) for n, s in zip(names, blank, strict=True))
        features, state, _ = body(Seq(self._network.reader(data, lengths), lengths), start)
        parts = _named(self._network.head(features))
        return {**parts, **dict(zip(names, state, strict=False))}

    def starts(self) -> Named:
        """See `ExportedGraph`: that of each class, after that of none."""
        body = self._network.body
        if not isinstance(body, ClassBody):
            return {}
        begun = body.begin(torch.arange(body.embedding.num_embeddings)[None])
        return {name: part.transpose(0, 1) for name, part in zip(state_names(body), begun, strict=True)}

    def about(self) -> dict[str, Any]:
        """How many parts a mixture has; of chords the weights that a draw needs."""
        head, offset = self._network.head, self._network.offset
        if isinstance(head, Mixture):
            return {"mixture": head.count} | ({"offset": offset} if offset else {})
        if isinstance(head, ChordHead):
            return {"write": head.write.tolist(), "read": head.read.tolist()}
        return {}


@final
class BeginPiece(ExportedGraph):
    """What a sequence starts from: a class or a text as codes [U, B] -> the state before the first step."""

    name = "begin"
    whole = True

    def __init__(self, network: DrawNetwork) -> None:
        self._body = network.body

    def build(self, graph: StepGraph) -> None:
        remedy = "export to ONNX"
        tensors = graph if isinstance(graph, TensorGraph) else None
        if tensors is None:
            raise refused("what a drawing starts from", "a class or a text", remedy=remedy)
        codes = tensors.tensor(CODES, torch.int64, ["U", "B"])
        if isinstance(self._body, TextBody):
            self._describe_text(tensors, self._body, codes)
        else:
            assert isinstance(self._body, ClassBody)
            self._describe_class(tensors, self._body, codes)

    def _describe_text(self, graph: TensorGraph, body: TextBody, codes: GraphValue) -> None:
        vectors = graph.op("Gather", body.embedding.weight, codes)
        graph.give("text", vectors, torch.float32, ["U", "B", body.embedding.embedding_dim])
        graph.give("inside", graph.op("Greater", codes, 0), torch.bool, ["U", "B"])

    def _describe_class(self, graph: TensorGraph, body: ClassBody, codes: GraphValue) -> None:
        vector = GraphValue(
            graph.op("Gather", body.embedding.weight, graph.op("Gather", codes, 0, axis=0)).name,
            body.embedding.embedding_dim,
            False,
        )
        start = graph.apply("Tanh", exporters_layers.linear(graph, vector, body.bridge))
        exporters_layers.give_bridged(graph, body.recurrent, start)
        row = graph.op("Unsqueeze", vector, [0])
        graph.give(VECTOR, row, torch.float32, [1, "B", vector.width])

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        count = min(sizes.steps, _LETTERS) if isinstance(self._body, TextBody) else 1
        return {CODES: _codes(self._body, count, sizes.batch, generator)}

    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        begun = self._body.begin(given[CODES])
        if isinstance(self._body, TextBody):
            return {"text": begun[-2], "inside": begun[-1] > 0}
        return dict(zip(state_names(self._body), begun, strict=True))


def _pieces(network: DrawNetwork) -> list[ExportedGraph]:
    """The graphs of a network that draws."""
    return [BeginPiece(network), StepPiece(network)] if network.led else [StepPiece(network)]


def state_names(body: Body) -> tuple[str, ...]:
    """What the tensors of its state are called."""
    if isinstance(body, TextBody):
        own = STATES[: body.recurrent.cell.states]
        return *own, *(() if body.upper is None else _UPPER[: len(own)]), *_TEXT
    assert isinstance(body, FreeBody | ClassBody)
    own = STATES[: body.recurrent.cell.states]
    return (*own, VECTOR) if isinstance(body, ClassBody) else own


def _codes(body: Body, count: int, batch: int, generator: torch.Generator) -> Tensor:
    assert isinstance(body, ClassBody | TextBody)
    return torch.randint(1, body.embedding.num_embeddings, (count, batch), generator=generator)


# Readers


def _read(graph: StepGraph, reader: InputLayer) -> GraphValue:
    if isinstance(reader, FrameFeatures):
        return graph.features(INPUT, reader.width)
    assert isinstance(reader, Moves | NumberFeatures)
    data = graph.features(INPUT, 3 if isinstance(reader, Moves) else reader.width)
    if isinstance(reader, NumberFeatures):
        return _scaled(graph, reader, data)
    pen = graph.part(data, 2, 3)
    return graph.concat(
        [_scaled(graph, reader, graph.part(data, 0, 2)), *(graph.same(pen, s) for s in range(PEN_STATES))]
    )


def _scaled(graph: StepGraph, reader: Scaled, data: GraphValue) -> GraphValue:
    return graph.apply("Div", graph.apply("Sub", data, reader.centre), reader.deviation)


# Bodies


def _free(graph: StepGraph, body: nn.Module, x: GraphValue) -> GraphValue:
    assert isinstance(body, FreeBody)
    return exporters_layers.recurrent(graph, body.recurrent, x)[0]


def _of_class(graph: StepGraph, body: nn.Module, x: GraphValue) -> GraphValue:
    """From nothing, unless the state of a class is given."""
    assert isinstance(body, ClassBody)
    *initial, vector = (part[:, 0].detach() for part in body.begin(torch.zeros(1, 1, dtype=torch.int64)))
    beside = graph.row(graph.state(VECTOR, vector), 0)
    graph.keep(VECTOR, [beside])
    inside = graph.concat([x, beside])
    return exporters_layers.recurrent(graph, body.recurrent, inside, initial=initial)[0]


def _of_text(graph: StepGraph, body: nn.Module, x: GraphValue) -> GraphValue:
    """A first layer with a window over a text that is given, and the layers above."""
    assert isinstance(body, TextBody)
    if not isinstance(graph, TensorGraph):
        raise refused("the window over a text", "no end of characters", remedy="export to ONNX")
    size = body.embedding.embedding_dim
    text = graph.tensor("text", torch.float32, ["U", "B", size])
    inside = graph.tensor("inside", torch.bool, ["U", "B"])
    sees = _Sees(graph, body.window, text, inside, size)
    place = graph.row(graph.state("place", torch.zeros(1, body.window.bumps)), 0)
    blank = body.embedding.weight[:1].detach()
    seen = graph.row(graph.state("seen", blank), 0)
    if body.feed:
        hidden, context, after = _fed(graph, body, sees, x, seen, place)
    else:
        with exporters_layers.over(graph, graph.steps, graph.batch, None):
            hidden, _ = exporters_layers.recurrent(graph, body.recurrent, x)
        context, after = sees(graph, hidden, place)
    graph.keep("place", [after])
    last = graph.op("Gather", context, -1, axis=0)
    graph.keep("seen", [GraphValue(last.name, size, False)])
    features = graph.concat([hidden, context])
    if body.upper is None:
        return features
    above, _ = exporters_layers.recurrent(graph, body.upper, graph.concat([x, features]), _UPPER)
    return graph.concat([features, above])


class _Sees:
    """A window at steps: hidden states and a place -> contexts [T, B, V], and the place after them."""

    def __init__(
        self, graph: TensorGraph, window: SoftWindow, text: GraphValue, inside: GraphValue, size: int
    ) -> None:
        self._window, self._size = window, size
        self._values = graph.op("Transpose", text, perm=[1, 0, 2])  # [B, U, V]
        there = graph.op("Cast", inside, to=torch.float32)
        self._there = graph.op("Transpose", there, perm=[1, 0])  # [B, U]
        length = graph.op("Gather", graph.op("Shape", inside), 0)
        ends = graph.op("Add", length, 1)
        self._numbers = graph.op("Cast", graph.op("Range", 1, ends, 1), to=torch.float32)

    def __call__(
        self, graph: TensorGraph, hidden: GraphValue, place: GraphValue
    ) -> tuple[GraphValue, GraphValue]:
        bumps = self._window.bumps
        parts = graph.apply("Softplus", exporters_layers.linear(graph, hidden, self._window.say))
        alpha, beta, step = (graph.part(parts, i * bumps, (i + 1) * bumps) for i in range(3))
        places = graph.op("Add", place, graph.op("CumSum", step, 0))  # [T, B, K]
        off = graph.op("Sub", graph.op("Unsqueeze", places, [3]), self._numbers)  # [T, B, K, U]
        bend = graph.op("Mul", graph.op("Mul", off, off), graph.op("Unsqueeze", beta, [3]))
        parts = graph.op("Mul", graph.op("Unsqueeze", alpha, [3]), graph.op("Exp", graph.op("Neg", bend)))
        weights = graph.op("Mul", graph.op("ReduceSum", parts, [2], keepdims=0), self._there)  # [T, B, U]
        row = graph.op("Unsqueeze", weights, [2])
        context = graph.op("Squeeze", graph.op("MatMul", row, self._values), [2])
        after = graph.op("Gather", places, -1, axis=0)
        return GraphValue(context.name, self._size), GraphValue(after.name, bumps, False)


def _fed(
    graph: TensorGraph, body: TextBody, sees: _Sees, x: GraphValue, seen: GraphValue, place: GraphValue
) -> tuple[GraphValue, GraphValue, GraphValue]:
    """Step by step, for each reads what was seen at the one before: hidden states, contexts, the place."""
    layers, width = body.recurrent, x.width
    carried = [
        graph.state(name, start)
        for name, start in zip(STATES, exporters_layers.initial_states(layers), strict=False)
    ]

    def step(inner: TensorGraph, states: Sequence[GraphValue], steps: Sequence[GraphValue]) -> Any:
        *before, seen, place = states
        one = inner.op("Unsqueeze", inner.op("Concat", steps[0], seen, axis=1), [0])
        entering = GraphValue(one.name, width + sees._size)
        with exporters_layers.over(inner, inner.op("Identity", [1]), inner.batch, None):
            hidden, (after,) = exporters_layers.stacked(inner, layers, entering, [before])
            context, place = sees(inner, hidden, place)
        context = inner.op("Squeeze", context, [0])
        return [*after, context, place], [inner.op("Squeeze", hidden, [0]), context]

    (*after, _, place), (hidden, context) = graph.scan(step, [*carried, seen, place], [x])
    for name, state in zip(STATES, after, strict=False):
        graph.keep(name, [state])
    return GraphValue(hidden.name, layers.output_size), GraphValue(context.name, sees._size), place


_BODIES: dict[type[nn.Module], Callable[[StepGraph, nn.Module, GraphValue], GraphValue]] = {
    FreeBody: _free,
    ClassBody: _of_class,
    TextBody: _of_text,
}

# Heads


def _mixed(
    graph: StepGraph, head: nn.Module, features: GraphValue, channels: int
) -> tuple[dict[str, GraphValue], int]:
    """Logits, means and deviations in the data's units, and how many raw numbers those took."""
    assert isinstance(head, Mixture)
    raw, count = exporters_layers.linear(graph, features, head.output), head.count
    ends = count, count * (1 + channels), count * (1 + 2 * channels)
    centre, deviation = head.centre.repeat(count), head.deviation.repeat(count)
    mean = graph.apply("Mul", graph.part(raw, ends[0], ends[1]), deviation)
    wide = graph.apply("Softplus", graph.part(raw, ends[1], ends[2]))
    return {
        "logits": graph.part(raw, 0, ends[0]),
        "mean": graph.apply("Add", mean, centre),
        "std": graph.apply("Mul", graph.apply("Add", wide, head.least), deviation),
        "raw": raw,
    }, ends[2]


def _values(graph: StepGraph, head: nn.Module, features: GraphValue) -> dict[str, GraphValue]:
    assert isinstance(head, ValuesHead)
    parts, _ = _mixed(graph, head, features, len(head.centre))
    return {name: parts[name] for name in ("logits", "mean", "std")}


def _pen(graph: StepGraph, head: nn.Module, features: GraphValue) -> dict[str, GraphValue]:
    assert isinstance(head, PenHead)
    parts, used = _mixed(graph, head, features, 2)
    bent = graph.apply("Tanh", graph.part(parts["raw"], used, used + head.count))
    pen = graph.part(parts["raw"], used + head.count, used + head.count + PEN_STATES)
    named = {name: parts[name] for name in ("logits", "mean", "std")}
    return {**named, "rho": graph.apply("Mul", bent, MOST_CORRELATED), "pen": pen}


def _notes(graph: StepGraph, head: nn.Module, features: GraphValue) -> dict[str, GraphValue]:
    assert isinstance(head, NotesHead)
    return {"logits": exporters_layers.linear(graph, features, head.output)}


def _chord(graph: StepGraph, head: nn.Module, features: GraphValue) -> dict[str, GraphValue]:
    assert isinstance(head, ChordHead)
    raw, notes = exporters_layers.linear(graph, features, head.output), len(head.write)
    return {"bias": graph.part(raw, 0, notes), "start": graph.part(raw, notes, raw.width)}


_HEADS: dict[type[Head], Callable[[StepGraph, nn.Module, GraphValue], dict[str, GraphValue]]] = {
    PenHead: _pen,
    ValuesHead: _values,
    NotesHead: _notes,
    ChordHead: _chord,
}


def _named(distribution: StepDistribution) -> Named:
    """What a distribution is made of, the parts of a mixture in one axis."""
    found: Named = {}
    for field in fields(distribution):  # pyrefly: ignore[bad-argument-type]
        value = getattr(distribution, field.name)
        if field.name in ("write", "read"):
            continue
        found[field.name] = value.flatten(-2) if value.ndim == 4 else value
    return found


GRAPHS: NetworkGraphs = {
    DrawNetwork: lambda network, streams: _pieces(network),
}
