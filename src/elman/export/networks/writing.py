"""Networks that write of a source, translators and captioners: an encoder, and a step of the decoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from elman.attention import Additive, Attention, Dot, General, Memory
from elman.batch import Seq
from elman.convolution import Convolution, Norm, Unit
from elman.decoder import Decoder
from elman.encoder import Encoder, Pool
from elman.export.base import STATES, Graph, Named, Piece, Sizes, Tensors, Value
from elman.export.networks import common
from elman.export.networks.common import INPUT
from elman.tasks.caption.network import CaptionNetwork, Frames, Moving, Seen, Still
from elman.tasks.translate import TranslateNetwork

VALUES, KEYS, INSIDE, FED = "values", "keys", "inside", "fed"
SYMBOLS, SCORES, WEIGHTS = "symbols", "scores", "weights"
_READ = 4
"""Steps of the memory that decoders are tried on."""


class _Source(NamedTuple):
    """What an encoder makes: values [T, B, M] to look at, and a summary [B, S]."""

    values: Value
    summary: Value


class _Memory(NamedTuple):
    """What a decoder looks at: `Memory` as values of a graph."""

    values: Value
    keys: Value
    inside: Value


@final
class EncoderPiece(Piece):
    """Sources -> what a decoder looks at, and the state that it starts from."""

    name = "encoder"
    whole = True

    def __init__(self, network: TranslateNetwork | CaptionNetwork) -> None:
        self._network, self._decoder = network, network.decoder

    def describe(self, graph: Graph) -> None:
        """See `Piece`."""
        tensors = _tensors(graph)
        if isinstance(self._network, TranslateNetwork):
            source = _moving(tensors, self._network.encoder, self._network.summary)
        elif isinstance(self._network.source, Moving):
            source = _moving(tensors, self._network.source.encoder, self._network.source.summary)
        else:
            source = _still(tensors, self._network.source)
        self._give_memory(tensors, source)
        self._give_state(tensors, source.summary)

    def _give_memory(self, graph: Tensors, source: _Source) -> None:
        look, values = self._decoder.attention, source.values
        if look is None:
            values = Value(graph.op("Unsqueeze", source.summary, [0]).name, source.summary.width)
            keys, inside = values, graph.op("Expand", True, graph.op("Concat", [1], graph.batch, axis=0))
        else:
            keys = _KEYS[type(look)](graph, look, values)
            steps = graph.op("Gather", graph.op("Shape", values), [0])
            with common.over(graph, steps, graph.batch, graph.lengths):
                inside = graph.op("Squeeze", graph.inside(), [2])
        graph.give(VALUES, values, torch.float32, ["S", "B", values.width])
        graph.give(KEYS, keys, torch.float32, ["S", "B", keys.width])
        graph.give(INSIDE, inside, torch.bool, ["S", "B"])

    def _give_state(self, graph: Tensors, summary: Value) -> None:
        layers = self._decoder.recurrent
        start = graph.apply("Tanh", common.linear(graph, summary, self._decoder.bridge))
        part, size = layers.layers * layers.hidden_size, layers.hidden_size
        for place, name in enumerate(STATES[: layers.cell.states]):
            rows = graph.part(start, place * part, (place + 1) * part)
            wide = graph.op("Reshape", rows, [-1, layers.layers, size])
            shape = [layers.layers, "B", size]
            graph.give(name, graph.op("Transpose", wide, perm=[1, 0, 2]), torch.float32, shape)

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        """See `Piece`."""
        if isinstance(self._network, TranslateNetwork):
            return {INPUT: common.read_example(self._network.encoder.reader, sizes, generator)}
        source = self._network.source
        if isinstance(source, Moving) and not isinstance(source.encoder.reader, Frames):
            return {INPUT: common.read_example(source.encoder.reader, sizes, generator)}
        seen = source.seen if isinstance(source, Still) else source.encoder.reader.seen
        steps = 1 if isinstance(source, Still) else sizes.steps
        less = Sizes(steps, sizes.lengths.clamp(max=steps))
        assert isinstance(seen, Seen)
        return {INPUT: common.read_example(seen.pixels, less, generator)}

    def says(self, given: Named, lengths: Tensor | None) -> Named:
        """See `Piece`."""
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
class DecoderPiece(Piece):
    """One step of the decoder: the symbols [B] that were written last -> scores [B, V + 1] of the next.

    The last symbol is the border, which is read before the first one and written after the last one.
    """

    name = "decoder"
    whole = True

    def __init__(self, network: TranslateNetwork | CaptionNetwork) -> None:
        self.decoder = network.decoder

    def describe(self, graph: Graph) -> None:
        """See `Piece`."""
        graph, decoder = _tensors(graph), self.decoder
        symbols = graph.tensor(SYMBOLS, torch.int64, ["B"])
        row = graph.op("Unsqueeze", symbols, [0])
        graph.timed(row)
        graph.lengths = None
        sizes = self._sizes()
        values, keys = (
            Value(graph.tensor(name, torch.float32, ["S", "B", sizes[name]]).name, sizes[name])
            for name in (VALUES, KEYS)
        )
        inside = graph.tensor(INSIDE, torch.bool, ["S", "B"])
        x = graph.lookup(row, decoder.embedding.weight)
        if decoder.feed:
            x = graph.concat([x, graph.state(FED, torch.zeros(1, decoder.embedding.width))])
        hidden, _ = common.recurrent(graph, decoder.recurrent, x)
        if decoder.attention is None:
            context, seen = values, graph.op("Cast", inside, to=torch.float32)
        else:
            context, seen = _look(graph, decoder.attention, hidden, _Memory(values, keys, inside))
        features = common.linear(graph, graph.concat([context, hidden]), decoder.readout)
        features = graph.apply("Tanh", features)
        if decoder.feed:
            graph.keep(FED, [features])
        scores = graph.op("Squeeze", common.linear(graph, features, decoder.output), [0])
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
        """See `Piece`."""
        decoder, batch, wide = self.decoder, sizes.batch, self._sizes()
        steps = 1 if decoder.attention is None else _READ
        lengths = torch.randint(1, steps + 1, (batch,), generator=generator)
        memory = Sizes(steps, lengths)
        layers = decoder.recurrent
        shape = layers.layers, batch, layers.hidden_size
        state = {name: torch.randn(shape, generator=generator) for name in STATES[: layers.cell.states]}
        if decoder.feed:
            state[FED] = torch.randn(1, batch, decoder.embedding.width, generator=generator)
        return {
            SYMBOLS: torch.randint(decoder.border + 1, (batch,), generator=generator),
            VALUES: common.numbers(memory, wide[VALUES], generator),
            KEYS: common.numbers(memory, wide[KEYS], generator),
            INSIDE: torch.arange(steps)[:, None] < lengths,
            **state,
        }

    def says(self, given: Named, lengths: Tensor | None) -> Named:
        """See `Piece`."""
        memory = Memory(given[VALUES], given[KEYS], given[INSIDE])
        names = state_names(self.decoder)
        written = self.decoder(given[SYMBOLS][None], memory, tuple(given[name] for name in names))
        scores = self.decoder.output(written.features[-1])
        return {SCORES: scores, WEIGHTS: written.weights[-1], **dict(zip(names, written.state, strict=True))}

    def about(self) -> dict[str, Any]:
        """Which symbol is the border."""
        return {"border": self.decoder.border}


def pieces(network: TranslateNetwork | CaptionNetwork) -> list[Piece]:
    """The graphs of a network that writes."""
    return [EncoderPiece(network), DecoderPiece(network)]


def state_names(decoder: Decoder) -> tuple[str, ...]:
    """What the tensors of a decoder's state are called."""
    return STATES[: decoder.recurrent.cell.states] + (FED,) * decoder.feed


def _tensors(graph: Graph) -> Tensors:
    got, remedy = "a network that looks at a whole source", "export it to ONNX, without --streaming"
    return common.needs_tensors(graph, "the task", got, remedy)


# Sources


def _moving(graph: Tensors, encoder: Encoder, summary: Pool) -> _Source:
    vectors = (
        _films(graph, encoder.reader)
        if isinstance(encoder.reader, Frames)
        else common.read(graph, encoder.reader)
    )
    hidden, last = common.fresh(graph, encoder.recurrent, vectors)
    return _Source(hidden, common.last_states(graph, last[0], summary.directions))


def _still(graph: Tensors, source: Still) -> _Source:
    """The places of a picture's map [H' * W', B, width], and their mean."""
    maps = _maps(graph, source.seen)
    graph.lengths = None
    flat = graph.op("Reshape", maps, [0, 0, -1])
    values = graph.op("Add", graph.op("Transpose", flat, perm=[2, 0, 1]), source.places)
    mean = graph.op("ReduceMean", values, [0], keepdims=0)
    return _Source(Value(values.name, source.value_size), Value(mean.name, source.value_size, False))


def _films(graph: Tensors, reader: Frames) -> Value:
    """The means of the maps of each frame, [T, B, width]."""
    mean = graph.op("ReduceMean", _maps(graph, reader.seen), [2, 3], keepdims=0)
    shape = graph.op("Concat", graph.steps, graph.batch, [reader.width], axis=0)
    return Value(graph.op("Reshape", mean, shape).name, reader.width)


def _maps(graph: Tensors, seen: Seen) -> Value:
    """[T * B, width, H', W'] of pixels from 0 to 255."""
    height, width, channels = seen.pixels.shape
    pixels = common.read(graph, seen.pixels)
    planes = graph.op("Reshape", pixels, [-1, height, width, channels])
    return _convolution(graph, seen.convolution, graph.op("Transpose", planes, perm=[0, 3, 1, 2]))


def _convolution(graph: Tensors, network: Convolution, x: Value) -> Value:
    x = graph.op("Relu", _normed(graph, network.norm, _convolved(graph, network.first, x)))
    x = graph.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    for unit in network.rest:
        assert isinstance(unit, Unit)
        inner = graph.op("Relu", _normed(graph, unit.first_norm, _convolved(graph, unit.first, x)))
        inner = _normed(graph, unit.second_norm, _convolved(graph, unit.second, inner))
        x = graph.op("Relu", graph.op("Add", inner, _short(graph, unit, x)))
    return x


def _short(graph: Tensors, unit: Unit, x: Value) -> Value:
    if isinstance(unit.short, nn.Identity):
        return x
    halved = graph.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    return _convolved(graph, unit.short[1], halved)


def _convolved(graph: Tensors, layer: nn.Module, x: Value) -> Value:
    assert isinstance(layer, nn.Conv2d)
    bias = [] if layer.bias is None else [layer.bias]
    height, width = layer.padding  # pyrefly: ignore[bad-unpacking]
    return graph.op(
        "Conv", x, layer.weight, *bias, strides=list(layer.stride), pads=[height, width, height, width]
    )


def _normed(graph: Tensors, norm: Norm, x: Value) -> Value:
    return graph.op("BatchNormalization", x, norm.weight, norm.bias, norm.mean, norm.variance, epsilon=1e-5)


# Attention


def _look(graph: Tensors, look: Attention, hidden: Value, memory: _Memory) -> tuple[Value, Value]:
    """The context [1, B, M] of hidden states [1, B, H], and the weights [S, B] that it is a mean by."""
    scores = _SCORES[type(look)](graph, look, hidden, memory.keys)  # [S, B]
    there = graph.op("Where", memory.inside, scores, -1e30)
    weights = graph.op("Softmax", there, axis=0)
    shares = graph.op("Mul", memory.values, graph.op("Unsqueeze", weights, [2]))
    context = graph.op("ReduceSum", shares, [0], keepdims=1)
    return Value(context.name, look.value_size), weights


def _additive_keys(graph: Tensors, look: Attention, values: Value) -> Value:
    assert isinstance(look, Additive)
    return common.linear(graph, values, look.key)


def _general_keys(graph: Tensors, look: Attention, values: Value) -> Value:
    assert isinstance(look, General)
    return graph.linear(values, look.key.weight)


def _same_keys(graph: Tensors, look: Attention, values: Value) -> Value:
    return Value(graph.op("Identity", values).name, values.width)


def _additive(graph: Tensors, look: Attention, hidden: Value, keys: Value) -> Value:
    assert isinstance(look, Additive)
    both = graph.apply("Add", graph.linear(hidden, look.query.weight), keys)
    energy = graph.linear(graph.apply("Tanh", both), look.energy.weight)
    return graph.op("Squeeze", energy, [2])


def _products(graph: Tensors, look: Attention, hidden: Value, keys: Value) -> Value:
    return graph.op("ReduceSum", graph.op("Mul", keys, hidden), [2], keepdims=0)


_KEYS: dict[type[Attention], Callable[[Tensors, Attention, Value], Value]] = {
    Additive: _additive_keys,
    Dot: _same_keys,
    General: _general_keys,
}
_SCORES: dict[type[Attention], Callable[[Tensors, Attention, Value, Value], Value]] = {
    Additive: _additive,
    Dot: _products,
    General: _products,
}
