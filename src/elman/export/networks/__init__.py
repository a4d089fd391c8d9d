"""What networks compute, described once for every target: the class of a network -> its graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from elman.errors import nearest
from elman.export.base import Piece, refused
from elman.export.networks import draw, forecast, recall, writing
from elman.export.networks.sequences import ClassifyPiece, LanguagePiece, RecognizePiece, TagPiece
from elman.tasks.caption.network import CaptionNetwork
from elman.tasks.classify import ClassifyNetwork
from elman.tasks.draw.network import DrawNetwork
from elman.tasks.forecast.forecasters import Autoregressive, Direct
from elman.tasks.language import LanguageNetwork
from elman.tasks.recall.network import Attractor, Computed
from elman.tasks.recognize.network import RecognizeNetwork
from elman.tasks.tag.network import TagNetwork
from elman.tasks.translate import TranslateNetwork

Describe = Callable[[Any, bool], list[Piece]]
"""A network, and whether sequences come in pieces -> its graphs."""

NETWORKS: dict[type[nn.Module], Describe] = {
    Attractor: lambda network, streams: [recall.RecallPiece(network)],
    Autoregressive: forecast.autoregressive,
    CaptionNetwork: lambda network, streams: writing.pieces(network),
    ClassifyNetwork: lambda network, streams: [ClassifyPiece(network, streams)],
    Computed: lambda network, streams: [recall.RecallPiece(network)],
    Direct: lambda network, streams: [forecast.DirectPiece(network)],
    DrawNetwork: lambda network, streams: draw.pieces(network),
    LanguageNetwork: lambda network, streams: [LanguagePiece(network)],
    RecognizeNetwork: lambda network, streams: [RecognizePiece(network, streams)],
    TagNetwork: lambda network, streams: [TagPiece(network)],
    TranslateNetwork: lambda network, streams: writing.pieces(network),
}
"""A network of your own joins by its class and its pieces."""


def pieces(network: nn.Module, *, streams: bool) -> list[Piece]:
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
