"""What the networks of tasks are built from: layers as the settings say, an encoder, ways to pool its steps.

It knows no task and no target.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.batch import Seq, State
from elman.config import Network
from elman.inputs import Reader
from elman.recurrent import Recurrent, dropout


def layers(config: Network, width: int, *, bidirectional: bool = False) -> Recurrent:
    """Recurrent layers over inputs of `width` features, as the settings say."""
    return Recurrent(
        config.cell,
        width,
        config.hidden,
        layers=config.layers,
        bidirectional=bidirectional,
        dropout=config.dropout,
        variational=config.variational,
        recurrent_dropout=config.recurrent_dropout,
        weight_dropout=config.weight_dropout,
        layer_norm=config.layer_norm,
        residual=config.residual,
        skip=config.skip,
        learn_initial=config.learn_initial,
        init=config.init,
    )


class Encoder(nn.Module):
    """Vectors of the input, recurrent layers over them, and dropout before and after.

    Args:
        reader: the first layer.
        config: the network's settings.
        bidirectional: whether the layers also run from the end to the start.
    """

    def __init__(self, reader: Reader, config: Network, *, bidirectional: bool) -> None:
        super().__init__()
        self._config = config
        self.reader = reader
        self.recurrent = layers(config, reader.width, bidirectional=bidirectional)

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Seq, State]:
        """Hidden states [T, B, output_size], zero beyond a length, and the state at the end."""
        config = self._config
        vectors = self._drop(self.reader(seq.data), config.input_dropout)
        hidden, state = self.recurrent(Seq(vectors, seq.lengths), state)
        return Seq(self._drop(hidden.data, config.output_dropout or config.dropout), hidden.lengths), state

    def _drop(self, vectors: Tensor, share: float) -> Tensor:
        return dropout(vectors, share, self._config.variational, self.training)


class Pool(nn.Module):
    """The hidden states of a sequence as one vector.

    last: the state after the last step, of each direction; mean and max: over the steps; attention: the mean
    weighted by softmax_t(v . tanh(W h_t + b)) (Yang et al. 2016); mean_max: both side by side.

    Args:
        how: one of `POOLS`, last or attention.
        recurrent: the layers whose states are pooled.
        dropout: share dropped of the state after the last step, which has seen none; what is pooled over the
            steps comes with its own.
    """

    def __init__(self, how: str, recurrent: Recurrent, dropout: float = 0.0) -> None:
        super().__init__()
        self._how, self._directions, self._dropout = how, recurrent.directions, dropout
        size = recurrent.output_size
        last = recurrent.hidden_size * recurrent.directions
        self.output_size = {"last": last, "mean_max": 2 * size}.get(how, size)
        self.attention = _Attention(size) if how == "attention" else None

    def forward(self, hidden: Seq, state: State) -> Tensor:
        """[B, output_size] of hidden states [T, B, F], zero beyond a length, and the state at the end."""
        if self.attention is not None:
            return self.attention(hidden)
        if self._how == "last":
            end = torch.cat(tuple(state[0][-self._directions :]), -1)
            return F.dropout(end, self._dropout, self.training)
        return torch.cat([pool(hidden) for pool in POOLS[self._how]], -1)


class _Attention(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.key = nn.Linear(size, size)
        self.query = nn.Linear(size, 1, bias=False)

    def forward(self, hidden: Seq) -> Tensor:
        scores = self.query(torch.tanh(self.key(hidden.data)))
        weights = scores.masked_fill(~_inside(hidden), -torch.inf).softmax(0)
        return (weights * hidden.data).sum(0)


def _inside(hidden: Seq) -> Tensor:
    """[T, B, 1]: whether a step is within its sequence."""
    steps, batch = hidden.data.shape[:2]
    lengths = torch.full((batch,), steps) if hidden.lengths is None else hidden.lengths
    return (torch.arange(steps)[:, None] < lengths[None]).to(hidden.data.device)[:, :, None]


def _mean(hidden: Seq) -> Tensor:
    if hidden.lengths is None:
        return hidden.data.mean(0)
    return hidden.data.sum(0) / hidden.lengths.to(hidden.data)[:, None]


def _max(hidden: Seq) -> Tensor:
    data = hidden.data if hidden.lengths is None else hidden.data.masked_fill(~_inside(hidden), -torch.inf)
    return data.amax(0)


POOLS: dict[str, tuple[Callable[[Seq], Tensor], ...]] = {
    "mean": (_mean,),
    "max": (_max,),
    "mean_max": (_mean, _max),
}
