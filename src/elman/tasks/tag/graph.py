"""The exported graph of a tagger."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from elman.core.records import Seq
from elman.exporters import graph as exporters_graph
from elman.exporters import layers
from elman.exporters.graph import (
    ExportedGraph,
    GraphValue,
    Named,
    NetworkGraphs,
    Sizes,
    StepGraph,
    TensorGraph,
    refused,
    states,
)
from elman.exporters.layers import INPUT
from elman.exporters.sequences import SCORES, named
from elman.tasks.tag.network import Tagged, TagNetwork, WordInput


@final
class TagPiece(ExportedGraph):
    """Scores [T, B, K] of tags; the likeliest sequence by a field is looked for outside."""

    def __init__(self, network: TagNetwork) -> None:
        self._network = network

    def build(self, graph: StepGraph) -> None:
        vectors = _words(graph, self._network.words)
        hidden, _ = layers.recurrent(graph, self._network.recurrent, vectors)
        graph.output(SCORES, layers.linear(graph, hidden, self._network.output))

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        words = self._network.words
        own = layers.symbols(sizes, 2 * len(words.frequencies), generator)[..., None]
        letters = torch.zeros(*own.shape[:2], 8, dtype=torch.int64)
        if words.chars is not None:
            letters = torch.randint(1, words.chars.num_embeddings, letters.shape, generator=generator)
        ends = torch.randint(1, 9, own.shape, generator=generator)
        return {INPUT: torch.cat([own, letters.where(torch.arange(8) < ends, 0)], 2)}

    def as_scores(self, outputs: Named) -> Any:
        return Tagged(outputs[SCORES], self._network.crf)

    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        tagged, state = self._network(Seq(given[INPUT], lengths), states(given))
        return {SCORES: tagged.emissions, **named(state)}

    def about(self) -> dict[str, Any]:
        """The field over tags; null: forbidden."""
        crf = self._network.crf
        if crf is None:
            return {}
        pairs = (crf.transitions, crf.allowed), (crf.start, crf.starts), (crf.end, crf.ends)
        scores = [score.masked_fill(~mask, torch.nan).tolist() for score, mask in pairs]
        return {"crf": dict(zip(("transitions", "start", "end"), map(_nulls, scores), strict=True))}


def _nulls(scores: Any) -> Any:
    """The same lists, null for what is not a number."""
    if isinstance(scores, list):
        return [_nulls(score) for score in scores]
    return scores if scores == scores else None


def _words(graph: StepGraph, words: WordInput) -> GraphValue:
    """Words as vectors; a target that has no tensors gets the numbers of words alone."""
    count, table = len(words.frequencies), words.embedding.weight
    if isinstance(graph, TensorGraph):
        both = graph.tensor(INPUT, torch.int64, ["T", "B", "1 + C"])
        graph.timed(both)
        number = graph.op("Gather", both, 0, axis=2)
        number = graph.op("Where", graph.op("Less", number, count), number, 0)
        own = graph.lookup(number, table)
        if words.spelling is None:
            return own
        return graph.concat(
            [own, _spelled(graph, words, graph.op("Slice", both, [1], [exporters_graph.MOST], [2]))]
        )
    if words.spelling is not None:
        got = "layers over its letters, which read both ways"
        raise refused("a word", got, remedy="train with tag.char_hidden=0, or export to ONNX")
    return graph.lookup(graph.symbols(INPUT, count), table)


def _spelled(graph: TensorGraph, words: WordInput, letters: GraphValue) -> GraphValue:
    """The last states, both ways, of the layers over the letters [T, B, C] of each word."""
    assert words.chars is not None
    assert words.spelling is not None
    longest = graph.op("Slice", graph.op("Shape", letters), [2], [3], [0])
    count = graph.op("Mul", graph.steps, graph.batch)
    flat = graph.op("Reshape", letters, graph.op("Concat", [-1], longest, axis=0))
    there = graph.op("Cast", graph.op("Greater", flat, 0), to=torch.int64)
    lengths = graph.op("Max", graph.op("ReduceSum", there, [1], keepdims=0), 1)
    shape = graph.op("Concat", graph.steps, graph.batch, [-1], axis=0)
    with layers.over(graph, longest, count, lengths):
        vectors = graph.lookup(graph.op("Transpose", flat, perm=[1, 0]), words.chars.weight)
        starts = layers.started(graph, layers.initial_states(words.spelling))
        before = [
            [graph.rows(start, 2 * layer, 2) for start in starts] for layer in range(words.spelling.layers)
        ]
        _, after = layers.stacked(graph, words.spelling, vectors, before, within=True)
        last = layers.last_states(graph, after[-1][0], 2)
    return GraphValue(graph.op("Reshape", last, shape).name, last.width)


GRAPHS: NetworkGraphs = {
    TagNetwork: lambda network, streams: [TagPiece(network)],
}
