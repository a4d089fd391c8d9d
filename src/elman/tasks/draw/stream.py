"""Drawing as a stream: after each step how the next is distributed, and steps drawn on from there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from elman.core.errors import TaskError
from elman.core.records import RawValue, Seq, State
from elman.decoding.options import SamplingOptions
from elman.inputs.incremental import IncrementalEncoder
from elman.nn.mixture_densities import StepDistribution
from elman.streaming.base import (
    Composer,
    IncrementalDecoder,
    LineProtocol,
    ModuleRunner,
    StreamCodec,
    last_steps,
    latest,
)
from elman.tasks.draw import step_types
from elman.tasks.draw.conditions import Condition
from elman.tasks.draw.heads import Head
from elman.tasks.draw.network import DrawNetwork
from elman.tasks.draw.step_types import StepType

_WHERE = "a piece of a drawing"


class StepOutput(NamedTuple):
    """The output of one step.

    Args:
        nats: the surprise of the step, after those before it.
        features: [size], from which the distribution of the next step is made.
        head: makes it.
        kind: what a step is.
    """

    nats: Tensor
    features: Tensor
    head: Head
    kind: StepType

    @property
    def following(self) -> StepDistribution:
        """How the next step is distributed, in the data's own units."""
        with torch.no_grad():
            return self.kind.in_units(self.head(self.features))


@final
class DrawStreamer(Composer):
    """The surprise of each step, and how the next one is distributed.

    The state is the body's, then the features [1, B, size] after the last step.

    Args:
        kind: what a step is.
        start: what a drawing starts from.
        network: the network.
    """

    def __init__(self, kind: StepType, start: Condition, network: DrawNetwork) -> None:
        self._kind, self._start, self._network = kind, start, network
        self._like = next(network.parameters())

    @property
    def hidden(self) -> int:
        """See `Streamer`: of a body with a window the first layer's."""
        return self._network.body.hidden

    @torch.no_grad()
    def start(self, begin: Any) -> State:
        """See `Streamer`: a class, or a text."""
        codes = self._start.codes(begin or None, "start").to(self._like.device)[:, None]
        before = self._kind.before.to(self._like)[None, None]
        features, state, _ = self._network.body(Seq(self._network.reader(before)), self._network.begin(codes))
        return *state, features

    def ends(self, begin: Any) -> StreamCodec:
        return StreamCodec(_Moves(self._kind), _StepDecoder(self._network.head, self._kind))

    @torch.no_grad()
    def run(self, seq: Seq, state: State) -> tuple[Tensor, State]:
        """See `Streamer`: the features, and beside them the surprise."""
        if seq.lengths is not None:
            return self._ragged(seq.data, seq.lengths, state)
        *inner, last = state
        features, after, _ = self._network.body(Seq(self._network.reader(seq.data)), tuple(inner))
        before = torch.cat([last, features[:-1]])
        nats = self._network.head(before).nats(seq.data)
        return torch.cat([features, nats[..., None].to(features)], -1), (*after, last_steps(Seq(features)))

    def _ragged(self, data: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State]:
        """Drawings of one length at a time: a window has no place beyond the end of one."""
        raw, after = None, tuple(s.clone() for s in state)
        for length in lengths.unique().tolist():
            columns = (lengths == length).nonzero()[:, 0].to(data.device)
            some = tuple(s.index_select(1, columns) for s in state)
            some_raw, new = self.run(Seq(data[:length].index_select(1, columns)), some)
            raw = data.new_zeros(*data.shape[:2], some_raw.shape[-1]) if raw is None else raw
            raw[:length, columns] = some_raw
            for mine, fresh in zip(after, new, strict=True):
                mine[:, columns] = fresh
        assert raw is not None
        return raw, after

    def runner(self, state: State) -> ModuleRunner:
        return ModuleRunner(self, state, self._like)

    def answer(self, output: StepOutput) -> dict[str, Any]:
        """How surprising the step was, in nats, and its log probability."""
        nats = round(float(output.nats), 4)
        return {"prediction": nats, "logp": -nats, "steps": 1}

    def lines(self, state: State) -> LineProtocol:
        """The surprise of each line's step."""
        return latest(self, _numbers)

    def compose(self, state: State, generator: torch.Generator, how: SamplingOptions) -> Iterator[Tensor]:
        """Steps [C] until the drawing's end, if there is such; see `Composer`."""
        if how.top_k or how.top_p != 1:
            raise TaskError("top_k and top_p", f"{how.top_k} and {how.top_p}", expected="0 and 1, to draw")
        return self._drawn(state, generator, how.temperature)

    def _drawn(self, state: State, generator: torch.Generator, temperature: float) -> Iterator[Tensor]:
        *inner, last = state
        with torch.no_grad():
            advance, distribution = self._network.advance(tuple(inner)), self._network.head(last[0])
        while True:
            with torch.no_grad():
                made = distribution.sample(generator, temperature)
                if bool(self._kind.ends(made).any()):
                    return
                distribution, _ = advance(made)
            yield torch.from_numpy(self._kind.drawing(made.cpu().numpy(), "", None).steps[0])


def _numbers(line: str) -> Any:
    """A step as numbers with commas, semicolons or spaces between them."""
    cells = line.replace(",", " ").replace(";", " ").split()
    try:
        return [[float(cell) for cell in cells]] if cells else []
    except ValueError:
        return line


@final
class _Moves(IncrementalEncoder):
    """Steps of a kind, as they come.

    Args:
        kind: which.
    """

    def __init__(self, kind: StepType) -> None:
        self._kind = kind

    def encode_step(self, x: Any) -> Tensor:
        """See `IncrementalEncoder`: a step [C]."""
        return self.encode([x] if np.ndim(x) else [[x]])[0]

    def encode(self, chunk: Any) -> Tensor:
        """See `IncrementalEncoder`: steps [n, C]; or [C]."""
        if not isinstance(chunk, str) and not np.size(np.asarray(chunk, object)):
            return torch.zeros(0, self._kind.channels)
        if np.ndim(chunk) == 1 and self._kind.channels > 1:
            chunk = [chunk]
        steps = step_types.read(RawValue(chunk, _WHERE))
        self._kind.check(steps, _WHERE)
        return self._kind.centred(steps)

    def flush(self) -> Tensor:
        """See `IncrementalEncoder`: nothing is buffered."""
        return torch.zeros(0, self._kind.channels)

    def content(self) -> dict[str, Any]:
        return {}

    def restore(self, content: dict[str, Any]) -> None:
        """See `IncrementalEncoder`."""


@final
class _StepDecoder(IncrementalDecoder):
    """Features and surprise, apart.

    Args:
        head: makes a distribution of features.
        kind: what a step is.
    """

    def __init__(self, head: Head, kind: StepType) -> None:
        self._head, self._kind = head, kind

    def decode(self, raw: Tensor) -> StepOutput:
        return StepOutput(raw[-1], raw[:-1], self._head, self._kind)

    def flush(self) -> list[Any]:
        return []

    def content(self) -> dict[str, Any]:
        return {}

    def restore(self, content: dict[str, Any]) -> None:
        """See `IncrementalDecoder`."""
