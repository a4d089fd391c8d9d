"""Settings files that a training begins with, and lines that the filters of the command line are given."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, final

from elman import cli
from elman.core.console import NullReporter
from elman.core.errors import DataError
from elman.runs import load as loading
from elman.training import resolve, train
from elman.training.loop import Trainer
from fuzz import odd, structure, trained
from fuzz.base import LONGEST, Input, Kind, WrongError, write
from fuzz.mutations import mutated
from fuzz.runs import PLACE, files_of

_CONFIG = "config.toml"


class _EnoughError(BaseException):
    """The training would now make its first step."""


def _enough(*_: object) -> None:
    raise _EnoughError


@contextlib.contextmanager
def _set(holder: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        setattr(holder, name, before)


@final
class Settings(Kind):
    """A settings file, and assignments beside it; all that a training does before its first step."""

    name, group = "settings", "runs"

    def prepare(self, folder: Path) -> None:
        """See `Kind`."""
        super().prepare(folder)
        here = str(folder).encode()
        self._files = {
            task: files_of(trained.run_of(task, folder))[_CONFIG].replace(here, PLACE)
            for task in trained.RUNS
        }

    def make(self, rng: Random) -> Input:
        """See `Kind`."""
        task, other = rng.choice(trained.RUNS), rng.choice(trained.RUNS)
        said: list[str] = []
        data = self._files[task]
        if rng.random() < 0.3:
            names = _names(data.decode())
            said = [f"{rng.choice(names)}={rng.choice(odd.SCALARS)}" for _ in range(rng.choice((1, 1, 2)))]
        else:
            data = mutated(rng, data, self._files[other], structure.of(_CONFIG))
        return Input({_CONFIG: data}, {"task": task, "said": said})

    def run(self, given: Input, folder: Path) -> None:
        """See `Kind`."""
        here = str(self.folder).encode()
        write({name: content.replace(PLACE, here) for name, content in given.files.items()}, folder)
        run, _ = resolve.resolve(None, None, folder / _CONFIG, {}, given.about["said"])
        with _set(Trainer, "run", _enough), contextlib.suppress(_EnoughError):
            train.begin(run, folder / "run", NullReporter())

    def original(self, given: Input, name: str) -> bytes | None:
        """See `Kind`."""
        return self._files[given.about["task"]]


def _names(text: str) -> list[str]:
    """The names of all settings in a file, with their sections."""
    section, found = "", list[str]()
    for line in text.splitlines():
        section = line.strip("[]") if line.startswith("[") else section
        found += [f"{section}.{line.partition(' = ')[0]}"] if section and " = " in line else []
    return found


_ROWS = "2024-03-01,1.0\n2024-03-02,2.5\n2024-03-03,-1\n"
_LINES: dict[str, dict[str, str]] = {
    "language": {"complete": "the c\nand\n", "stream": "the cat\nsat on\n"},
    "classify": {"predict": "the cat\nsat on\n", "stream": "the cat\nsat on\n"},
    "tag": {"predict": "the cat\nsat on\n", "stream": "the cat\nsat on\n"},
    "forecast": {"stream": _ROWS},
    "translate": {"predict": "the cat\nsat on\n", "translate": "the cat\nsat\n"},
    "caption": {"predict": "a.png\nb.wav\n"},
    "recognize": {"predict": "[[0.1, 0.2], [1, 2], [1, 2]]\na.wav\n", "stream": "0.1,0.2\n1,2\n"},
    "label": {"predict": "[[0.1, 0.2], [1, 2]]\na.npy\n", "stream": "0.1,0.2\n1,2\n"},
    "draw": {"stream": "1,1,0\n0,1,1\n"},
    "recall": {"predict": "[0, 1, null, 0, 1]\n"},
}


@final
class Filters(Kind):
    """Lines on standard input of the commands that answer them."""

    name, group = "filters", "streams"

    def prepare(self, folder: Path) -> None:
        """See `Kind`."""
        super().prepare(folder)
        self._models = {
            str(trained.run_of(task, folder)): trained.model_of(task, folder) for task in trained.RUNS
        }

    def make(self, rng: Random) -> Input:
        """See `Kind`."""
        task = rng.choice(trained.RUNS)
        command = rng.choice(list(_LINES[task]))
        other = rng.choice(list(_LINES[rng.choice(trained.RUNS)].values())).encode()
        known = structure.KNOWN[rng.choice((".csv", ".jsonl", ".txt"))]
        data = mutated(rng, _LINES[task][command].encode(), other, known)
        if rng.random() < 0.1:
            data += rng.choice(odd.TEXTS).encode("utf-8", "surrogatepass") + b".wav\n"
        data = b"\n".join(data.split(b"\n")[:40])
        return Input({"lines": data}, {"task": task, "command": command})

    def run(self, given: Input, folder: Path) -> None:
        """See `Kind`."""
        write(given.files, folder)
        task, command = given.about["task"], given.about["command"]
        run = str(trained.run_of(task, self.folder))
        out, err = io.StringIO(), io.StringIO()
        with (
            (folder / "lines").open(encoding="utf-8") as lines,
            _set(sys, "stdin", lines),
            _set(loading, "load", lambda path, **_: self._models[str(path)]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = cli.run([command, run] + ["-"] * (command in ("predict", "translate")))
        _check(command, out.getvalue())
        if code == 2:
            raise DataError(err.getvalue().removesuffix("\n"), "refused")


def _check(command: str, told: str) -> None:
    """See that lines of JSON are such, and that what is refused in them is refused in a few words."""
    if command == "complete" or command == "translate":
        return
    for line in told.removesuffix("\n").split("\n"):
        said = json.loads(line or "{}", parse_constant=lambda word: word)
        if any(
            isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity") for value in said.values()
        ):
            raise WrongError("an answer that is not finite")
        if len(str(said.get("error", ""))) > LONGEST:
            raise WrongError(f"an error of over {LONGEST} characters")
