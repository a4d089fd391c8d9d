"""Pool the steps of a sequence into one vector."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from elman.core.records import Seq, State
from elman.nn.masks import step_mask
from elman.nn.recurrent import Recurrent


class Pool(nn.Module):
    """The hidden states of a sequence as one vector.

    last: the state after the last step, of each direction; mean and max: over the steps; attention: the mean
    weighted by softmax_t(v . tanh(W h_t + b)) (Yang et al. 2016); mean_max: both side by side.

    Args:
        how: one of `POOLS`, last or attention.
        recurrent: the layers whose states are pooled.
    """

    def __init__(self, how: str, recurrent: Recurrent) -> None:
        super().__init__()
        self.how, self.directions = how, recurrent.directions
        self.parts = ("mean", "max") if how == "mean_max" else (how,)
        size = recurrent.output_size
        last = recurrent.state_sizes[0] * recurrent.directions
        self.output_size = {"last": last, "mean_max": 2 * size}.get(how, size)
        self.attention = _AttentionPool(size) if how == "attention" else None

    def forward(self, hidden: Seq, state: State) -> Tensor:
        """[B, output_size] of hidden states [T, B, F], zero beyond a length, and the state at the end."""
        if self.attention is not None:
            return self.attention(hidden)
        if self.how == "last":
            return torch.cat(tuple(state[0][-self.directions :]), -1)
        return torch.cat([pool(hidden) for pool in POOLS[self.how]], -1)


class _AttentionPool(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.key = nn.Linear(size, size)
        self.query = nn.Linear(size, 1, bias=False)

    def forward(self, hidden: Seq) -> Tensor:
        scores = self.query(torch.tanh(self.key(hidden.data)))
        weights = scores.masked_fill(~_inside(hidden), -torch.inf).softmax(0)
        return (weights * hidden.data).sum(0)


def _inside(hidden: Seq) -> Tensor:
    return step_mask(hidden.data, hidden.lengths)[..., None]


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
