"""One stream of a model, by itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from elman.core.errors import ConfigError, TaskError
from elman.core.records import Seq, State
from elman.decoding.options import SamplingOptions
from elman.streaming.base import Completer, Completing, Composer, Composing, LineProtocol, to_network
from elman.streaming.saved import BLOCK, StreamFactory, StreamState

_FEW = 4
"""Steps up to which a piece goes one by one, for that is faster."""


class Stream:
    """One stream of a model.

        with model.stream() as stream:
            for x in data:
                output = stream.step(x)

    Args:
        source: of the model.
        saved: where to go on from.
    """

    def __init__(self, source: StreamFactory, saved: StreamState) -> None:
        self._source, self._begin = source, saved.begin
        self._put(saved)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @property
    def steps(self) -> int:
        """How many steps the network has made since the start."""
        return self._steps

    def step(self, x: Any) -> Any:
        """Return the model's output after one step.

        Args:
            x: a symbol's text or a token; a number or a vector [F]; samples of sound, of a hop; a pen's move.

        Returns:
            The output, a tensor or a tuple of such; `answer` tells it in words. None where none is due yet.

        Raises:
            DataError: x is no such step; the stream is as it was.
        """
        step = self._one(x)
        if step is None:
            return None
        self._steps += 1
        return self._give(self._runner(step))

    def feed(self, chunk: Any) -> list[Any]:
        """Return the outputs due after a piece of any length: a text, an array [n, F], samples [N].

        Raises:
            DataError: the piece cannot be read; the stream is as it was.
        """
        return self._through(self._ends.encoder.encode(chunk))

    def finish(self) -> list[Any]:
        """Return the outputs of what was buffered, such as a word without an end; the sequence ends."""
        outputs = self._through(self._ends.encoder.flush())
        return outputs + self._ends.decoder.flush()

    def reset(self) -> None:
        """Begin anew, as at first."""
        self._put(self._source.fresh(self._begin))

    def fork(self) -> Stream:
        """Return another stream that goes on from here, each for itself."""
        return Stream(self._source, self._saved())

    def save(self, path: str | Path) -> None:
        """Write the stream to a file, all of it or nothing, to go on with `model.stream(path)`.

        Raises:
            RunError: the file cannot be written.
        """
        self._source.save(Path(path), self._saved())

    def state(self) -> State:
        """Return the layers' states now, S tensors [L, 1, H], which later steps do not change."""
        return self._runner.state[: self._source.streamer.hidden]

    def answer(self, output: Any) -> dict[str, Any]:
        """Return an output as JSON, with the keys of `elman predict`."""
        return self._source.streamer.answer(output)

    def lines(self) -> LineProtocol:
        """Return what reads and answers the next line of text, from where the stream is now."""
        return self._source.streamer.lines(self._runner.state)

    def compose(
        self,
        length: int,
        *,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[Any]:
        """Write or draw on from here, piece by piece; the stream itself stays where it is.

        Args:
            length: symbols, or steps at most.
            temperature: below 1 the likely becomes likelier; 0 takes the likeliest always.
            top_k: choose among that many likeliest symbols; 0: among all.
            top_p: choose among the likeliest symbols that together have this probability.
            seed: the same seed draws the same; None: another each time.

        Yields:
            Texts, or steps [C].

        Raises:
            TaskError: the task composes nothing.
            ConfigError: a setting is out of bounds.
        """
        composer = self._source.streamer
        if not isinstance(composer, Composer):
            raise TaskError("compose", "a task that composes nothing", expected=self._source.able(Composing))
        if length < 0:
            raise ConfigError("length", str(length), expected="at least 0")
        how = SamplingOptions(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
        twin = self.fork()
        twin.finish()
        generator = torch.Generator(self._source.like.device)
        generator.manual_seed(seed) if seed is not None else generator.seed()
        return islice(composer.compose(twin._runner.state, generator, how), length)

    def complete(self, count: int = 5, text: str = "") -> list[tuple[str, float]]:
        """Return the likeliest next words with their probabilities, after the stream and more text.

        Where `text` ends inside a word, the words begin with what is there of it. The stream stays.

        Raises:
            TaskError: the task does not complete.
            ConfigError: `count` is below 1.
        """
        completer = self._source.streamer
        if not isinstance(completer, Completer):
            got = "a task that completes no words"
            raise TaskError("complete", got, expected=self._source.able(Completing))
        return completer.complete(self._ends, self._runner.state, text, count)

    def _put(self, saved: StreamState) -> None:
        self._ends, self._steps = self._source.ends(saved), saved.steps
        self._runner = self._source.streamer.runner(saved.state)
        self._one, self._give = self._ends.encoder.encode_step, self._ends.decoder.decode

    def _saved(self) -> StreamState:
        return StreamState(self._begin, self._runner.state, self._ends.content(), self._steps)

    def _through(self, data: Tensor) -> list[Any]:
        """Return the outputs of steps [n, ...], block by block."""
        if len(data) <= _FEW:
            return self._given([self._runner(step) for step in _each(data)])
        outputs, streamer = [], self._source.streamer
        for block in data.split(BLOCK):
            block = to_network(block[:, None], self._source.like)
            raw, state = streamer.run(Seq(block), self._runner.state)
            self._runner.put(state)
            outputs += self._given(raw[:, 0].unbind())
        return outputs

    def _given(self, outputs: Any) -> list[Any]:
        self._steps += len(outputs)
        return [output for raw in outputs if (output := self._give(raw)) is not None]


def _each(data: Tensor) -> list[Any]:
    """Return the steps of [n, ...] as `IncrementalEncoder.encode_step` gives them."""
    return data.tolist() if data.ndim == 1 else list(data.unbind())
