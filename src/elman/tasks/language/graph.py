"""The exported graph of a language model."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from elman.core.records import Seq
from elman.exporters import layers
from elman.exporters.graph import ExportedGraph, Named, NetworkGraphs, Sizes, StepGraph, states
from elman.exporters.layers import INPUT
from elman.exporters.sequences import SCORES, named
from elman.tasks.language.network import LanguageNetwork


@final
class LanguagePiece(ExportedGraph):
    """Scores [T, B, V] of the symbol after each."""

    def __init__(self, network: LanguageNetwork) -> None:
        self._network = network

    def build(self, graph: StepGraph) -> None:
        vectors = layers.read(graph, self._network.embedding)
        hidden, _ = layers.recurrent(graph, self._network.recurrent, vectors)
        graph.output(SCORES, layers.linear(graph, hidden, self._network.output))

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        return {INPUT: layers.read_example(self._network.embedding, sizes, generator)}

    def as_scores(self, outputs: Named) -> Any:
        return outputs[SCORES]

    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        scores, state = self._network(Seq(given[INPUT], lengths), states(given))
        return {SCORES: scores, **named(state)}


GRAPHS: NetworkGraphs = {
    LanguageNetwork: lambda network, streams: [LanguagePiece(network)],
}
