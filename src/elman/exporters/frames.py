"""Several steps as one frame, in the graphs of whole sequences."""

from __future__ import annotations

import torch

from elman.exporters.graph import GraphValue, TensorGraph
from elman.nn.framing import EACH_STEP, Frame
from elman.nn.random_kernels import LENGTH, RandomKernels


def side_by_side(graph: TensorGraph, x: GraphValue, frame: Frame) -> GraphValue:
    """Return the steps of each frame side by side; from then on time is counted in frames."""
    x = inside_only(graph, x)
    after = graph.op("Concat", [0, 0, 0], graph.op("Max", _missing(graph, frame), [0]), [0, 0], axis=0)
    padded, reach = graph.op("Pad", x, after), _reach(graph, frame)
    rows = [
        graph.op("Slice", padded, [place], graph.op("Add", reach, [place + 1]), [0], [frame.hop])
        for place in range(frame.size)
    ]
    _count_frames(graph, frame)
    return GraphValue(graph.op("Concat", *rows, axis=2).name, x.width * frame.size)


def kernel_shares(graph: TensorGraph, x: GraphValue, reader: RandomKernels, frame: Frame) -> GraphValue:
    """Return what `RandomKernels.frames` does; from then on time is counted in frames.

    Args:
        graph: of whole sequences.
        x: steps [T, B, F].
        reader: the kernels and thresholds.
        frame: of how many steps, and how far apart.
    """
    ones = graph.op("Expand", 1.0, graph.op("Concat", graph.steps, graph.batch, [1], axis=0))
    inside = _by_channel(graph, inside_only(graph, GraphValue(ones.name, 1)))
    there = graph.op("Max", _summed(graph, inside, frame), 1.0)
    channels = _by_channel(graph, inside_only(graph, x))
    found = []
    for weight, thresholds, dilation in reader.parts():
        pad = LENGTH // 2 * dilation
        values = graph.op("Conv", channels, weight, dilations=[dilation], pads=[pad, pad])
        for column in thresholds.unbind():
            above = graph.op("Cast", graph.op("Greater", values, column[:, None]), to=torch.float32)
            found.append(_summed(graph, graph.op("Mul", above, inside), frame))
    shares = graph.op("Div", graph.op("Concat", *found, axis=1), there)
    _count_frames(graph, frame)
    centred = graph.op("Sub", graph.op("Transpose", shares, perm=[2, 0, 1]), reader.expected)
    return GraphValue(graph.op("Div", centred, reader.scale).name, reader.width)


def inside_only(graph: TensorGraph, x: GraphValue) -> GraphValue:
    """Return steps [T, B, width] that are zero beyond a length."""
    if graph.lengths is None:
        return x
    return graph.apply("Where", graph.inside(), x, 0.0)


def _by_channel(graph: TensorGraph, x: GraphValue) -> GraphValue:
    """Return [B, F, T] of [T, B, F]."""
    return graph.op("Transpose", x, perm=[1, 2, 0])


def _summed(graph: TensorGraph, x: GraphValue, frame: Frame) -> GraphValue:
    """Return the sums [B, C, T'] over the steps of each frame of [B, C, T]."""
    if frame == EACH_STEP:
        return x
    after = graph.op("Concat", [0, 0, 0, 0, 0], graph.op("Max", _missing(graph, frame), [0]), axis=0)
    means = graph.op("AveragePool", graph.op("Pad", x, after), kernel_shape=[frame.size], strides=[frame.hop])
    return graph.op("Mul", means, float(frame.size))


def _missing(graph: TensorGraph, frame: Frame) -> GraphValue:
    """Return how many steps the last frame lacks, [1]."""
    return graph.op("Sub", graph.op("Add", _reach(graph, frame), [frame.size]), graph.steps)


def _reach(graph: TensorGraph, frame: Frame) -> GraphValue:
    """Return the first step of the last frame, [1]."""
    return graph.op("Mul", graph.op("Sub", _most(graph, frame), [1]), [frame.hop])


def _most(graph: TensorGraph, frame: Frame) -> GraphValue:
    """Return the number of frames of the longest sequence, [1]."""
    return graph.op("ReduceMax", _counts(graph, frame), [0], keepdims=1)


def _counts(graph: TensorGraph, frame: Frame) -> GraphValue:
    """Return the numbers of frames [B]."""
    lengths = graph.lengths if graph.lengths is not None else graph.op("Expand", graph.steps, graph.batch)
    last = graph.op("Max", graph.op("Sub", lengths, [frame.size]), [0])
    return graph.op("Add", graph.op("Div", graph.op("Add", last, [frame.hop - 1]), [frame.hop]), [1])


def _count_frames(graph: TensorGraph, frame: Frame) -> None:
    """Let T be the number of frames, and lengths theirs."""
    if frame == EACH_STEP:
        return
    counts, most = _counts(graph, frame), _most(graph, frame)
    graph.steps, graph.lengths = most, None if graph.lengths is None else counts
