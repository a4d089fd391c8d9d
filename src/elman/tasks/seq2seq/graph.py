"""Networks that write a text for a source: an encoder, and a step of the decoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, final

import torch
from torch import Tensor

from elman.core.records import Seq
from elman.exporters import layers as exporters_layers
from elman.exporters.graph import STATES, ExportedGraph, GraphValue, Named, Sizes, StepGraph, TensorGraph
from elman.exporters.layers import INPUT
from elman.nn.attention import Additive, Attention, AttentionMemory, Dot, General
from elman.nn.decoder import Decoder
from elman.nn.encoder import Encoder
from elman.nn.masks import step_mask
from elman.nn.pooling import Pool

VALUES, KEYS, INSIDE, FED = "values", "keys", "inside", "fed"
SYMBOLS, SCORES, WEIGHTS = "symbols", "scores", "weights"
_READ = 4
"""Steps of the memory that decoders are tried on."""


class EncodedSource(NamedTuple):
    """What an encoder makes: values [T, B, M] to look at, and a summary [B, S]."""

    values: GraphValue
    summary: GraphValue


class _Memory(NamedTuple):
    """What a decoder looks at: `Memory` as values of a graph."""

    values: GraphValue
    keys: GraphValue
    inside: GraphValue


class Writes(Protocol):
    """A network that encodes a source, and has a decoder that writes of it."""

    decoder: Decoder

    def __call__(self, seq: Seq, /) -> Any:
        """What the decoder reads of a source, and no state."""
        ...


class EncoderPiece(ExportedGraph):
    """Sources -> what a decoder looks at, and the state that it starts from."""

    name = "encoder"
    whole = True

    def __init__(self, network: Writes) -> None:
        self._network: Any = network
        self._decoder = network.decoder

    def build(self, graph: StepGraph) -> None:
        tensors = _tensors(graph)
        source = self.source(tensors)
        self._give_memory(tensors, source)
        self._give_state(tensors, source.summary)

    def _give_memory(self, graph: TensorGraph, source: EncodedSource) -> None:
        attention, values = self._decoder.attention, source.values
        if attention is None:
            values = GraphValue(graph.op("Unsqueeze", source.summary, [0]).name, source.summary.width)
            keys, inside = values, graph.op("Expand", True, graph.op("Concat", [1], graph.batch, axis=0))
        else:
            keys = _KEYS[type(attention)](graph, attention, values)
            steps = graph.op("Gather", graph.op("Shape", values), [0])
            with exporters_layers.over(graph, steps, graph.batch, graph.lengths):
                inside = graph.op("Squeeze", graph.inside(), [2])
        graph.give(VALUES, values, torch.float32, ["S", "B", values.width])
        graph.give(KEYS, keys, torch.float32, ["S", "B", keys.width])
        graph.give(INSIDE, inside, torch.bool, ["S", "B"])

    def _give_state(self, graph: TensorGraph, summary: GraphValue) -> None:
        start = graph.apply("Tanh", exporters_layers.linear(graph, summary, self._decoder.bridge))
        exporters_layers.give_bridged(graph, self._decoder.recurrent, start)

    @abstractmethod
    def source(self, graph: TensorGraph) -> EncodedSource:
        """What the encoder makes of its input."""

    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        if given[INPUT].shape[0] == 1:
            lengths = None
        reading, _ = self._network(Seq(given[INPUT], lengths))
        memory = reading.memory
        found = {VALUES: memory.values, KEYS: memory.keys, INSIDE: memory.inside}
        return {**found, **dict(zip(STATES, reading.state[: self._states], strict=False))}

    @property
    def _states(self) -> int:
        return self._decoder.recurrent.cell.states


@final
class DecoderPiece(ExportedGraph):
    """One step of the decoder: the symbols [B] that were written last -> scores [B, V + 1] of the next.

    The last symbol is the border, which is read before the first one and written after the last one.
    """

    name = "decoder"
    whole = True

    def __init__(self, network: Writes) -> None:
        self.decoder = network.decoder

    def build(self, graph: StepGraph) -> None:
        graph, decoder = _tensors(graph), self.decoder
        symbols = graph.tensor(SYMBOLS, torch.int64, ["B"])
        row = graph.op("Unsqueeze", symbols, [0])
        graph.timed(row)
        graph.lengths = None
        sizes = self._sizes()
        values, keys = (
            GraphValue(graph.tensor(name, torch.float32, ["S", "B", sizes[name]]).name, sizes[name])
            for name in (VALUES, KEYS)
        )
        inside = graph.tensor(INSIDE, torch.bool, ["S", "B"])
        x = graph.lookup(row, decoder.embedding.weight)
        if decoder.feed:
            x = graph.concat([x, graph.state(FED, torch.zeros(1, decoder.embedding.width))])
        hidden, _ = exporters_layers.recurrent(graph, decoder.recurrent, x)
        if decoder.attention is None:
            context, seen = values, graph.op("Cast", inside, to=torch.float32)
        else:
            context, seen = _attend(graph, decoder.attention, hidden, _Memory(values, keys, inside))
        features = exporters_layers.linear(graph, graph.concat([context, hidden]), decoder.readout)
        features = graph.apply("Tanh", features)
        if decoder.feed:
            graph.keep(FED, [features])
        scores = graph.op("Squeeze", exporters_layers.linear(graph, features, decoder.output), [0])
        graph.give(SCORES, scores, torch.float32, ["B", decoder.border + 1])
        weights = graph.op("Transpose", seen, perm=[1, 0])
        graph.give(WEIGHTS, weights, torch.float32, ["B", "S"])

    def _sizes(self) -> dict[str, int]:
        """How wide values and keys are."""
        decoder = self.decoder
        if decoder.attention is None:
            size = decoder.readout.in_features - decoder.recurrent.output_size
            return {VALUES: size, KEYS: size}
        wide = decoder.attention.value_size
        keys = wide if isinstance(decoder.attention, Dot) else decoder.attention.query_size
        return {VALUES: wide, KEYS: keys}

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        decoder, batch, wide = self.decoder, sizes.batch, self._sizes()
        steps = 1 if decoder.attention is None else _READ
        lengths = torch.randint(1, steps + 1, (batch,), generator=generator)
        memory = Sizes(steps, lengths)
        layers = decoder.recurrent
        state = {
            name: torch.rand(layers.layers, batch, size, generator=generator)
            for name, size in zip(STATES, layers.state_sizes, strict=False)
        }
        if decoder.feed:
            state[FED] = torch.randn(1, batch, decoder.embedding.width, generator=generator)
        return {
            SYMBOLS: torch.randint(decoder.border + 1, (batch,), generator=generator),
            VALUES: exporters_layers.numbers(memory, wide[VALUES], generator),
            KEYS: exporters_layers.numbers(memory, wide[KEYS], generator),
            INSIDE: step_mask(torch.empty(steps, batch), lengths),
            **state,
        }

    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        memory = AttentionMemory(given[VALUES], given[KEYS], given[INSIDE])
        names = state_names(self.decoder)
        written = self.decoder(given[SYMBOLS][None], memory, tuple(given[name] for name in names))
        scores = self.decoder.output(written.features[-1])
        return {SCORES: scores, WEIGHTS: written.weights[-1], **dict(zip(names, written.state, strict=True))}

    def about(self) -> dict[str, Any]:
        """Which symbol is the border."""
        return {"border": self.decoder.border}


def state_names(decoder: Decoder) -> tuple[str, ...]:
    """What the tensors of a decoder's state are called."""
    return STATES[: decoder.recurrent.cell.states] + (FED,) * decoder.feed


def _tensors(graph: StepGraph) -> TensorGraph:
    got, remedy = "a network that looks at a whole source", "export it to ONNX, without --streaming"
    return exporters_layers.needs_tensors(graph, "the task", got, remedy)


# Sources


def moving(graph: TensorGraph, encoder: Encoder, vectors: GraphValue, summary: Pool) -> EncodedSource:
    """A source in time, by the hidden states of all its steps.

    Args:
        graph: that is described.
        encoder: of the network.
        vectors: what its layers read, [T, B, F].
        summary: how the whole is summed up.
    """
    hidden, last = exporters_layers.fresh(graph, encoder.recurrent, vectors)
    return EncodedSource(hidden, exporters_layers.last_states(graph, last[0], summary.directions))


# Attention


def _attend(
    graph: TensorGraph, attention: Attention, hidden: GraphValue, memory: _Memory
) -> tuple[GraphValue, GraphValue]:
    """The context [1, B, M] of hidden states [1, B, H], and the weights [S, B] that it is a mean by."""
    scores = _SCORES[type(attention)](graph, attention, hidden, memory.keys)  # [S, B]
    there = graph.op("Where", memory.inside, scores, -1e30)
    weights = graph.op("Softmax", there, axis=0)
    shares = graph.op("Mul", memory.values, graph.op("Unsqueeze", weights, [2]))
    context = graph.op("ReduceSum", shares, [0], keepdims=1)
    return GraphValue(context.name, attention.value_size), weights


def _additive_keys(graph: TensorGraph, attention: Attention, values: GraphValue) -> GraphValue:
    assert isinstance(attention, Additive)
    return exporters_layers.linear(graph, values, attention.key)


def _general_keys(graph: TensorGraph, attention: Attention, values: GraphValue) -> GraphValue:
    assert isinstance(attention, General)
    return graph.linear(values, attention.key.weight)


def _same_keys(graph: TensorGraph, attention: Attention, values: GraphValue) -> GraphValue:
    return GraphValue(graph.op("Identity", values).name, values.width)


def _additive(graph: TensorGraph, attention: Attention, hidden: GraphValue, keys: GraphValue) -> GraphValue:
    assert isinstance(attention, Additive)
    both = graph.apply("Add", graph.linear(hidden, attention.query.weight), keys)
    energy = graph.linear(graph.apply("Tanh", both), attention.energy.weight)
    return graph.op("Squeeze", energy, [2])


def _products(graph: TensorGraph, attention: Attention, hidden: GraphValue, keys: GraphValue) -> GraphValue:
    return graph.op("ReduceSum", graph.op("Mul", keys, hidden), [2], keepdims=0)


_KEYS: dict[type[Attention], Callable[[TensorGraph, Attention, GraphValue], GraphValue]] = {
    Additive: _additive_keys,
    Dot: _same_keys,
    General: _general_keys,
}
_SCORES: dict[type[Attention], Callable[[TensorGraph, Attention, GraphValue, GraphValue], GraphValue]] = {
    Additive: _additive,
    Dot: _products,
    General: _products,
}
