"""Networks as ONNX: one file for each of their graphs, checked in ONNX Runtime before it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elman.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from elman.exporters.onnx.check import OnnxSession
    from elman.exporters.onnx.graph import OnnxGraph
    from elman.exporters.onnx.model import OnnxModel, made
    from elman.exporters.onnx.quantise import quantised

__all__ = [
    "OnnxGraph",
    "OnnxModel",
    "OnnxSession",
    "made",
    "quantised",
]

__getattr__ = lazy_names(
    __name__,
    {
        "OnnxGraph": "elman.exporters.onnx.graph",
        "OnnxModel": "elman.exporters.onnx.model",
        "OnnxSession": "elman.exporters.onnx.check",
        "made": "elman.exporters.onnx.model",
        "quantised": "elman.exporters.onnx.quantise",
    },
)
