"""The exported graph of a captioner's encoder: pictures, films, features."""

from __future__ import annotations

from typing import final

import torch
from torch import nn

from elman.exporters import layers
from elman.exporters.graph import GraphValue, Named, NetworkGraphs, Sizes, TensorGraph
from elman.exporters.layers import INPUT
from elman.nn.convolution import Convolution, Norm, Unit
from elman.tasks.caption.network import CaptionNetwork, FilmInput, ImageMaps, Moving, Still
from elman.tasks.seq2seq.graph import DecoderPiece, EncodedSource, EncoderPiece, moving


def _still(graph: TensorGraph, source: Still) -> EncodedSource:
    """The places of a picture's map [H' * W', B, width], and their mean."""
    maps = _maps(graph, source.seen)
    graph.lengths = None
    flat = graph.op("Reshape", maps, [0, 0, -1])
    values = graph.op("Add", graph.op("Transpose", flat, perm=[2, 0, 1]), source.places)
    mean = graph.op("ReduceMean", values, [0], keepdims=0)
    return EncodedSource(
        GraphValue(values.name, source.value_size), GraphValue(mean.name, source.value_size, False)
    )


def _films(graph: TensorGraph, reader: FilmInput) -> GraphValue:
    """The means of the maps of each frame, [T, B, width]."""
    mean = graph.op("ReduceMean", _maps(graph, reader.seen), [2, 3], keepdims=0)
    shape = graph.op("Concat", graph.steps, graph.batch, [reader.width], axis=0)
    return GraphValue(graph.op("Reshape", mean, shape).name, reader.width)


def _maps(graph: TensorGraph, seen: ImageMaps) -> GraphValue:
    """[T * B, width, H', W'] of pixels from 0 to 255."""
    height, width, channels = seen.pixels.shape
    pixels = layers.read(graph, seen.pixels)
    planes = graph.op("Reshape", pixels, [-1, height, width, channels])
    return _convolution(graph, seen.convolution, graph.op("Transpose", planes, perm=[0, 3, 1, 2]))


def _convolution(graph: TensorGraph, network: Convolution, x: GraphValue) -> GraphValue:
    x = graph.op("Relu", _normed(graph, network.norm, _convolved(graph, network.first, x)))
    x = graph.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    for unit in network.rest:
        assert isinstance(unit, Unit)
        inner = graph.op("Relu", _normed(graph, unit.first_norm, _convolved(graph, unit.first, x)))
        inner = _normed(graph, unit.second_norm, _convolved(graph, unit.second, inner))
        x = graph.op("Relu", graph.op("Add", inner, _short(graph, unit, x)))
    return x


def _short(graph: TensorGraph, unit: Unit, x: GraphValue) -> GraphValue:
    if isinstance(unit.short, nn.Identity):
        return x
    halved = graph.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    return _convolved(graph, unit.short[1], halved)


def _convolved(graph: TensorGraph, layer: nn.Module, x: GraphValue) -> GraphValue:
    assert isinstance(layer, nn.Conv2d)
    bias = [] if layer.bias is None else [layer.bias]
    height, width = layer.padding  # pyrefly: ignore[bad-unpacking]
    return graph.op(
        "Conv", x, layer.weight, *bias, strides=list(layer.stride), pads=[height, width, height, width]
    )


def _normed(graph: TensorGraph, norm: Norm, x: GraphValue) -> GraphValue:
    return graph.op("BatchNormalization", x, norm.weight, norm.bias, norm.mean, norm.variance, epsilon=1e-5)


@final
class CaptionEncoder(EncoderPiece):
    """The encoder of a captioner: a picture, a film or features -> what its decoder looks at."""

    _network: CaptionNetwork

    def source(self, graph: TensorGraph) -> EncodedSource:
        source = self._network.source
        if not isinstance(source, Moving):
            return _still(graph, source)
        reader = source.encoder.reader
        vectors = _films(graph, reader) if isinstance(reader, FilmInput) else layers.read(graph, reader)
        return moving(graph, source.encoder, vectors, source.summary)

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        source = self._network.source
        if isinstance(source, Moving) and not isinstance(source.encoder.reader, FilmInput):
            return {INPUT: layers.read_example(source.encoder.reader, sizes, generator)}
        seen = source.seen if isinstance(source, Still) else source.encoder.reader.seen
        steps = 1 if isinstance(source, Still) else sizes.steps
        less = Sizes(steps, sizes.lengths.clamp(max=steps))
        assert isinstance(seen, ImageMaps)
        return {INPUT: layers.read_example(seen.pixels, less, generator)}


GRAPHS: NetworkGraphs = {
    CaptionNetwork: lambda network, streams: [CaptionEncoder(network), DecoderPiece(network)],
}
