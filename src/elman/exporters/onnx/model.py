"""Networks as ONNX: one file for each of their graphs, checked in ONNX Runtime before it is written."""

from __future__ import annotations

from typing import NamedTuple

import onnx

from elman.exporters.graph import ExportedGraph
from elman.exporters.onnx.check import check
from elman.exporters.onnx.graph import OnnxGraph


class OnnxModel(NamedTuple):
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


def made(piece: ExportedGraph, notes: dict[str, str], *, streams: bool) -> OnnxModel:
    """Build one of a network's graphs, and check it.

    Raises:
        TaskError: a part of it cannot be expressed in ONNX, or its outputs differ from the network's.
    """
    graph = OnnxGraph(streams=streams)
    piece.build(graph)
    model = graph.model(notes)
    return OnnxModel(piece.name, model, check(piece, graph, model.SerializeToString()))
