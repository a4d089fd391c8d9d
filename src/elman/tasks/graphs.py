"""What networks compute, described once for every target: the class of a network -> its graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from elman.core.errors import nearest
from elman.exporters.graph import ExportedGraph, refused
from elman.tasks.caption import graph
from elman.tasks.caption.network import CaptionNetwork
from elman.tasks.classify.graph import ClassifyPiece
from elman.tasks.classify.network import ClassifyNetwork
from elman.tasks.draw import graph as draw_graph
from elman.tasks.draw.network import DrawNetwork
from elman.tasks.forecast import graph as forecast_graph
from elman.tasks.forecast.networks import Autoregressive, Direct
from elman.tasks.language.graph import LanguagePiece
from elman.tasks.language.network import LanguageNetwork
from elman.tasks.recall import graph as recall_graph
from elman.tasks.recall.networks import Attractor, Computed
from elman.tasks.recognize.graph import RecognizePiece
from elman.tasks.recognize.network import RecognizeNetwork
from elman.tasks.tag.graph import TagPiece
from elman.tasks.tag.network import TagNetwork
from elman.tasks.translate import graph as translate_graph
from elman.tasks.translate.network import TranslateNetwork

Describe = Callable[[Any, bool], list[ExportedGraph]]
"""A network, and whether sequences come in pieces -> its graphs."""

NETWORKS: dict[type[nn.Module], Describe] = {
    Attractor: lambda network, streams: [recall_graph.RecallPiece(network)],
    Autoregressive: forecast_graph.autoregressive,
    CaptionNetwork: lambda network, streams: graph.caption_pieces(network),
    ClassifyNetwork: lambda network, streams: [ClassifyPiece(network, streams)],
    Computed: lambda network, streams: [recall_graph.RecallPiece(network)],
    Direct: lambda network, streams: [forecast_graph.DirectPiece(network)],
    DrawNetwork: lambda network, streams: draw_graph.pieces(network),
    LanguageNetwork: lambda network, streams: [LanguagePiece(network)],
    RecognizeNetwork: lambda network, streams: [RecognizePiece(network, streams)],
    TagNetwork: lambda network, streams: [TagPiece(network)],
    TranslateNetwork: lambda network, streams: translate_graph.translate_pieces(network),
}
"""A network of your own joins by its class and its pieces."""


def pieces(network: nn.Module, *, streams: bool) -> list[ExportedGraph]:
    """The graphs of a network.

    Raises:
        TaskError: nobody has described a network of that class.
    """
    for kind, describe in NETWORKS.items():
        if type(network) is kind:
            return describe(network, streams)
    name = type(network).__name__
    remedy = nearest(name, [kind.__name__ for kind in NETWORKS]) + "; docs/export.md says how to add one"
    raise refused("the network", f"class {name}, which no one has described", remedy=remedy)
