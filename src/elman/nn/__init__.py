"""RNN, LSTM, GRU and their cells in place of torch.nn's: the same modules, run by Elman's kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elman.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from elman.nn.torch_compat.cells import GRUCell, LSTMCell, RNNCell
    from elman.nn.torch_compat.layers import GRU, LSTM, RNN
    from elman.nn.torch_compat.replacements import IN_PLACE_OF

__all__ = [
    "GRU",
    "IN_PLACE_OF",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
]

__getattr__ = lazy_names(
    __name__,
    {
        "GRU": "elman.nn.torch_compat.layers",
        "GRUCell": "elman.nn.torch_compat.cells",
        "IN_PLACE_OF": "elman.nn.torch_compat.replacements",
        "LSTM": "elman.nn.torch_compat.layers",
        "LSTMCell": "elman.nn.torch_compat.cells",
        "RNN": "elman.nn.torch_compat.layers",
        "RNNCell": "elman.nn.torch_compat.cells",
    },
)
