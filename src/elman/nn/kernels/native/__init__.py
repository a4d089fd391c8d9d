"""Our own kernels for the CPU, in C++ (`native/`): RNN, LSTM and GRU in float32 and float64.

Here are the cases that they serve, and autograd. A gradient's own gradient goes through another kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elman.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from elman.nn.kernels.native.kernel import Native, available, forget, use

__all__ = [
    "Native",
    "available",
    "forget",
    "use",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Native": "elman.nn.kernels.native.kernel",
        "available": "elman.nn.kernels.native.kernel",
        "forget": "elman.nn.kernels.native.kernel",
        "use": "elman.nn.kernels.native.kernel",
    },
)
