"""A classifier as a stream: what it says of all that came so far, after every step."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from elman.core.errors import TaskError
from elman.core.records import Seq, State
from elman.inputs.base import Input
from elman.inputs.signals.signal_input import Signal
from elman.nn.encoder import Encoder
from elman.nn.masks import step_mask
from elman.nn.pooling import Pool
from elman.nn.recurrent import Recurrent
from elman.streaming.base import Identity, LineProtocol, ModuleRunner, StreamCodec, Streamer, framed, latest
from elman.tasks.classify.incremental_pooling import running
from elman.tasks.classify.targets import Target


@final
class ClassifyStreamer(Streamer):
    """Probabilities [C], or mean and deviation [2], of the sequence so far.

    The state is the layers', and what pooling has to know of all steps before.

    Args:
        member: the input.
        target: what is predicted.
        encoder: the layers.
        pool: how steps become one vector.
        output: the last layer.
    """

    def __init__(
        self, member: Input, target: Target, encoder: Encoder, pool: Pool, output: nn.Linear
    ) -> None:
        self._input, self._target, self._encoder, self._output = member, target, encoder, output
        self._pool = running(pool, encoder.recurrent.output_size)
        self._by_step = pool.how == "last" and encoder.recurrent.residual and encoder.recurrent.layers > 1

    @property
    def hidden(self) -> int:
        return self._encoder.recurrent.cell.states

    def start(self, begin: Any) -> State:
        """See `Streamer`: it starts from nothing."""
        if begin:
            raise TaskError("start", repr(begin), expected="nothing, of a classifier")
        layers = (s.detach().clone() for s in self._encoder.recurrent.initial(1))
        return *layers, *self._pool.start(self._output.weight.detach())

    def ends(self, begin: Any) -> StreamCodec:
        return StreamCodec(framed(self._input.incremental_encoder(), self._encoder.frame), Identity())

    @torch.no_grad()
    def run(self, seq: Seq, state: State) -> tuple[Tensor, State]:
        vectors = Seq(self._encoder.read_frames(seq.data), seq.lengths)
        layers, pooled = state[: self.hidden], state[self.hidden :]
        if self._by_step:
            tops, layers = _top_states(self._encoder.recurrent, vectors, layers)
            hidden = Seq(tops, seq.lengths)
        else:
            hidden, layers = self._encoder.run(vectors, layers)
        said, pooled = self._pool.run(hidden, pooled)
        scores = self._output(said.to(hidden.data.dtype))
        told = self._target.outputs(scores.flatten(0, 1)).unflatten(0, scores.shape[:2])
        return told, (*layers, *pooled)

    def runner(self, state: State) -> ModuleRunner:
        return ModuleRunner(self, state, self._output.weight)

    def answer(self, output: Tensor) -> dict[str, Any]:
        return self._target.answer(output)

    def lines(self, state: State) -> LineProtocol:
        """Return the outputs of all lines so far."""
        rate = self._input.rate if isinstance(self._input, Signal) else 0
        return latest(self, self._input.parse, rate)


def _top_states(recurrent: Recurrent, vectors: Seq, state: State) -> tuple[Tensor, State]:
    """The last layer's state [T, B, H] after each step, which residual layers do not give; the state."""
    there, tops = step_mask(vectors.data, vectors.lengths)[..., None], []
    for x, on in zip(vectors.data.split(1), there, strict=True):
        _, after = recurrent(Seq(x), state)
        state = tuple(torch.where(on[None], new, old) for new, old in zip(after, state, strict=True))
        tops.append(state[0][-1])
    return torch.stack(tops), state
