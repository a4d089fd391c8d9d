"""The exported graph of a labeller."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor

from elman.exporters import layers
from elman.exporters.graph import Named, NetworkGraphs, StepGraph, states
from elman.exporters.sequences import SCORES, _Encoded, named
from elman.tasks.label.network import LabelNetwork


@final
class LabelPiece(_Encoded):
    """Scores [T, B, C] of classes, or [T, B, 2] of a number, at each step."""

    def __init__(self, network: LabelNetwork, streams: bool) -> None:
        super().__init__(network.encoder, streams)
        self._network = network

    def build(self, graph: StepGraph) -> None:
        hidden, _ = layers.encoder(graph, self._network.encoder)
        graph.output(SCORES, layers.linear(graph, hidden, self._network.output))

    def as_scores(self, outputs: Named) -> Any:
        return outputs[SCORES]

    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        scores, state = self._network.scored(self._vectors(given, lengths), states(given))
        return {SCORES: scores, **named(state)}


GRAPHS: NetworkGraphs = {
    LabelNetwork: lambda network, streams: [LabelPiece(network, streams)],
}
