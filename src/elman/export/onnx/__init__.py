"""Networks as ONNX: one file for each of their graphs, checked in ONNX Runtime before it is written."""

from __future__ import annotations

from typing import NamedTuple

import onnx

from elman.export.base import Piece
from elman.export.onnx.check import Session, check
from elman.export.onnx.graph import OnnxGraph
from elman.export.onnx.quantise import quantised

__all__ = ["Made", "OnnxGraph", "Session", "check", "made", "quantised"]


class Made(NamedTuple):
    """A graph in ONNX.

    Args:
        name: what it is called, where a network needs several.
        model: it.
        off: the greatest difference from the network.
    """

    name: str
    model: onnx.ModelProto
    off: float

    @property
    def data(self) -> bytes:
        """The file."""
        return self.model.SerializeToString()


def made(piece: Piece, notes: dict[str, str], *, streams: bool) -> Made:
    """One of a network's graphs, checked.

    Raises:
        TaskError: a part of it cannot be told in ONNX, or it says something else than the network.
    """
    graph = OnnxGraph(streams=streams)
    piece.describe(graph)
    model = graph.model(notes)
    return Made(piece.name, model, check(piece, graph, model.SerializeToString()))
