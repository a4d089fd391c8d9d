"""The exported graph of a recogniser."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from elman.exporters import layers
from elman.exporters.graph import Named, NetworkGraphs, StepGraph, TensorGraph, states
from elman.exporters.sequences import FRAMES, SCORES, _Encoded, named
from elman.tasks.recognize.network import CtcScores, RecognizeNetwork


@final
class RecognizePiece(_Encoded):
    """Scores [T', B, V + 1] of the symbols, the blank last, at each frame."""

    def __init__(self, network: RecognizeNetwork, streams: bool) -> None:
        super().__init__(network.encoder, streams)
        self._network = network

    def build(self, graph: StepGraph) -> None:
        hidden, _ = layers.encoder(graph, self._network.encoder)
        graph.output(SCORES, layers.linear(graph, hidden, self._network.output))
        if isinstance(graph, TensorGraph) and graph.lengths is not None:
            graph.give(FRAMES, graph.lengths, torch.int64, ["B"])

    def as_scores(self, outputs: Named) -> Any:
        return CtcScores(outputs[SCORES], outputs[FRAMES])

    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        vectors = self._vectors(given, lengths)
        hidden, state = self._network.encoder.run(vectors, states(given))
        counted = {} if hidden.lengths is None else {FRAMES: hidden.lengths}
        return {SCORES: self._network.output(hidden.data), **counted, **named(state)}


GRAPHS: NetworkGraphs = {
    RecognizeNetwork: lambda network, streams: [RecognizePiece(network, streams)],
}
