"""The network of labellers: layers over the steps, and scores at each."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from elman.core.records import Seq, State
from elman.core.run_config import NetworkSettings
from elman.nn.encoder import Encoder
from elman.nn.readers import InputLayer


class LabelNetwork(nn.Module):
    """Recurrent layers over the input, and a linear layer: scores [T, B, size].

    Args:
        reader: the first layer.
        size: how many scores a step has.
        config: the network's settings.
        bidirectional: whether steps see what comes after them.
    """

    def __init__(
        self, reader: InputLayer, size: int, config: NetworkSettings, *, bidirectional: bool
    ) -> None:
        super().__init__()
        self._dropout = config.output_dropout or config.dropout
        self.encoder = Encoder(reader, config, bidirectional=bidirectional)
        self.output = nn.Linear(self.encoder.recurrent.output_size, size)
        nn.init.zeros_(self.output.bias)

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Tensor, State]:
        """Scores of sequences [T, B] or [T, B, F], and the state at their ends."""
        return self.scored(self.encoder.read(seq), state)

    def scored(self, vectors: Seq, state: State | None) -> tuple[Tensor, State]:
        """Scores [T, B, size] of vectors [T, B, width], and the state at their ends."""
        hidden, state = self.encoder.run(vectors, state)
        return self.output(F.dropout(hidden.data, self._dropout, self.training)), state
