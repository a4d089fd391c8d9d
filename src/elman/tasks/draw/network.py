"""The network that draws: the steps so far, and what it starts from -> how the next step is distributed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import final

import torch
from torch import Tensor, nn

from elman.core import interruption
from elman.core.records import Seq, State
from elman.core.run_config import NetworkSettings, RunConfig
from elman.nn import encoder
from elman.nn.layer_stack import dropout
from elman.nn.mixture_densities import StepDistribution
from elman.nn.soft_window import SoftWindow, WindowOutput, WindowText
from elman.tasks.draw.conditions import ClassCondition, Condition, TextCondition
from elman.tasks.draw.settings import DrawConfig
from elman.tasks.draw.step_types import StepType

_PIECE = 1 << 14
"""Steps of all sequences that are read at once of what was made before."""

Advance = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""A step [B, width] -> the features after it, [B, output_size], and what a window saw, [B, U], if any."""


class Body(nn.Module, ABC):
    """Recurrent layers over steps, and what sequences start from.

    Args:
        output_size: of the features of a step.
    """

    output_size: int

    @property
    @abstractmethod
    def hidden(self) -> int:
        """How many tensors, the first ones of a state, are layers' states."""

    @abstractmethod
    def begin(self, codes: Tensor) -> State:
        """The state before the first step of sequences with these codes [U, B] of what they start from."""

    @abstractmethod
    def forward(self, x: Seq, state: State) -> tuple[Tensor, State, Tensor | None]:
        """Features [T, B, output_size] after steps [T, B, width], the state, a window's weights [T, B, U]."""

    @abstractmethod
    def stepper(self, state: State) -> Advance:
        """The same a step [B, width] at a call, from a state on, in constant memory."""


@final
class FreeBody(Body):
    """Layers that start from nothing.

    Args:
        width: features of a step.
        config: the network's settings.
    """

    def __init__(self, width: int, config: NetworkSettings) -> None:
        super().__init__()
        self.recurrent = encoder.layers(config, width)
        self.output_size = self.recurrent.output_size

    @property
    def hidden(self) -> int:
        return self.recurrent.cell.states

    def begin(self, codes: Tensor) -> State:
        return self.recurrent.initial(codes.shape[1])

    def forward(self, x: Seq, state: State) -> tuple[Tensor, State, Tensor | None]:
        hidden, state = self.recurrent(x, state)
        return hidden.data, state, None

    def stepper(self, state: State) -> Advance:
        step = encoder.stepper(self.recurrent, state)
        return lambda x: (step(x), None)


@final
class ClassBody(Body):
    """Layers that start from a state of a class, and read its vector beside every step.

    Args:
        classes: how many there are; number 0 is none, whose vector is zero.
        width: features of a step.
        config: the network's settings.
    """

    def __init__(self, classes: int, width: int, config: NetworkSettings) -> None:
        super().__init__()
        size = config.embedding or 64
        self.recurrent = encoder.layers(replace(config, learn_initial=False), width + size)
        self.output_size = self.recurrent.output_size
        self.embedding = nn.Embedding(classes + 1, size, padding_idx=0)
        self.bridge = encoder.bridge(self.recurrent, size)

    @property
    def hidden(self) -> int:
        return self.recurrent.cell.states

    def begin(self, codes: Tensor) -> State:
        """See `Body`; the class's vector stays in the state."""
        vector = self.embedding(codes[0])
        return *encoder.bridged(self.recurrent, torch.tanh(self.bridge(vector))), vector[None]

    def forward(self, x: Seq, state: State) -> tuple[Tensor, State, Tensor | None]:
        *inner, vector = state
        data = torch.cat([x.data, vector.expand(x.data.shape[0], -1, -1)], -1)
        hidden, after = self.recurrent(Seq(data, x.lengths), tuple(inner))
        return hidden.data, (*after, vector), None

    def stepper(self, state: State) -> Advance:
        *inner, vector = state
        step = encoder.stepper(self.recurrent, tuple(inner))
        return lambda x: (step(torch.cat([x, vector[0]], -1)), None)


@final
class TextBody(Body):
    """A first layer that slides a window over a text, and layers that see what it sees (Graves 2013).

        h_t = layer([x_t; w_(t-1)]),    w_t = window(h_t),    features_t = [h_t; w_t; layers([x_t; h_t; w_t])]

    Without `feed` the first layer sees x_t alone: no step waits for the window of the one before.

    Args:
        characters: how many there are; number 0 is none, whose vector is zero.
        pace: characters a step in the data.
        width: features of a step.
        config: the network's settings.
        options: the task's settings.
    """

    def __init__(
        self, characters: int, pace: float, width: int, config: NetworkSettings, options: DrawConfig
    ) -> None:
        super().__init__()
        size, self._config = config.embedding or 32, config
        first = replace(config, layers=1, skip=False, residual=False, learn_initial=False)
        self.recurrent = encoder.layers(first, width + size * options.feed)
        self.embedding = nn.Embedding(characters + 1, size, padding_idx=0)
        self.window = SoftWindow(self.recurrent.output_size, options.window, pace)
        self.feed, self._states = options.feed, self.recurrent.cell.states
        self.output_size = self.recurrent.output_size + size
        self.upper = None
        if config.layers > 1:
            rest = replace(config, layers=config.layers - 1, learn_initial=False)
            self.upper = encoder.layers(rest, width + self.output_size)
            self.output_size += self.upper.output_size

    @property
    def hidden(self) -> int:
        return self.recurrent.cell.states

    def begin(self, codes: Tensor) -> State:
        """See `Body`; the text stays in the state, with what the window saw last and where it stands."""
        batch = codes.shape[1]
        upper = () if self.upper is None else self.upper.initial(batch)
        vectors, seen = self.embedding(codes), self.embedding(torch.zeros_like(codes[:1]))
        return *self.recurrent.initial(batch), *upper, seen, self.window.start(batch)[None], vectors, codes

    def forward(self, x: Seq, state: State) -> tuple[Tensor, State, Tensor | None]:
        *inner, seen, place, vectors, codes = state
        script = WindowText(vectors, codes > 0)
        lower, upper = tuple(inner[: self._states]), tuple(inner[self._states :])
        if self.feed:
            hidden, lower, saw = self._fed(x.data, lower, seen, script, place[0])
        else:
            hidden, lower = self._lower(x.data, lower)
            saw = self.window(hidden, script, place[0])
        features = torch.cat([hidden, saw.context], -1)
        if self.upper is not None:
            above, upper = self.upper(Seq(torch.cat([x.data, self._dropped(features)], -1), x.lengths), upper)
            features = torch.cat([features, above.data], -1)
        return features, (*lower, *upper, saw.context[-1:], saw.place[None], vectors, codes), saw.weights

    def stepper(self, state: State) -> Advance:
        *inner, seen, place, vectors, codes = state
        step = encoder.stepper(self.recurrent, tuple(inner[: self._states]))
        upper = None
        if self.upper is not None:
            upper = encoder.stepper(self.upper, tuple(inner[self._states :]))
        script, context, at = WindowText(vectors, codes > 0), seen[0], place[0]

        def advance(x: Tensor) -> tuple[Tensor, Tensor | None]:
            nonlocal context, at
            hidden = step(torch.cat([x, context], -1) if self.feed else x)
            saw = self.window(hidden[None], script, at)
            context, at = saw.context[0], saw.place
            features = torch.cat([hidden, context], -1)
            if upper is not None:
                features = torch.cat([features, upper(torch.cat([x, features], -1))], -1)
            return features, saw.weights[0]

        return advance

    def _lower(self, data: Tensor, state: State) -> tuple[Tensor, State]:
        hidden, state = self.recurrent(Seq(data), state)
        return hidden.data, state

    def _fed(
        self, data: Tensor, state: State, seen: Tensor, script: WindowText, place: Tensor
    ) -> tuple[Tensor, State, WindowOutput]:
        """The first layer and its window step by step: hidden states [T, B, H], the state, what was seen."""
        hiddens, all_seen = [], []
        for x in data.split(1):
            hidden, state = self._lower(torch.cat([x, seen], -1), state)
            saw = self.window(hidden, script, place)
            seen, place = saw.context, saw.place
            hiddens.append(hidden)
            all_seen.append(saw)
        context, weights, _ = zip(*all_seen, strict=True)
        return torch.cat(hiddens), state, WindowOutput(torch.cat(context), torch.cat(weights), place)

    def _dropped(self, features: Tensor) -> Tensor:
        config = self._config
        return dropout(features, config.dropout, config.variational, self.training)


@final
class DrawNetwork(nn.Module):
    """Features of the steps so far, a body of recurrent layers, and a distribution of the next step.

    Args:
        kind: what a step is.
        start: what a sequence starts from.
        run: the settings.
    """

    def __init__(self, kind: StepType, start: Condition, run: RunConfig[DrawConfig]) -> None:
        super().__init__()
        options = run.options
        self._kind, self._config, self._free = kind, run.network, options.free
        self.reader = kind.reader(run.signal)
        self.body = _body(start, self.reader.width, run.network, options)
        self.led = start.columns > 0
        self.head = kind.head(self.body.output_size, options)

    def forward(self, seq: Seq, state: State | None = None) -> tuple[StepDistribution, State]:
        """How the step after each is distributed, at [T, B], and the state at the end.

        Args:
            seq: data [T, B, C], or [T, B, C + 1] with the codes of what sequences start from in the first
                rows of the last column; 0 where there are no more.
            state: to go on from; the codes are then not looked at.
        """
        data = seq.data
        if self.led:
            data, codes = data[..., :-1], data[..., -1].long()
        else:
            codes = torch.zeros(1, data.shape[1], dtype=torch.int64, device=data.device)
        if state is None:
            state = self.begin(codes)
        config = self._config
        x = dropout(self.reader(data, seq.lengths), config.input_dropout, config.variational, self.training)
        features, state, _ = self.body(Seq(x, seq.lengths), state)
        return self.head(self._dropped(features)), state

    @property
    def offset(self) -> list[float]:
        """What was taken off each channel of the steps; see `StepType`."""
        return self._kind.offset

    def begin(self, codes: Tensor) -> State:
        """The state before the first step, of codes [U, B]; training hides some of them."""
        codes = codes[: max(1, int((codes > 0).sum(0).max()))]
        if self.training and self._free:
            codes = codes * (torch.rand(codes.shape[1], device=codes.device) >= self._free)
        return self.body.begin(codes)

    def window(self, steps: Tensor, codes: Tensor) -> Tensor | None:
        """The weights [T, B, U] of the window at steps [T, B, C] of sequences with codes [U, B]."""
        return self.body(Seq(self.reader(steps)), self.begin(codes))[2]

    def advance(self, state: State) -> Callable[[Tensor], tuple[StepDistribution, Tensor | None]]:
        """What says after a step [B, C] how the next is distributed, and what the window saw."""
        stepper = self.body.stepper(state)

        def step(made: Tensor) -> tuple[StepDistribution, Tensor | None]:
            features, window = stepper(self.reader(made[None])[0])
            return self.head(features), window

        return step

    def _dropped(self, features: Tensor) -> Tensor:
        config = self._config
        return dropout(features, config.output_dropout or config.dropout, config.variational, self.training)


def generate(
    network: DrawNetwork, codes: Tensor, steps: Tensor, *, temperature: float, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Steps without end, drawn one by one, in constant memory.

    Args:
        network: in evaluation mode.
        codes: [U, B] of what each sequence starts from; 0 for nothing.
        steps: [T, B, C] what was made before, at least the row before the first step.
        temperature: of every draw.
        generator: of the network's device.

    Yields:
        A step [B, C], and what the window saw when it was made, [B, U], if there is one.
    """
    state = network.begin(codes)
    for piece in steps[:-1].split(max(1, _PIECE // steps.shape[1])) if len(steps) > 1 else ():
        interruption.look()
        _, state, _ = network.body(Seq(network.reader(piece)), state)
    advance, made = network.advance(state), steps[-1]
    while True:
        interruption.look()
        said, window = advance(made)
        made = said.sample(generator, temperature)
        yield made, window


def _body(start: Condition, width: int, config: NetworkSettings, options: DrawConfig) -> Body:
    if isinstance(start, ClassCondition):
        return ClassBody(len(start.classes), width, config)
    if isinstance(start, TextCondition):
        return TextBody(len(start.vocab), start.pace, width, config, options)
    return FreeBody(width, config)
