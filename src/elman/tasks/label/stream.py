"""A labeller as a stream: what it says of each step, by what came before it, or `lag` steps later."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, final

import torch
from torch import Tensor

from elman.core import json_schema
from elman.core.errors import TaskError
from elman.core.records import Seq, State
from elman.inputs.base import Input
from elman.inputs.incremental import IncrementalEncoder
from elman.inputs.signals.signal_input import Signal
from elman.streaming.base import (
    Identity,
    IncrementalDecoder,
    LineProtocol,
    ModuleRunner,
    StreamCodec,
    Streamer,
    latest,
)
from elman.tasks.label.network import LabelNetwork
from elman.tasks.label.targets import StepTarget


@final
class LabelStreamer(Streamer):
    """Probabilities [C], or mean and deviation [2], of each step; the state is the layers'.

    Args:
        member: the input.
        target: what is predicted.
        network: the network, in one direction.
        lag: steps that an answer waits for.
    """

    def __init__(self, member: Input, target: StepTarget, network: LabelNetwork, lag: int) -> None:
        self._input, self._target, self._network, self._lag = member, target, network, lag

    @property
    def hidden(self) -> int:
        return self._network.encoder.recurrent.cell.states

    def start(self, begin: Any) -> State:
        """See `Streamer`: it starts from nothing."""
        if begin:
            raise TaskError("start", repr(begin), expected="nothing, of a labeller")
        return tuple(s.detach().clone() for s in self._network.encoder.recurrent.initial(1))

    def ends(self, begin: Any) -> StreamCodec:
        steps = self._input.incremental_encoder()
        if not self._lag:
            return StreamCodec(steps, Identity())
        return StreamCodec(_Prolonged(steps, self._lag), _Belated(self._lag))

    @torch.no_grad()
    def run(self, seq: Seq, state: State) -> tuple[Tensor, State]:
        vectors = Seq(self._network.encoder.read_frames(seq.data), seq.lengths)
        scores, after = self._network.scored(vectors, state)
        return self._target.outputs(scores), after

    def runner(self, state: State) -> ModuleRunner:
        return ModuleRunner(self, state, self._network.output.weight)

    def answer(self, output: Tensor) -> dict[str, Any]:
        """Return the answer to one step."""
        return {name: cells[0] for name, cells in self._target.answer(output[None]).items()}

    def lines(self, state: State) -> LineProtocol:
        """Return the output of the last step of a line; with a lag, of the step that it now answers."""
        rate = self._input.rate if isinstance(self._input, Signal) else 0
        return latest(self, self._input.parse, rate)


class _Lengthened(NamedTuple):
    steps: dict[str, Any]
    last: list[float] | int | None


@final
class _Prolonged(IncrementalEncoder):
    """Steps, and at the end the last one again `count` times, as a task's `encode` has it."""

    def __init__(self, steps: IncrementalEncoder, count: int) -> None:
        self._steps, self._count = steps, count
        self._last: Tensor | None = None

    def encode_step(self, x: Any) -> Any:
        step = self._steps.encode_step(x)
        if step is not None:
            self._last = torch.as_tensor(step).clone()
        return step

    def encode(self, chunk: Any) -> Tensor:
        return self._kept(self._steps.encode(chunk))

    def flush(self) -> Tensor:
        steps = self._kept(self._steps.flush())
        last, self._last = self._last, None
        if last is None:
            return steps
        return torch.cat([steps, last.to(steps.dtype).expand(self._count, *steps.shape[1:])])

    def content(self) -> dict[str, Any]:
        return {"steps": self._steps.content(), "last": None if self._last is None else self._last.tolist()}

    def restore(self, content: dict[str, Any]) -> None:
        found = json_schema.build(_Lengthened, content)
        self._steps.restore(found.steps)
        self._last = None if found.last is None else torch.tensor(found.last)

    def _kept(self, steps: Tensor) -> Tensor:
        self._last = steps[-1].clone() if len(steps) else self._last
        return steps


class _Due(NamedTuple):
    left: Annotated[int, ("minimum", 0)]


@final
class _Belated(IncrementalDecoder):
    """Outputs without the first `count`, which tell of no step."""

    def __init__(self, count: int) -> None:
        self._count = self._left = count

    def decode(self, raw: Tensor) -> Tensor | None:
        if self._left:
            self._left -= 1
            return None
        return raw

    def flush(self) -> list[Any]:
        self._left = self._count
        return []

    def content(self) -> dict[str, Any]:
        return {"left": self._left}

    def restore(self, content: dict[str, Any]) -> None:
        """See `IncrementalDecoder`."""
        (self._left,) = json_schema.build(_Due, content)
