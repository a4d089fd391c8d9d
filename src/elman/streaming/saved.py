"""What streams of a model are made of: its network between their ends, and files that hold a stream."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Protocol

import torch
from torch import nn

from elman.core import json_schema, tensor_file
from elman.core.errors import RunError, TaskError
from elman.core.records import State
from elman.core.run_config import RunConfig
from elman.core.settings import fingerprint
from elman.streaming.base import StreamCodec, Streamer, Streaming

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
    def task(self) -> object:
        """What it was trained for."""
        ...

    @property
    def config(self) -> RunConfig:
        """The settings that it was trained with."""
        ...

    @property
    def learnt(self) -> str:
        """What the task learnt from the data, as text that later versions of Elman do not change."""
        ...

    def able(self, ability: type) -> str:
        """Return the names of the tasks that inherit an ability, for an error."""
        ...


class StreamState(NamedTuple):
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


class StreamFactory:
    """What streams of a model are made of.

    Args:
        model: the model; its weights must stay as they are meanwhile.

    Raises:
        TaskError: it cannot run as a stream; it says what could.
    """

    def __init__(self, model: Trained) -> None:
        task, self.able = model.task, model.able
        if not isinstance(task, Streaming):
            got, expected = "a task that needs whole sequences", self.able(Streaming)
            raise TaskError(f"task {model.config.task!r}", got, expected=expected, remedy="use predict")
        self._model = model
        self.streamer: Streamer = task.streamer(model.network)
        self.like = next(model.network.parameters())
        self._fingerprint = ""

    def fingerprint(self) -> str:
        """Return a digest of the model's weights, its settings and what it learnt, to tell it from others."""
        if not self._fingerprint:
            run, found = self._model.config, hashlib.sha256()
            parts = run.task, _settings_text(run), self._model.learnt
            found.update("\0".join(parts).encode())
            for name, tensor in sorted(self._model.network.state_dict().items()):
                found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
                found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
            self._fingerprint = found.hexdigest()
        return self._fingerprint

    def fresh(self, begin: Any) -> StreamState:
        """Return a stream before its first step."""
        return StreamState(begin, self.streamer.start(begin), self.streamer.ends(begin).content(), 0)

    def ends(self, saved: StreamState) -> StreamCodec:
        """Return the encoder and decoder of a stream, which keep what was kept."""
        ends = self.streamer.ends(saved.begin)
        ends.restore(saved.ends)
        return ends

    def save(self, path: Path, saved: StreamState, *, private: bool = False) -> None:
        """Write a stream to a file, all of it or nothing; one that is private nobody else may read."""
        named = {f"state.{number}": tensor for number, tensor in enumerate(saved.state)}
        kept = {"begin": saved.begin, "ends": saved.ends, "steps": saved.steps}
        tensor_file.save(
            path, named, {"stream": FORMAT, "model": self.fingerprint(), **kept}, private=private
        )

    def load(self, path: Path) -> StreamState:
        """Load the stream that a file holds.

        Raises:
            RunError: there is no such file, it is damaged, of a newer Elman, or of another model.
        """
        named, notes = tensor_file.load(path)
        if notes.get("stream") != FORMAT:
            got, expected = f"format {notes.get('stream')}", f"a stream that was saved, format {FORMAT}"
            raise RunError(path, got, expected=expected, remedy="name a file that Stream.save wrote")
        if notes.get("model") != self.fingerprint():
            remedy = "load it with the model that it was saved from, or begin a new stream"
            raise RunError(path, "the stream of another model", expected="one of this model", remedy=remedy)
        with json_schema.rebuilding(path, remedy="restore the file from a copy, or begin a new stream"):
            kept = json_schema.build(_SavedKept, {name: notes[name] for name in _SavedKept._fields}, "notes")
            usual = self.streamer.start(kept.begin)
            state = tuple(named[f"state.{number}"].to(self.like.device) for number in range(len(named)))
            _check_state(state, usual)
            saved = StreamState(kept.begin, state, kept.ends, kept.steps)
            self._try(saved)
            return saved._replace(ends=self.ends(saved).content())

    def _try(self, saved: StreamState) -> None:
        """See that the ends can go on from what they kept: a sequence that ends here comes to its end."""
        ends = self.ends(saved)
        rest = ends.encoder.flush()
        if rest.shape[1:] != self.streamer.ends(saved.begin).encoder.flush().shape[1:]:
            raise ValueError(f"steps of shape {list(rest.shape[1:])} were buffered")
        ends.decoder.flush()


class _SavedKept(NamedTuple):
    """What stands beside the state in a file."""

    begin: Any
    ends: dict[str, Any]
    steps: Annotated[int, ("minimum", 0)]


def _check_state(found: State, usual: State) -> None:
    """See that a state is like one at the start; of what grows with others' there may be more rows.

    Raises:
        ValueError: it is not.
    """
    if len(found) != len(usual):
        raise ValueError(f"{len(found)} tensors, not {len(usual)}")
    for mine, theirs in zip(found, usual, strict=True):
        if mine.dtype != theirs.dtype or mine.ndim != theirs.ndim or mine.shape[1:] != theirs.shape[1:]:
            raise ValueError("a state of other shapes")
        if not len(theirs) <= len(mine) <= len(theirs) + _MOST_ROWS:
            raise ValueError(f"a state of {len(mine)} rows")
        if bool(theirs.isfinite().all()) and not bool(mine.isfinite().all()):
            raise ValueError("a state that is not finite")


_MOST_ROWS = 1 << 16
"""Rows that a state may have beyond its own, having stood beside a longer one."""


def _settings_text(run: RunConfig) -> str:
    """Return the settings as the fingerprints of saved streams have them, whatever classes are called."""
    text = f"({', '.join(map(fingerprint, (run.network, run.options, run.signal)))})"
    return text.replace("NetworkSettings(", "Network(", 1).replace("SignalSettings(", "Signals(", 1)
