"""What the networks of tasks are built from: layers as the settings say, an encoder, ways to pool its steps.

It knows no task and no target.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.batch import Seq, State
from elman.config import Network
from elman.errors import TaskError
from elman.inputs import Reader
from elman.recurrent import Recurrent, dropout
from elman.stepper import OneStep, Stepper


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


def stepper(recurrent: Recurrent, state: State) -> Stepper:
    """The layers a step at a call from a state [L, B, H], without gradients or dropout, in constant memory.

    Raises:
        ConfigError: they are bidirectional.
    """
    return Stepper(recurrent.layer_steppers(state), residual=recurrent.residual, skip=recurrent.skip)


def in_one_direction(recurrent: Recurrent, task: str, setting: str) -> None:
    """See that layers can run forward in time.

    Raises:
        TaskError: they are bidirectional, and would wait for the end.
    """
    if recurrent.bidirectional:
        got = "bidirectional layers, which read a sequence from its end, too"
        remedy = f"train with {setting} = false"
        raise TaskError(f"a stream of the task {task!r}", got, expected="one direction", remedy=remedy)


def one_step(recurrent: Recurrent) -> OneStep:
    """One step of the layers, for any batch and from any state, without gradients or dropout.

    Raises:
        ConfigError: they are bidirectional.
    """
    return OneStep(recurrent.layer_advances(), residual=recurrent.residual, skip=recurrent.skip)


class Frame(NamedTuple):
    """How many steps are put side by side into one, and how many lie from one to the next."""

    size: int = 1
    hop: int = 1

    def frames(self, steps: int) -> int:
        """How many frames a sequence of so many steps has."""
        return 1 + max(0, -((self.size - steps) // self.hop))


EACH_STEP = Frame()


class Encoder(nn.Module):
    """Vectors of the input, put side by side in frames, and recurrent layers over them.

    Args:
        reader: the first layer.
        config: the network's settings.
        bidirectional: whether the layers also run from the end to the start.
        frame: what becomes one step of the layers.
    """

    def __init__(
        self, reader: Reader, config: Network, *, bidirectional: bool, frame: Frame = EACH_STEP
    ) -> None:
        super().__init__()
        self._config, self._frame = config, frame
        self.reader = reader
        self.recurrent = layers(config, reader.width * frame.size, bidirectional=bidirectional)

    @property
    def frame(self) -> Frame:
        """What becomes one step of the layers."""
        return self._frame

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Seq, State]:
        """Hidden states [T', B, output_size], zero beyond a length, and the state at the end."""
        return self.run(self.read(seq), state)

    def read(self, seq: Seq) -> Seq:
        """Vectors [T', B, width] of symbols [T, B] or features [T, B, F], T' frames; zero beyond a length."""
        vectors = Seq(self.reader(seq.data, seq.lengths), seq.lengths)
        if seq.lengths is not None:
            vectors = Seq(vectors.data * inside(seq), seq.lengths)
        return framed(vectors, self._frame)

    def read_frames(self, data: Tensor) -> Tensor:
        """Vectors [T', B, size * width] of steps that are in frames already.

        Args:
            data: [T', B, size, ...] symbols or features, the ends filled up with -1 or zeros; without `size`
                where every step is a frame.
        """
        if self._frame == EACH_STEP:
            return self.reader(data)
        steps, size = len(data), data.shape[2]
        flat = data.movedim(2, 0).flatten(0, 1)
        if data.is_floating_point():
            vectors = self.reader(flat)
        else:
            there = flat >= 0 if flat.ndim == 2 else flat[..., 0] >= 0
            vectors = self.reader(flat.clamp(min=0)) * there[..., None]
        return vectors.unflatten(0, (size, steps)).movedim(0, 2).flatten(2)

    def run(self, vectors: Seq, state: State | None = None) -> tuple[Seq, State]:
        """Hidden states over vectors that `read` gave, and the state at the end."""
        config = self._config
        data = dropout(vectors.data, config.input_dropout, config.variational, self.training)
        return self.recurrent(Seq(data, vectors.lengths), state)


def framed(seq: Seq, frame: Frame) -> Seq:
    """Steps side by side in frames, each beginning `hop` steps after the one before.

    Args:
        seq: [T, B, F], zero beyond a length.
        frame: of how many steps, and how far apart.

    Returns:
        [T', B, size * F]; a sequence of n steps has 1 + ceil((n - size) / hop) frames, and at least one, the
        last one filled up with zeros.
    """
    if frame == EACH_STEP:
        return seq
    steps, batch = seq.data.shape[:2]
    lengths = torch.full((batch,), steps) if seq.lengths is None else seq.lengths
    counts = (-((frame.size - lengths).clamp(max=0) // frame.hop)) + 1
    needed = (int(counts.max()) - 1) * frame.hop + frame.size
    padded = F.pad(seq.data, (0, 0, 0, 0, 0, max(0, needed - steps)))[:needed]
    data = padded.unfold(0, frame.size, frame.hop).transpose(2, 3).flatten(2)
    return Seq(data, None if seq.lengths is None else counts)


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
        self.how, self._directions = how, recurrent.directions
        size = recurrent.output_size
        last = recurrent.hidden_size * recurrent.directions
        self.output_size = {"last": last, "mean_max": 2 * size}.get(how, size)
        self.attention = _Attention(size) if how == "attention" else None

    def forward(self, hidden: Seq, state: State) -> Tensor:
        """[B, output_size] of hidden states [T, B, F], zero beyond a length, and the state at the end."""
        if self.attention is not None:
            return self.attention(hidden)
        if self.how == "last":
            return torch.cat(tuple(state[0][-self._directions :]), -1)
        return torch.cat([pool(hidden) for pool in POOLS[self.how]], -1)


class _Attention(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.key = nn.Linear(size, size)
        self.query = nn.Linear(size, 1, bias=False)

    def forward(self, hidden: Seq) -> Tensor:
        scores = self.query(torch.tanh(self.key(hidden.data)))
        weights = scores.masked_fill(~inside(hidden), -torch.inf).softmax(0)
        return (weights * hidden.data).sum(0)


def inside(hidden: Seq) -> Tensor:
    """[T, B, 1]: whether a step is within its sequence."""
    steps, batch = hidden.data.shape[:2]
    lengths = torch.full((batch,), steps) if hidden.lengths is None else hidden.lengths
    return (torch.arange(steps)[:, None] < lengths[None]).to(hidden.data.device)[:, :, None]


def _mean(hidden: Seq) -> Tensor:
    if hidden.lengths is None:
        return hidden.data.mean(0)
    return hidden.data.sum(0) / hidden.lengths.to(hidden.data)[:, None]


def _max(hidden: Seq) -> Tensor:
    data = hidden.data if hidden.lengths is None else hidden.data.masked_fill(~inside(hidden), -torch.inf)
    return data.amax(0)


POOLS: dict[str, tuple[Callable[[Seq], Tensor], ...]] = {
    "mean": (_mean,),
    "max": (_max,),
    "mean_max": (_mean, _max),
}
