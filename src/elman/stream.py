"""Streams: a trained model that goes on as data come in, with a state and no more in memory.

One stream, or many side by side that are computed together. Any cutting of a sequence into pieces gives what
the whole gives, to rounding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

from elman import tensors
from elman.batch import Seq, State
from elman.config import Run
from elman.errors import ConfigError, ElmanError, RunError, TaskError
from elman.slab import Slab
from elman.streaming import Completer, Composer, Ends, to_network
from elman.tasks.base import Streaming, Task

_BLOCK = 256
"""Steps that are computed at once of what is longer; memory does not grow with a piece beyond that."""

_FEW = 4
"""Steps up to which a piece goes one by one, for that is faster."""

FORMAT = 1
"""Of the files that hold a stream."""


class Trained(Protocol):
    """A trained network with its task; `elman.Model` is one."""

    @property
    def network(self) -> nn.Module:
        """In evaluation mode."""
        ...

    @property
    def task(self) -> Task:
        """What it was trained for."""
        ...

    @property
    def config(self) -> Run:
        """The settings that it was trained with."""
        ...


class Saved(NamedTuple):
    """All that a stream is beside its model.

    Args:
        begin: what it started from, in terms of JSON.
        state: [*, 1, *].
        ends: what they keep.
        steps: how many it has made.
    """

    begin: Any
    state: State
    ends: dict[str, Any]
    steps: int


class Source:
    """What streams of a model are made of.

    Args:
        model: the model; its weights must stay as they are meanwhile.

    Raises:
        TaskError: it cannot run as a stream; it says what could.
    """

    def __init__(self, model: Trained) -> None:
        task = model.task
        if not isinstance(task, Streaming):
            got, expected = (
                "a task that needs whole sequences",
                "classify, draw, forecast, language, recognize or tag",
            )
            raise TaskError(f"task {model.config.task!r}", got, expected=expected, remedy="use predict")
        self._model, self.streamer = model, task.streamer(model.network)
        self.like = next(model.network.parameters())
        self._mark = ""

    def mark(self) -> str:
        """A number that tells this model from others: of its weights, its settings and what it learnt."""
        if not self._mark:
            run, found = self._model.config, hashlib.sha256()
            parts = run.task, repr((run.network, run.options, run.signal)), self._model.task.to_text()
            found.update("\0".join(parts).encode())
            for name, tensor in sorted(self._model.network.state_dict().items()):
                found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
                found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
            self._mark = found.hexdigest()
        return self._mark

    def fresh(self, begin: Any) -> Saved:
        """A stream before its first step."""
        return Saved(begin, self.streamer.start(begin), self.streamer.ends(begin).content(), 0)

    def ends(self, saved: Saved) -> Ends:
        """The ends of a stream, that keep what was kept."""
        ends = self.streamer.ends(saved.begin)
        ends.restore(saved.ends)
        return ends

    def save(self, path: Path, saved: Saved) -> None:
        """Write a stream to a file, all of it or nothing."""
        named = {f"state.{number}": tensor for number, tensor in enumerate(saved.state)}
        kept = {"begin": saved.begin, "ends": saved.ends, "steps": saved.steps}
        tensors.save(path, named, {"stream": FORMAT, "model": self.mark(), **kept})

    def load(self, path: Path) -> Saved:
        """The stream that a file holds.

        Raises:
            RunError: there is no such file, it is damaged, of a newer Elman, or of another model.
        """
        named, notes = tensors.load(path)
        if notes.get("stream") != FORMAT:
            got, expected = f"format {notes.get('stream')}", f"a stream that was saved, format {FORMAT}"
            raise RunError(path, got, expected=expected, remedy="name a file that Stream.save wrote")
        if notes.get("model") != self.mark():
            remedy = "load it with the model that it was saved from, or begin a new stream"
            raise RunError(path, "the stream of another model", expected="one of this model", remedy=remedy)
        state = tuple(named[name].to(self.like.device) for name in sorted(named, key=_number))
        try:
            saved = Saved(notes["begin"], state, notes["ends"], int(notes["steps"]))
            usual = self.streamer.start(saved.begin)
            if [_kind(s) for s in state] != [_kind(s) for s in usual]:
                raise ValueError("a state of other shapes")
            return saved._replace(ends=self.ends(saved).content())
        except (KeyError, TypeError, ValueError, ElmanError) as error:
            raise RunError(path, f"damaged ({error})", remedy="restore the file from a copy") from error


class Stream:
    """One stream of a model.

        with model.stream() as stream:
            for x in data:
                output = stream.step(x)

    Args:
        source: of the model.
        saved: where to go on from.
    """

    def __init__(self, source: Source, saved: Saved) -> None:
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
        """What the model says after one step.

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
        """The outputs that became due with a piece of any length: a text, an array [n, F], samples [N].

        Raises:
            DataError: the piece cannot be read; the stream is as it was.
        """
        return self._through(self._ends.intake.take(chunk))

    def finish(self) -> list[Any]:
        """The outputs of what was held back, such as a word without an end; the sequence is at its end."""
        outputs = self._through(self._ends.intake.rest())
        return outputs + self._ends.outlet.last()

    def reset(self) -> None:
        """Begin anew, as at first."""
        self._put(self._source.fresh(self._begin))

    def fork(self) -> Stream:
        """Another stream that goes on from here, each for itself."""
        return Stream(self._source, self._saved())

    def save(self, path: str | Path) -> None:
        """Write the stream to a file, all of it or nothing, to go on with `model.stream(path)`.

        Raises:
            RunError: the file cannot be written.
        """
        self._source.save(Path(path), self._saved())

    def state(self) -> State:
        """The layers' states now, S tensors [L, 1, H], which later steps do not change."""
        return self._runner.state[: self._source.streamer.hidden]

    def answer(self, output: Any) -> dict[str, Any]:
        """What is told of an output, in terms of JSON, in the words of `elman predict`."""
        return self._source.streamer.answer(output)

    def compose(
        self,
        length: int,
        *,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[Any]:
        """What the model writes or draws on from here, piece by piece; the stream itself stays where it is.

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
            raise TaskError("compose", "a task that composes nothing", expected="language or draw")
        if length < 0:
            raise ConfigError("length", str(length), expected="at least 0")
        twin = self.fork()
        twin.finish()
        generator = torch.Generator(self._source.like.device)
        generator.manual_seed(seed) if seed is not None else generator.seed()
        made = composer.compose(
            twin._runner.state, generator, temperature=temperature, top_k=top_k, top_p=top_p
        )
        return islice(made, length)

    def complete(self, count: int = 5, text: str = "") -> list[tuple[str, float]]:
        """The likeliest next words with their probabilities, after the stream and more text.

        Where `text` ends inside a word, the words begin with what is there of it. The stream stays.

        Raises:
            TaskError: the task does not complete.
            ConfigError: `count` is below 1.
        """
        completer = self._source.streamer
        if not isinstance(completer, Completer):
            raise TaskError("complete", "a task that completes no words", expected="language")
        return completer.complete(self._ends, self._runner.state, text, count)

    def _put(self, saved: Saved) -> None:
        self._ends, self._steps = self._source.ends(saved), saved.steps
        self._runner = self._source.streamer.runner(saved.state)
        self._one, self._give = self._ends.intake.one, self._ends.outlet.give

    def _saved(self) -> Saved:
        return Saved(self._begin, self._runner.state, self._ends.content(), self._steps)

    def _through(self, data: Tensor) -> list[Any]:
        """The outputs of steps [n, ...], block by block."""
        if len(data) <= _FEW:
            return self._given([self._runner(step) for step in _each(data)])
        outputs, streamer = [], self._source.streamer
        for block in data.split(_BLOCK):
            block = to_network(block[:, None], self._source.like)
            raw, state = streamer.run(Seq(block), self._runner.state)
            self._runner.put(state)
            outputs += self._given(raw[:, 0].unbind())
        return outputs

    def _given(self, said: Any) -> list[Any]:
        self._steps += len(said)
        return [output for raw in said if (output := self._give(raw)) is not None]


def _each(data: Tensor) -> list[Any]:
    """The steps of [n, ...] as `Intake.one` gives them."""
    return data.tolist() if data.ndim == 1 else list(data.unbind())


def _number(name: str) -> int:
    return int(name.rpartition(".")[2]) if name.rpartition(".")[2].isdigit() else -1


def _kind(tensor: Tensor) -> tuple[object, ...]:
    return tensor.ndim, tensor.shape[1], tensor.shape[-1], tensor.dtype


class Streams:
    """Many streams of a model, computed together: what each gives is what it would give alone.

    States lie side by side, [*, capacity, *]; the capacity doubles when it is full, and steps cost no memory.

    Args:
        model: the model; its weights must stay as they are meanwhile.

    Raises:
        TaskError: it cannot run as a stream; it says what could.
    """

    def __init__(self, model: Trained) -> None:
        self._source = Source(model)
        self._slab = Slab()
        self._open: dict[int, _Place] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def __contains__(self, key: object) -> bool:
        """Whether that is the key of an open one."""
        return key in self._open

    def open(self, start: Any = None) -> int:
        """The key of a new stream.

        Args:
            start: what it starts from, where the task knows of such.
        """
        return self._add(self._source.fresh(start))

    def close(self, key: int) -> None:
        """Forget a stream; its place is free for another."""
        self._slab.free(self._at(key).row)
        del self._open[key]

    def fork(self, key: int) -> int:
        """The key of another stream that goes on from where that one is."""
        return self._add(self._saved(key))

    def reset(self, key: int) -> None:
        """Begin that stream anew, as at first."""
        place = self._at(key)
        saved = self._source.fresh(place.begin)
        self._slab.put(place.row, saved.state)
        place.ends, place.steps = self._source.ends(saved), 0

    def save(self, key: int, path: str | Path) -> None:
        """Write a stream to a file, as `Stream.save` does."""
        self._source.save(Path(path), self._saved(key))

    def restore(self, path: str | Path) -> int:
        """The key of a stream that goes on from a file of `save` or `Stream.save`.

        Raises:
            RunError: the file is missing, damaged, or of another model.
        """
        return self._add(self._source.load(Path(path)))

    def alone(self, key: int) -> Stream:
        """A stream by itself that goes on from where that one is; that one stays."""
        return Stream(self._source, self._saved(key))

    def steps(self, key: int) -> int:
        """How many steps that stream has made."""
        return self._at(key).steps

    def state(self, key: int) -> State:
        """The layers' states of that stream now, S tensors [L, 1, H]."""
        return self._slab.get([self._at(key).row])[: self._source.streamer.hidden]

    def answer(self, output: Any) -> dict[str, Any]:
        """What is told of an output, in terms of JSON, in the words of `elman predict`."""
        return self._source.streamer.answer(output)

    def step(self, steps: Mapping[int, Any]) -> dict[int, Any]:
        """A step of some streams: key -> x, as `Stream.step` takes it.

        Returns:
            Key -> the output, None where none is due yet. Of a stream whose step is refused it is the error,
            an `ElmanError`; that stream is as it was, and the others have made their step.
        """
        found = self._each(steps, lambda ends, x: _row(ends.intake.one(x)))
        return {key: got if isinstance(got, ElmanError) else (got or [None])[0] for key, got in found.items()}

    def feed(self, chunks: Mapping[int, Any]) -> dict[int, Any]:
        """A piece of any length for some streams: key -> piece, as `Stream.feed` takes it.

        Returns:
            Key -> the outputs that became due; or the error, as of `step`.
        """
        return self._each(chunks, lambda ends, chunk: ends.intake.take(chunk))

    def finish(self, keys: Iterable[int]) -> dict[int, Any]:
        """The outputs of what streams held back, as `Stream.finish` gives them."""
        found = self._each(dict.fromkeys(keys), lambda ends, _: ends.intake.rest())
        return {key: outputs + self._open[key].ends.outlet.last() for key, outputs in found.items()}

    def _each(self, given: Mapping[int, Any], take: Callable[[Ends, Any], Tensor]) -> dict[int, Any]:
        """The outputs of what is taken from each of the pieces."""
        found: dict[int, Any] = {}
        taken: dict[int, Tensor] = {}
        for key, piece in given.items():
            place = self._at(key)
            try:
                taken[key] = take(place.ends, piece)
                found[key] = []
            except ElmanError as error:
                found[key] = error
        for keys, raw, lengths in self._said(taken):
            for column, (key, length) in enumerate(zip(keys, lengths, strict=True)):
                place = self._open[key]
                place.steps += length
                outputs = map(place.ends.outlet.give, raw[:length, column].unbind())
                found[key] += [output for output in outputs if output is not None]
        return found

    def _said(self, taken: Mapping[int, Tensor]) -> Iterator[tuple[list[int], Tensor, list[int]]]:
        """What is said, block by block: of which keys, [T, B, ...], and how many steps each has."""
        longest, like = max(map(len, taken.values()), default=0), self._source.like
        for start in range(0, longest, _BLOCK):
            pieces = {key: data[start : start + _BLOCK] for key, data in taken.items() if len(data) > start}
            lengths, rows = [len(piece) for piece in pieces.values()], [self._at(key).row for key in pieces]
            data = to_network(nn.utils.rnn.pad_sequence(list(pieces.values())), like)
            ragged = min(lengths) < max(lengths)
            seq = Seq(data, torch.tensor(lengths) if ragged else None)
            raw, state = self._source.streamer.run(seq, self._slab.get(rows))
            self._slab.set(rows, state)
            yield list(pieces), raw, lengths

    def _add(self, saved: Saved) -> int:
        self._count += 1
        row = self._slab.take(saved.state)
        self._open[self._count] = _Place(saved.begin, row, self._source.ends(saved), saved.steps)
        return self._count

    def _saved(self, key: int) -> Saved:
        place = self._at(key)
        return Saved(place.begin, self._slab.get([place.row]), place.ends.content(), place.steps)

    def _at(self, key: int) -> _Place:
        if key not in self._open:
            raise TaskError("streams", f"the key {key!r}", expected="that of an open stream")
        return self._open[key]


@dataclass
class _Place:
    """What a stream started from, where its state lies, its ends, and how many steps it has made."""

    begin: Any
    row: int
    ends: Ends
    steps: int


def _row(step: Any) -> Tensor:
    """A step of `Intake.one`, if there is one, as [n, ...]."""
    return torch.empty(0) if step is None else torch.as_tensor(step)[None]
