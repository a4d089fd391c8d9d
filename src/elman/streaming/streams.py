"""Many streams of a model, computed together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elman.core.errors import TaskError
from elman.core.records import Seq, State
from elman.streaming.base import BatchAnswers, Runner, StreamCodec, to_network
from elman.streaming.saved import BLOCK, StreamFactory, StreamState, Trained
from elman.streaming.state_pool import StatePool


class Streams:
    """Many streams of a model, computed together: what each gives is what it would give alone.

    States lie side by side, [*, capacity, *]; the capacity doubles when it is full, and steps cost no memory.
    A stream that steps by itself goes the quicker way of `Stream`; its state comes back when it is asked for.

    Args:
        model: the model; its weights must stay as they are meanwhile.

    Raises:
        TaskError: it cannot run as a stream; it says what could.
    """

    def __init__(self, model: Trained) -> None:
        self._source = StreamFactory(model)
        self._pool = StatePool()
        self._open: dict[int, _Place] = {}
        self._runner: Runner | None = None
        self._alone: int | None = None  # whose state the runner has
        self._count = 0

    def __len__(self) -> int:
        """Return how many streams are open."""
        return len(self._open)

    def __contains__(self, key: object) -> bool:
        """Return whether that is the key of an open stream."""
        return key in self._open

    def open(self, start: Any = None) -> int:
        """Open a stream, and return its key.

        Args:
            start: what it starts from, where the task knows of such.
        """
        return self._add(self._source.fresh(start))

    def close(self, key: int) -> None:
        """Forget a stream; its place is free for another."""
        self._settle()
        self._pool.free(self._at(key).row)
        del self._open[key]

    def fork(self, key: int) -> int:
        """Return the key of another stream that goes on from where that one is."""
        return self._add(self._saved(key))

    def reset(self, key: int) -> None:
        """Begin that stream anew, as at first."""
        place = self._at(key)
        saved = self._source.fresh(place.begin)
        self._settle()
        self._pool.put(place.row, saved.state)
        place.ends, place.steps = self._source.ends(saved), 0

    def save(self, key: int, path: str | Path, *, private: bool = False) -> None:
        """Write a stream to a file, as `Stream.save` does; one that is private nobody else may read."""
        self._source.save(Path(path), self._saved(key), private=private)

    def restore(self, path: str | Path) -> int:
        """Return the key of a stream that goes on from a file of `save` or `Stream.save`.

        Raises:
            RunError: the file is missing, damaged, or of another model.
        """
        return self._add(self._source.load(Path(path)))

    def steps(self, key: int) -> int:
        """Return how many steps that stream has made."""
        return self._at(key).steps

    def state(self, key: int) -> State:
        """Return the layers' states of that stream now, S tensors [L, 1, H]."""
        return self._saved(key).state[: self._source.streamer.hidden]

    def answer(self, output: Any) -> dict[str, Any]:
        """Return an output as JSON, with the keys of `elman predict`."""
        return self._source.streamer.answer(output)

    def answers(self, outputs: list[Any]) -> list[dict[str, Any]]:
        """Return each output as JSON, as `answer` does."""
        streamer = self._source.streamer
        if outputs and isinstance(streamer, BatchAnswers):
            return streamer.answers(outputs)
        return [streamer.answer(output) for output in outputs]

    def step(self, steps: Mapping[int, Any]) -> dict[int, Any]:
        """Make a step of some streams: key -> x, as `Stream.step` takes it.

        Returns:
            Key -> the output, None where none is due yet. Of a stream whose step is refused it is the error,
            an `ElmanError`; that stream is as it was, and the others have made their step. Another exception
            is a fault of Elman itself, and no other stream's either.
        """
        found: dict[int, Any] = {}
        taken: dict[int, Any] = {}
        places = [self._at(key) for key in steps]  # before any of them takes something
        for place, (key, x) in zip(places, steps.items(), strict=True):
            try:
                found[key] = None
                if (step := place.ends.encoder.encode_step(x)) is not None:
                    taken[key] = step
            except Exception as error:  # of whatever kind, it is this stream's alone
                found[key] = error
        for key, got in self._apart(taken, lambda some: dict(zip(some, self._one_step(some), strict=True))):
            found[key] = got if isinstance(got, Exception) else self._out(key, got)
        return found

    def feed(self, chunks: Mapping[int, Any]) -> dict[int, Any]:
        """Feed some streams a piece of any length: key -> piece, as `Stream.feed` takes it.

        Returns:
            Key -> the outputs that became due; or the error, as of `step`.
        """
        return self._each(chunks, lambda ends, chunk: ends.encoder.encode(chunk))

    def finish(self, keys: Iterable[int]) -> dict[int, Any]:
        """Return the outputs that streams kept back, as `Stream.finish` does."""
        found = self._each(dict.fromkeys(keys), lambda ends, _: ends.encoder.flush())
        for key, got in found.items():
            try:
                if isinstance(got, list):
                    found[key] = got + self._open[key].ends.decoder.flush()
            except Exception as error:  # see `step`
                found[key] = error
        return found

    def _each(self, given: Mapping[int, Any], take: Callable[[StreamCodec, Any], Tensor]) -> dict[int, Any]:
        """Return the outputs of what is taken from each of the pieces."""
        found: dict[int, Any] = {}
        taken: dict[int, Tensor] = {}
        places = [self._at(key) for key in given]
        for place, (key, piece) in zip(places, given.items(), strict=True):
            try:
                taken[key] = take(place.ends, piece)
                found[key] = []
            except Exception as error:  # see `step`
                found[key] = error
        for start in range(0, max(map(len, taken.values()), default=0), BLOCK):
            pieces = {
                key: data[start : start + BLOCK]
                for key, data in taken.items()
                if len(data) > start and not isinstance(found[key], Exception)
            }
            for key, got in self._apart(pieces, self._run_pieces):
                outputs = got if isinstance(got, Exception) else self._outputs(key, got)
                found[key] = outputs if isinstance(outputs, Exception) else found[key] + outputs
        return found

    def _run_pieces(self, pieces: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return the outputs of one piece of each of some streams: key -> [T, ...]."""
        lengths = [len(piece) for piece in pieces.values()]
        data = to_network(nn.utils.rnn.pad_sequence(list(pieces.values())), self._source.like)
        raw = self._run(pieces, Seq(data, torch.tensor(lengths) if min(lengths) < max(lengths) else None))
        return {
            key: raw[:length, column]
            for column, (key, length) in enumerate(zip(pieces, lengths, strict=True))
        }

    def _apart(
        self, taken: Mapping[int, Any], run: Callable[[Mapping[int, Any]], dict[int, Any]]
    ) -> Iterator[tuple[int, Any]]:
        """Return the outputs of each; if they cannot be computed together, one by one, or the errors.

        States are written when all is computed, so that those who go on do so from where they were.
        """
        try:
            yield from (run(taken) if taken else {}).items()
        except Exception as error:
            for key, mine in taken.items() if len(taken) > 1 else ():
                yield from self._apart({key: mine}, run)
            if len(taken) == 1:
                yield next(iter(taken)), error

    def _out(self, key: int, raw: Tensor) -> Any:
        """Return the output of a step that a stream has made, or the error."""
        place = self._open[key]
        place.steps += 1
        try:
            return place.ends.decoder.decode(raw)
        except Exception as error:  # see `step`
            return error

    def _outputs(self, key: int, raw: Tensor) -> list[Any] | Exception:
        """Return the outputs due after the steps [T, ...] that a stream has made, or the first error."""
        outputs = [self._out(key, step) for step in raw.unbind()]
        fault = next((output for output in outputs if isinstance(output, Exception)), None)
        return fault or [output for output in outputs if output is not None]

    def _one_step(self, taken: Mapping[int, Any]) -> Iterable[Tensor]:
        """Return the outputs of one step of some streams, [...] of each."""
        if len(taken) > 1:
            data = to_network(_beside(list(taken.values())), self._source.like)
            return self._run(taken, Seq(data))[0].unbind()
        return [self._by_itself(key)(step) for key, step in taken.items()]

    def _by_itself(self, key: int) -> Runner:
        """Return the runner, with the state of that stream."""
        if self._runner is None:
            self._runner = self._source.streamer.runner(self._saved(key).state)
        elif self._alone != key:
            self._runner.put(self._saved(key).state)
        self._alone = key
        return self._runner

    def _settle(self) -> None:
        """Put the state that the runner has back where it belongs."""
        if self._runner is not None and self._alone is not None:
            self._pool.put(self._open[self._alone].row, self._runner.state)
            self._alone = None

    def _run(self, keys: Iterable[int], seq: Seq) -> Tensor:
        """Return the outputs of steps [T, B, ...] of some streams, and advance their states."""
        self._settle()
        places = self._pool.places([self._open[key].row for key in keys])
        raw, state = self._source.streamer.run(seq, self._pool.get(places))
        self._pool.set(places, state)
        return raw

    def _add(self, saved: StreamState) -> int:
        self._count += 1
        row = self._pool.take(saved.state)
        self._open[self._count] = _Place(saved.begin, row, self._source.ends(saved), saved.steps)
        return self._count

    def _saved(self, key: int) -> StreamState:
        place = self._at(key)
        self._settle()
        state = self._pool.get(self._pool.places([place.row]))
        return StreamState(place.begin, state, place.ends.content(), place.steps)

    def _at(self, key: int) -> _Place:
        if key not in self._open:
            raise TaskError("streams", f"the key {key!r}", expected="that of an open stream")
        return self._open[key]


@dataclass
class _Place:
    """What a stream started from, where its state lies, its ends, and how many steps it has made."""

    begin: Any
    row: int
    ends: StreamCodec
    steps: int


def _beside(steps: list[Any]) -> Tensor:
    """Put steps of several streams side by side, each as `encode_step` gives them: [1, B, ...]."""
    beside = torch.stack(steps) if isinstance(steps[0], Tensor) else torch.from_numpy(np.array(steps))
    return beside[None]
