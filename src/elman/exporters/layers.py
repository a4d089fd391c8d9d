"""What networks have in common: readers, recurrent layers, pools."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from elman.exporters import frames
from elman.exporters.graph import MOST, STATES, GraphValue, Sizes, StepGraph, TensorGraph, refused
from elman.nn.augmentation import SignalAugmentation
from elman.nn.embedding import CharNGrams, Embedding, NGramEmbedding
from elman.nn.encoder import Encoder
from elman.nn.framing import EACH_STEP, Frame
from elman.nn.layer_stack import stack_layers
from elman.nn.pooling import Pool
from elman.nn.random_kernels import RandomKernels
from elman.nn.readers import InputLayer, PixelInput
from elman.nn.recurrent import Recurrent

INPUT = "input"
"""What the input is called."""

# Layers


def recurrent(
    graph: StepGraph,
    layers: Recurrent,
    x: GraphValue,
    states: Sequence[str] = STATES,
    initial: Sequence[Tensor] = (),
) -> tuple[GraphValue, list[GraphValue]]:
    """Recurrent layers that carry their state from call to call, by the names of its tensors.

    Returns:
        The outputs of all steps, and for each tensor of the state that of the last layer, [D, B, H].
    """
    starts = initial or initial_states(layers)
    carried = [graph.state(name, start) for name, start in zip(states, starts, strict=False)]
    before = [
        [graph.rows(state, layer * layers.directions, layers.directions) for state in carried]
        for layer in range(layers.layers)
    ]
    y, after = stacked(graph, layers, x, before)
    for place, name in enumerate(states[: len(carried)]):
        graph.keep(name, [last[place] for last in after])
    return y, list(after[-1])


def initial_states(layers: Recurrent) -> tuple[Tensor, ...]:
    """What layers start from: S tensors [L * D, H]."""
    return tuple(state[:, 0].detach().contiguous() for state in layers.initial(1))


def give_bridged(graph: TensorGraph, layers: Recurrent, values: GraphValue) -> None:
    """Give the state that `elman.nn.encoder.bridged` makes of values, by the names of its tensors."""
    start = 0
    for name, size in zip(STATES, layers.state_sizes, strict=False):
        end = start + layers.layers * size
        wide = graph.op("Reshape", graph.part(values, start, end), [-1, layers.layers, size])
        state = graph.op("Transpose", wide, perm=[1, 0, 2])
        graph.give(name, state, torch.float32, [layers.layers, "B", size])
        start = end


def stacked(
    graph: StepGraph,
    layers: Recurrent,
    x: GraphValue,
    before: Sequence[Sequence[GraphValue]],
    *,
    within: bool = False,
) -> tuple[GraphValue, list[tuple[GraphValue, ...]]]:
    """Layers above each other from their states; the outputs of all steps, and each layer's states.

    What is read may lie `within` a step, such as the letters of a word: then it is there as a whole.
    """
    if layers.bidirectional and graph.streams and not within:
        got = "layers that also read from the end to the start"
        remedy = "export the whole to ONNX, without --streaming, or train with bidirectional=false"
        raise refused("the recurrent layers", got, expected="layers that read forward", remedy=remedy)
    for name in ("zoneout", "projection"):
        if getattr(layers, name):
            got, remedy = f"{name}={getattr(layers, name)}", f"train without network.{name}, or use --torch"
            raise refused("the recurrent layers", got, remedy=remedy)
    last = list[tuple[GraphValue, ...]]()

    def run(layer: int, x: GraphValue) -> GraphValue:
        runs = range(layer * layers.directions, (layer + 1) * layers.directions)
        weights = [layers.weights(run) for run in runs]
        y, after = graph.layer(layers.cell, weights, x, before[layer], layers.merge)
        last.append(after)
        return y

    y = stack_layers(
        layers.layers,
        x,
        run,
        residual=layers.residual,
        skip=layers.skip,
        join=graph.concat,
        add=partial(graph.apply, "Add"),
    )
    return y, last


def started(graph: TensorGraph, initial: Sequence[Tensor]) -> list[GraphValue]:
    """States [R, B, W] that nobody carries, from `initial` [R, W] each."""
    shape = graph.op("Concat", [1], graph.batch, [1], axis=0)
    return [GraphValue(graph.op("Expand", one[:, None], shape).name, one.shape[1]) for one in initial]


@contextmanager
def over(
    graph: TensorGraph, steps: GraphValue, batch: GraphValue, lengths: GraphValue | None
) -> Iterator[None]:
    """Meanwhile time and batch are others, such as a word's letters and all words."""
    before = graph.steps, graph.batch, graph.lengths
    graph.steps, graph.batch, graph.lengths = steps, batch, lengths
    yield
    graph.steps, graph.batch, graph.lengths = before


def fresh(graph: TensorGraph, layers: Recurrent, x: GraphValue) -> tuple[GraphValue, list[GraphValue]]:
    """Recurrent layers over whole sequences, whose state nobody asks for; see `recurrent`."""
    starts = started(graph, initial_states(layers))
    runs = [
        [graph.rows(start, layer * layers.directions, layers.directions) for start in starts]
        for layer in range(layers.layers)
    ]
    y, after = stacked(graph, layers, x, runs)
    return y, list(after[-1])


def linear(graph: StepGraph, x: GraphValue, layer: nn.Linear) -> GraphValue:
    """A linear layer."""
    return graph.linear(x, layer.weight, layer.bias)


def pooled(graph: StepGraph, pool: Pool, hidden: GraphValue, last: GraphValue) -> GraphValue:
    """The steps of a sequence as one vector [B, size]; in a stream, those of all calls so far."""
    if pool.attention is not None:
        return _attended(graph, pool.attention.key, pool.attention.query, hidden)
    if pool.parts == ("last",):
        return last_states(graph, last, pool.directions)
    return graph.concat([_POOLS[name](graph, hidden) for name in pool.parts])


def last_states(graph: StepGraph, last: GraphValue, directions: int) -> GraphValue:
    """The states [D, B, H] of a layer side by side, [B, D * H]."""
    return graph.concat([graph.row(last, direction) for direction in range(directions)])


def _mean(graph: StepGraph, hidden: GraphValue) -> GraphValue:
    total = _carried(graph, "sum", "Add", graph.total(hidden), 0.0)
    return graph.apply("Div", total, _carried(graph, "count", "Add", graph.count(), 0.0))


def _max(graph: StepGraph, hidden: GraphValue) -> GraphValue:
    return _carried(graph, "max", "Max", graph.most(hidden), _LEAST)


_POOLS: dict[str, Callable[[StepGraph, GraphValue], GraphValue]] = {"mean": _mean, "max": _max}
_LEAST = -1e30
"""Less than any number that a network makes; infinite ones make others that are none."""


def _attended(graph: StepGraph, key: nn.Linear, query: nn.Linear, hidden: GraphValue) -> GraphValue:
    """sum_t exp(s_t) h_t / sum_t exp(s_t), with the greatest s_t so far taken off all of them."""
    score = graph.linear(graph.apply("Tanh", linear(graph, hidden, key)), query.weight)
    top = graph.most(score)
    before = None
    if graph.streams:
        before = graph.row(graph.state("top", torch.full((1, 1), _LEAST)), 0)
        top = graph.apply("Max", before, top)
        graph.keep("top", [top])
    weight = graph.apply("Exp", graph.apply("Sub", score, top))
    sums = graph.total(graph.apply("Mul", hidden, weight)), graph.total(weight)
    if before is not None:
        fade = graph.apply("Exp", graph.apply("Sub", before, top))
        sums = tuple(
            _faded(graph, name, one, fade) for name, one in zip(("sum", "weight"), sums, strict=True)
        )
    return graph.apply("Div", *sums)


def _faded(graph: StepGraph, name: str, added: GraphValue, fade: GraphValue) -> GraphValue:
    before = graph.row(graph.state(name, torch.zeros(1, added.width)), 0)
    after = graph.apply("Add", graph.apply("Mul", before, fade), added)
    graph.keep(name, [after])
    return after


def _carried(graph: StepGraph, name: str, how: str, value: GraphValue, start: float) -> GraphValue:
    """A number of all steps so far, where a sequence comes in pieces."""
    if not graph.streams:
        return value
    before = graph.row(graph.state(name, torch.full((1, value.width), start)), 0)
    after = graph.apply(how, before, value)
    graph.keep(name, [after])
    return after


# Readers


def encoder(graph: StepGraph, network: Encoder) -> tuple[GraphValue, list[GraphValue]]:
    """An encoder: hidden states, and for each tensor of the state that of the last layer.

    A stream comes in frames already, for a frame may overlap the one before.
    """
    if isinstance(network.reader, RandomKernels):
        vectors = _shares(graph, network.reader, network.frame)
    elif graph.streams and network.frame != EACH_STEP:
        vectors = graph.features(INPUT, network.reader.frame_width(network.frame))
    else:
        vectors = read(graph, network.reader)
        if network.frame != EACH_STEP:
            vectors = frames.side_by_side(_whole(graph, network.frame), vectors, network.frame)
    return recurrent(graph, network.recurrent, vectors)


def read(graph: StepGraph, reader: InputLayer) -> GraphValue:
    """The vectors [T, B, width] of an input."""
    for kind, description in READERS.items():
        if isinstance(reader, kind):
            return description(graph, reader)
    got, remedy = f"a reader of the type {type(reader).__name__}", "put its description into READERS"
    raise refused("the first layer", got, remedy=remedy)


def _shares(graph: StepGraph, reader: RandomKernels, frame: Frame) -> GraphValue:
    got, remedy = (
        "convolutions of a whole series",
        "export the whole to ONNX, or train with signal.kernels = 0",
    )
    whole = needs_tensors(graph, "the first layer", got, remedy)
    return frames.kernel_shares(whole, whole.features(INPUT, reader.input_width), reader, frame)


def _whole(graph: StepGraph, frame: Frame) -> TensorGraph:
    got, remedy = f"frames of {frame.size} steps", "give it frames: export with --streaming"
    return needs_tensors(graph, "the frames", got, remedy)


def needs_tensors(graph: StepGraph, part: str, got: str, remedy: str) -> TensorGraph:
    """The graph, if it computes whole sequences."""
    if not isinstance(graph, TensorGraph) or graph.streams:
        raise refused(part, got, expected="what needs no more than a step", remedy=remedy)
    return graph


def _embedding(graph: StepGraph, reader: InputLayer) -> GraphValue:
    assert isinstance(reader, Embedding)
    if reader.spelled is None and reader.ngrams is None:
        return graph.lookup(graph.symbols(INPUT, len(reader.weight)), reader.weight)
    got, remedy = "n-grams, which see several symbols", "export the whole to ONNX, or train without n-grams"
    tensors = needs_tensors(graph, "the embedding", got, remedy)
    if reader.spelled is None:
        symbols, letters = tensors.symbols(INPUT, len(reader.weight)), None
    else:
        both = tensors.tensor(INPUT, torch.int64, ["T", "B", "C"])
        tensors.timed(both)
        symbols = tensors.op("Gather", both, 0, axis=2)
        letters = tensors.op("Slice", both, [1], [MOST], [2])
    vectors = tensors.lookup(symbols, reader.weight)
    if reader.ngrams is not None:
        vectors = tensors.apply("Add", vectors, _ngrams(tensors, reader.ngrams, symbols))
    if reader.spelled is not None and letters is not None:
        vectors = tensors.apply("Add", vectors, _spelled(tensors, reader.spelled, letters))
    return vectors


def _ngrams(graph: TensorGraph, ngrams: NGramEmbedding, symbols: GraphValue) -> GraphValue:
    """The sum of the vectors of the n-grams that end at each step, of symbols [T, B]."""
    found = []
    for length, keys, first in ngrams.known.tables():
        # Before the first symbol stands none: a key below 0 is unknown.
        pad = graph.op("Expand", -1, graph.op("Concat", [length - 1], graph.batch, axis=0))
        whole = graph.op("Concat", pad, symbols, axis=0)
        place = _place(graph, whole, length, ngrams.known.symbols, graph.steps, 0)
        found.append(_table_rows(graph, place, keys, first))
    return _summed(graph, found, ngrams.weight)


def _spelled(graph: TensorGraph, ngrams: CharNGrams, letters: GraphValue) -> GraphValue:
    """The sum of the vectors of a word's n-grams over the root of their number, of letters [T, B, C]."""
    count = graph.op("Slice", graph.op("Shape", letters), [2], [3], [0])
    found = []
    for length, keys, first in ngrams.known.tables():
        many = graph.op("Max", graph.op("Sub", count, [length - 1]), [0])
        place = _place(graph, letters, length, ngrams.known.symbols, many, 2)
        found.append(_table_rows(graph, place, keys, first))
    places = graph.op("Concat", *found, axis=2)
    there = graph.op("Cast", graph.op("Greater", places, 0), to=torch.float32)
    known = graph.op("Sqrt", graph.op("Max", graph.op("ReduceSum", there, [2], keepdims=1), 1.0))
    total = graph.op("ReduceSum", graph.op("Gather", _without_first(ngrams.weight), places), [2], keepdims=0)
    return GraphValue(graph.op("Div", total, known).name, ngrams.weight.shape[1])


def _place(
    graph: TensorGraph, symbols: GraphValue, length: int, size: int, count: GraphValue, axis: int
) -> GraphValue:
    """The keys of the n-grams that begin at the first `count` places of an axis."""
    key: GraphValue | None = None
    for offset in range(length):
        end = graph.op("Add", count, [offset])
        one = graph.op("Slice", symbols, [offset], end, [axis])
        key = one if key is None else graph.op("Add", graph.op("Mul", key, size), one)
    assert key is not None
    return key


def _table_rows(graph: TensorGraph, keys: GraphValue, known: np.ndarray, first: int) -> GraphValue:
    """The rows, from `first` on, of known keys; 0 of others."""
    if not len(known):
        return graph.op("Mul", keys, 0)
    rows = range(first, first + len(known))
    return graph.op(
        "LabelEncoder", keys, keys_int64s=known.tolist(), values_int64s=list(rows), default_int64=0
    )


def _summed(graph: TensorGraph, places: Sequence[GraphValue], weight: Tensor) -> GraphValue:
    """The sum of the rows of a table at some places [T, B] each."""
    table, total = _without_first(weight), None
    for place in places:
        one = GraphValue(graph.op("Gather", table, place).name, weight.shape[1])
        total = one if total is None else graph.apply("Add", total, one)
    assert total is not None
    return total


def _without_first(weight: Tensor) -> Tensor:
    """A table whose first row, that of what is unknown, is zero."""
    table = weight.detach().clone()
    table[0] = 0
    return table


def _as_they_are(graph: StepGraph, reader: InputLayer) -> GraphValue:
    return graph.features(INPUT, reader.width)


def _pixels(graph: StepGraph, reader: InputLayer) -> GraphValue:
    return graph.apply("Sub", graph.apply("Div", graph.features(INPUT, reader.width), 127.5), 1.0)


READERS: dict[type[InputLayer], Callable[[StepGraph, InputLayer], GraphValue]] = {
    Embedding: _embedding,
    SignalAugmentation: _as_they_are,
    PixelInput: _pixels,
}
"""How the first layers are described, by class."""


# Examples


def symbols(sizes: Sizes, count: int, generator: torch.Generator) -> Tensor:
    """Random symbols [T, B]."""
    return torch.randint(count, (sizes.steps, sizes.batch), generator=generator)


def numbers(sizes: Sizes, width: int, generator: torch.Generator) -> Tensor:
    """Random numbers [T, B, width]."""
    return torch.randn(sizes.steps, sizes.batch, width, generator=generator)


def read_example(reader: InputLayer, sizes: Sizes, generator: torch.Generator) -> Tensor:
    """What a reader may be given."""
    if isinstance(reader, Embedding):
        own = symbols(sizes, len(reader.weight), generator)
        return own if reader.spelled is None else _spelled_example(reader.spelled, own, generator)
    if isinstance(reader, PixelInput):
        shape = sizes.steps, sizes.batch, reader.width
        return torch.randint(256, shape, generator=generator).float()
    return numbers(sizes, reader.input_width, generator)


def _spelled_example(ngrams: CharNGrams, own: Tensor, generator: torch.Generator) -> Tensor:
    """Symbols with letters: words of known n-grams, and zeros after them."""
    letters = torch.randint(ngrams.known.symbols, (*own.shape, 8), generator=generator)
    ends = torch.randint(1, 9, (*own.shape, 1), generator=generator)
    return torch.cat([own[..., None], letters.where(torch.arange(8) < ends, 0)], 2)
