"""RNN, LSTM, GRU and their cells in place of torch.nn's: the same modules, run by Elman's kernels."""

from __future__ import annotations

from torch import nn

from elman.nn.torch_compat.cells import GRUCell, LSTMCell, RNNCell
from elman.nn.torch_compat.layers import GRU, LSTM, RNN

IN_PLACE_OF: dict[type[nn.Module], type[nn.Module]] = {
    nn.RNN: RNN,
    nn.LSTM: LSTM,
    nn.GRU: GRU,
    nn.RNNCell: RNNCell,
    nn.LSTMCell: LSTMCell,
    nn.GRUCell: GRUCell,
}
"""torch's class -> ours, which has the same attributes and parameters."""
