"""What a kind of fuzzing is, and what can come of an input."""

from __future__ import annotations

import hashlib
import re
import signal
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import torch

from elman.core import digests, tensor_file
from elman.core.errors import ElmanError

_ENTRY = re.compile(r',\s+"digest": "[0-9a-f]{64}"(\s*\}\s*)\Z')

LONGEST = 2048
"""Characters of a refusal."""

SECONDS = 5.0
"""Seconds of the processor that an input may take."""

TAKEN, REFUSED = "taken", "refused"
FAULTS = "traceback", "wrong", "message", "hang", "memory", "crash"
"""What may not come of an input, beside tracebacks: other numbers, a message of several lines or too long a
one, more seconds or memory than allowed, and a process that died."""


@dataclass(frozen=True)
class Input:
    """What is tried.

    Args:
        files: name -> content, beside what the kind itself brings.
        about: all else, in terms of JSON.
    """

    files: Mapping[str, bytes]
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came of an input.

    Args:
        status: `TAKEN`, `REFUSED`, or one of `FAULTS`.
        mark: what is the same for inputs that fail for the same reason.
        tail: the last lines of the traceback, or the message.
    """

    status: str
    mark: str = ""
    tail: str = ""

    @property
    def failed(self) -> bool:
        """Whether that may not be."""
        return self.status in FAULTS


class WrongError(Exception):
    """What was damaged was taken for good, and is other than it was."""


class HangError(BaseException):
    """The time of an input is up. No `except Exception` holds it."""


class Kind(ABC):
    """A kind of input: how one is made from random numbers, and how it is tried.

    Attributes:
        name: what it is called.
        group: readers, runs, streams or server.
        pace: how many inputs the short form of the campaign tries.
        slow: whether an input takes a second or more, so that few are tried.
        seconds: of the processor, that an input may take.
    """

    name: str
    group: ClassVar[str]
    pace: ClassVar[int] = 120
    slow: ClassVar[bool] = False
    seconds: ClassVar[float] = SECONDS

    def prepare(self, folder: Path) -> None:
        """Make once what all inputs need, in a folder that stays; before the workers begin."""
        self.folder = folder

    def begin(self) -> None:
        """Make what a worker needs for itself."""
        torch.set_num_threads(1)

    @abstractmethod
    def make(self, rng: Random) -> Input:
        """An input."""

    @abstractmethod
    def run(self, given: Input, folder: Path) -> None:
        """Try an input in an empty folder.

        Raises:
            ElmanError: it is refused.
            WrongError: it was taken for what it is not.
        """

    def original(self, given: Input, name: str) -> bytes | None:
        """What a file of an input was before it was damaged, where the kind knows that."""
        return None


def made(kind: Kind, seed: int) -> Input:
    """The input of that kind and number, always the same."""
    return kind.make(Random(f"{kind.name}:{seed}"))


def tried(kind: Kind, given: Input, folder: Path) -> Outcome:
    """What comes of an input."""
    try:
        with _within(kind.seconds):
            kind.run(given, folder)
    except ElmanError as error:
        return _refused(error)
    except MemoryError as error:
        return _failed("memory", error)
    except WrongError as error:
        return Outcome("wrong", f"wrong: {error}", str(error))
    except HangError as error:
        return _failed("hang", error)
    except RuntimeError as error:
        return _failed("memory" if "can't allocate memory" in str(error) else "traceback", error)
    except Exception as error:
        return _failed("traceback", error)
    return Outcome(TAKEN)


def _refused(error: ElmanError) -> Outcome:
    text = str(error)
    if len(text) <= LONGEST and len(text.splitlines()) <= 1:
        return Outcome(REFUSED)
    why = "several lines" if len(text.splitlines()) > 1 else f"over {LONGEST} characters"
    return Outcome("message", f"message of {why}: {_place(error)}", f"{len(text)} characters: {text[:300]!r}")


def _failed(status: str, error: BaseException) -> Outcome:
    lines = traceback.format_exception(error, limit=-4)
    return Outcome(status, f"{type(error).__name__}: {_place(error)}", "".join(lines)[-2000:])


def _place(error: BaseException) -> str:
    """The innermost line of Elman that an error went through; where it was raised, if that is elsewhere."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/fuzz/" not in frame.filename]
    ours = [frame for frame in frames if "/elman/" in frame.filename]
    told = [f"{Path(one.filename).name}:{one.name}" for one in (*ours[-1:], *frames[-1:])]
    return " <- ".join(dict.fromkeys(told)) or "nowhere"


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise `HangError` once that much of the processor's time has gone."""

    def end(number: int, frame: object) -> None:
        raise HangError(f"over {seconds} s")

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Put files into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def key(mark: str) -> str:
    """A short name for what failed."""
    return hashlib.sha256(mark.encode()).hexdigest()[:10]


def sealed(name: str, data: bytes) -> bytes:
    """Damaged content with a digest that is right again, where it has one: as if it had been written so."""
    if name.endswith(".json"):
        text = _ENTRY.sub(r"\1", data.decode("utf-8", "replace"))
        return digests.sealed(text).encode()
    found = tensor_file.MARK.search(data[: 1 << 20])
    if not name.endswith(".safetensors") or found is None:
        return data
    before, after = data[: found.start(1)], data[found.end(1) :]
    return before + digests.of(before + digests.NONE.encode() + after).encode() + after


def note(words: str) -> None:
    """Tell whoever watches."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()
