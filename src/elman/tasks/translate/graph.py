"""The exported graph of a translator's encoder."""

from __future__ import annotations

from typing import final

import torch

from elman.exporters import layers
from elman.exporters.graph import Named, NetworkGraphs, Sizes, TensorGraph
from elman.exporters.layers import INPUT
from elman.tasks.seq2seq.graph import DecoderPiece, EncodedSource, EncoderPiece, moving
from elman.tasks.translate.network import TranslateNetwork


@final
class TranslateEncoder(EncoderPiece):
    """The encoder of a translator: a sequence -> what its decoder looks at."""

    _network: TranslateNetwork

    def source(self, graph: TensorGraph) -> EncodedSource:
        encoder = self._network.encoder
        return moving(graph, encoder, layers.read(graph, encoder.reader), self._network.summary)

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        return {INPUT: layers.read_example(self._network.encoder.reader, sizes, generator)}


GRAPHS: NetworkGraphs = {
    TranslateNetwork: lambda network, streams: [TranslateEncoder(network), DecoderPiece(network)],
}
