"""The exported graph of a classifier."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor

from elman.exporters import layers
from elman.exporters.graph import Named, NetworkGraphs, StepGraph, states
from elman.exporters.sequences import SCORES, _Encoded, named
from elman.tasks.classify.network import ClassifyNetwork


@final
class ClassifyPiece(_Encoded):
    """Scores [B, C] of classes; in a stream, after all that came so far."""

    def __init__(self, network: ClassifyNetwork, streams: bool) -> None:
        super().__init__(network.encoder, streams)
        self._network = network

    def build(self, graph: StepGraph) -> None:
        hidden, last = layers.encoder(graph, self._network.encoder)
        vector = layers.pooled(graph, self._network.pool, hidden, last[0])
        graph.output(SCORES, layers.linear(graph, vector, self._network.output))

    def as_scores(self, outputs: Named) -> Any:
        return outputs[SCORES]

    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        scores, state = self._network.scored(self._vectors(given, lengths), states(given))
        return {SCORES: scores, **named(state)}


GRAPHS: NetworkGraphs = {
    ClassifyNetwork: lambda network, streams: [ClassifyPiece(network, streams)],
}
