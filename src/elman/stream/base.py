"""What streams of a model are made of: its network between their ends, and files that hold a stream."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from elman import tensors
from elman.batch import State
from elman.config import Run
from elman.errors import ElmanError, RunError, TaskError
from elman.streaming import Ends, Streamer
from elman.tasks.base import Streaming, Task

BLOCK = 256
"""Steps that are computed at once of what is longer; memory does not grow with a piece beyond that."""

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
        self._model = model
        self.streamer: Streamer = task.streamer(model.network)
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


def _number(name: str) -> int:
    return int(name.rpartition(".")[2]) if name.rpartition(".")[2].isdigit() else -1


def _kind(tensor: Tensor) -> tuple[object, ...]:
    return tensor.ndim, tensor.shape[1], tensor.shape[-1], tensor.dtype
