"""What a task implements so that its models run as streams: the codec at both ends, and the network.

All that a stream remembers is its state, tensors [*, B, *] with a column for each of B streams, and what its
two ends keep back. Independent of tasks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from elman.core.records import Seq, State
from elman.decoding.options import SamplingOptions
from elman.inputs.incremental import FrameBuffer, IncrementalEncoder
from elman.nn.framing import EACH_STEP, Frame
from elman.nn.stepping import LayerStackStepper


class IncrementalDecoder(ABC):
    """Turns the network's outputs of steps into answers."""

    @abstractmethod
    def decode(self, raw: Tensor) -> Any:
        """Return the output of the next step, whose raw output is `raw` [...]; None: there is none yet."""

    @abstractmethod
    def flush(self) -> list[Any]:
        """Return the outputs that were buffered, at the end of the sequence."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """Return what is kept, in terms of JSON."""

    @abstractmethod
    def restore(self, content: dict[str, Any]) -> None:
        """Keep what `content` gave."""


@final
class Identity(IncrementalDecoder):
    """The network's outputs are the answers."""

    def decode(self, raw: Tensor) -> Tensor:
        return raw

    def flush(self) -> list[Any]:
        return []

    def content(self) -> dict[str, Any]:
        return {}

    def restore(self, content: dict[str, Any]) -> None:
        """See `IncrementalDecoder`."""


class StreamCodec(NamedTuple):
    """Where a stream comes in and where it goes out."""

    encoder: IncrementalEncoder
    decoder: IncrementalDecoder

    def content(self) -> dict[str, Any]:
        """Return what both keep, in terms of JSON."""
        return {"intake": self.encoder.content(), "outlet": self.decoder.content()}

    def restore(self, content: dict[str, Any]) -> None:
        """Keep what `content` gave."""
        self.encoder.restore(content["intake"])
        self.decoder.restore(content["outlet"])


@dataclass(frozen=True, kw_only=True)
class LineProtocol:
    """How a stream processes a line of text: as one piece with one answer.

    It keeps nothing from one line to the next: what a stream needs to go on is in its state.

    Args:
        read: a line, with its end -> the piece that it stands for.
        answer: the line, and the outputs that became due -> the answer as JSON.
        rate: samples a second, where samples of sound come in place of lines; else 0.
    """

    read: Callable[[str], Any]
    answer: Callable[[str, list[Any]], dict[str, Any]]
    rate: int = 0


class Runner(ABC):
    """One stream a step at a call, from a state that it keeps."""

    @property
    @abstractmethod
    def state(self) -> State:
        """The state [*, 1, *] after the last step, which later ones do not change."""

    @abstractmethod
    def put(self, state: State) -> None:
        """Go on from another state."""

    @abstractmethod
    def __call__(self, step: Any) -> Tensor:
        """Return the network's output of one step [...], as `IncrementalEncoder.encode_step` gives it."""


class Streamer(ABC):
    """A network in evaluation mode that runs forward in time, on many streams side by side."""

    @property
    @abstractmethod
    def hidden(self) -> int:
        """How many tensors, the first ones of a state, are the layers' states [L, B, H]."""

    @abstractmethod
    def start(self, begin: Any) -> State:
        """Return the state [*, 1, *] before the first step.

        Args:
            begin: what the stream starts from, in terms of JSON, where the task knows of such; else None.

        Raises:
            TaskError, DataError: it cannot start from that.
        """

    @abstractmethod
    def ends(self, begin: Any) -> StreamCodec:
        """Return the fresh encoder and decoder of one stream that started from that."""

    @abstractmethod
    def run(self, seq: Seq, state: State) -> tuple[Tensor, State]:
        """Return the network's outputs of steps, and the state after each stream's last one.

        Args:
            seq: data [T, B, ...] as encoders give it, on the network's device; and lengths [B], or None.
            state: [*, B, *].

        Returns:
            [T, B, ...] and [*, B, *].
        """

    @abstractmethod
    def runner(self, state: State) -> Runner:
        """Return what runs one stream a step at a time."""

    @abstractmethod
    def answer(self, output: Any) -> dict[str, Any]:
        """Return an output as JSON, with the keys of `elman predict`."""

    @abstractmethod
    def lines(self, state: State) -> LineProtocol:
        """Return what reads the next line of text of a stream in a state [*, 1, *], and answers it."""


class Composer(Streamer):
    """A streamer whose network writes or draws on from the state of a stream."""

    @abstractmethod
    def compose(self, state: State, generator: torch.Generator, how: SamplingOptions) -> Iterator[Any]:
        """Write on from a state [*, 1, *], endlessly or until it ends by itself: pieces of text, or steps.

        Raises:
            TaskError: an option is not for this task.
        """


class Completer(Streamer):
    """A streamer whose network completes words from the state of a stream."""

    @abstractmethod
    def complete(self, ends: StreamCodec, state: State, text: str, count: int) -> list[tuple[str, float]]:
        """Return the likeliest next words with their probabilities, after a state [*, 1, *] and more text.

        What the stream's ends hold back comes before that text. Where the text ends inside a word, the words
        begin with what is there of it.

        Raises:
            ConfigError: `count` is below 1.
        """


class BatchAnswers(Streamer):
    """A streamer that tells many outputs at once sooner than one by one."""

    @abstractmethod
    def answers(self, outputs: list[Any]) -> list[dict[str, Any]]:
        """Answer one output or more, each as `answer` does."""


@final
class ModuleRunner(Runner):
    """One stream by `Streamer.run`.

    Args:
        streamer: what runs.
        state: to start from.
        like: a tensor of the network, whose device and numbers features have.
    """

    def __init__(self, streamer: Streamer, state: State, like: Tensor) -> None:
        self._streamer, self._state, self._like = streamer, state, like

    @property
    def state(self) -> State:
        return self._state

    def put(self, state: State) -> None:
        self._state = state

    @torch.no_grad()
    def __call__(self, step: Any) -> Tensor:
        data = to_network(torch.as_tensor(step)[None, None], self._like)
        raw, self._state = self._streamer.run(Seq(data), self._state)
        return raw[0, 0]


@final
class LayerRunner(Runner):
    """One stream by layers that step, with as little around them as can be.

    The state is that of the layers, then the last layer's output [1, 1, H].

    Args:
        stepper: the layers.
        vector: a step -> [1, F], what enters the first layer.
        says: the output [H] of the last layer -> the scores [...], in memory of their own.
        output: what the layers gave last, [1, 1, H].
    """

    def __init__(
        self,
        stepper: LayerStackStepper,
        vector: Callable[[Any], Tensor],
        says: Callable[[Tensor], Tensor],
        output: Tensor,
    ) -> None:
        self._stepper, self._vector, self._says = stepper, vector, says
        self._output, self._flat = output[0], output[0, 0]

    @property
    def state(self) -> State:
        layers = zip(*self._stepper.state, strict=True)
        return *(torch.stack(part) for part in layers), self._output[None].clone()

    def put(self, state: State) -> None:
        *layers, output = state
        self._stepper.put(tuple(layers))
        self._output, self._flat = output[0], output[0, 0]

    def __call__(self, step: Any) -> Tensor:
        output = self._stepper.advance(self._vector(step))
        if output is not self._output:  # else it is the same memory, and to make a view takes a microsecond
            self._output, self._flat = output, output[0]
        return self._says(self._flat)


def latest(streamer: Streamer, read: Callable[[str], Any], rate: int = 0) -> LineProtocol:
    """Answer each line with the answer to its last output."""

    def answer(_: str, outputs: list[Any]) -> dict[str, Any]:
        return streamer.answer(outputs[-1]) if outputs else {}

    return LineProtocol(read=read, answer=answer, rate=rate)


def framed(encoder: IncrementalEncoder, frame: Frame) -> IncrementalEncoder:
    """Put the steps in frames; symbols beyond the end are -1, features 0."""
    return encoder if frame == EACH_STEP else FrameBuffer(encoder, *frame)


def to_network(data: Tensor, like: Tensor) -> Tensor:
    """Move data to the network's device: symbols as they are, features as numbers of its kind."""
    return data.to(like.device, like.dtype if data.is_floating_point() else None)


def last_steps(hidden: Seq) -> Tensor:
    """Return [1, B, F]: what stands at the last step of each sequence [T, B, F]."""
    if hidden.lengths is None:
        return hidden.data[-1:]
    places = (hidden.lengths - 1).to(hidden.data.device)
    return hidden.data.gather(0, places[None, :, None].expand(1, -1, hidden.data.shape[2]))


class Streaming(ABC):
    """A task whose models can run forward in time, as data come in."""

    @abstractmethod
    def streamer(self, network: nn.Module) -> Streamer:
        """Return what runs the network, in evaluation mode, on streams.

        Raises:
            TaskError: the settings do not allow it; it says which would.
        """


class Composing(Streaming):
    """A task whose models write or draw on from a stream."""

    @abstractmethod
    def streamer(self, network: nn.Module) -> Composer:
        """Return what runs the network on streams, and writes on from them."""


class Completing(Streaming):
    """A task whose models complete words from a stream."""

    @abstractmethod
    def streamer(self, network: nn.Module) -> Completer:
        """Return what runs the network on streams, and completes words from them."""
