"""Workers that try inputs: processes with little memory, which may hang or die without harm to the rest."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import resource
import shutil
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fuzz.base import FAULTS, REFUSED, TAKEN, Input, Kind, Outcome, made, tried
from fuzz.shrink import shrunk

MEMORY = 1 << 30
"""Bytes that an input may make a worker take beside what it has."""

_WAIT = 300.0
"""Seconds after which a worker that says nothing is killed, even if others had the processor meanwhile."""

_STUCK = 3.0
"""Times the seconds of an input that a worker may be in code which no signal reaches."""

_AGE = 2000
"""Inputs after which a worker is begun anew, so that the memory of earlier ones is not held against one."""

_ARENAS = -8
"""M_ARENA_MAX of glibc's malloc.h."""

_STATUSES = (TAKEN, REFUSED, *FAULTS)
_FORK = multiprocessing.get_context("fork")


@dataclass
class Failure:
    """What failed.

    Args:
        kind, seed: which input it was.
        outcome: what came of it.
        count: how many inputs failed so.
    """

    kind: str
    seed: int
    outcome: Outcome
    count: int = 1


@dataclass
class Tally:
    """What came of the inputs of a kind.

    Args:
        counts: by status.
        failures: one for each mark.
        seconds: that it took.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, Failure] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def inputs(self) -> int:
        """How many were tried."""
        return sum(self.counts.values())

    @property
    def failed(self) -> int:
        """How many failed."""
        return sum(self.counts[status] for status in FAULTS)

    def add(self, failure: Failure) -> None:
        """Count what failed."""
        mark = failure.outcome.mark
        if mark in self.failures:
            self.failures[mark].count += failure.count
        else:
            self.failures[mark] = failure


def scratch() -> Path:
    """A folder in memory, where the system has such."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="elman-fuzz-", dir=memory if os.access(memory, os.W_OK) else None))


def emptied(folder: Path) -> None:
    """Remove what is in a folder, or make it."""
    if folder.exists():
        folder.chmod(0o700)
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


class _Worker:
    """A process that tries the inputs `numbers`, and is begun anew behind one that ended it."""

    def __init__(self, kind: Kind, numbers: range, until: float) -> None:
        self._kind, self.numbers, self._until = kind, numbers, until
        # The input that is tried; since when, 0: none is; and the processor's time of the worker then.
        self.now = _FORK.Array("d", 3, lock=False)
        self.counts = _FORK.Array("q", len(_STATUSES), lock=False)
        self.folder = scratch()
        self.receive, self._send = _FORK.Pipe(duplex=False)
        self.process: Any = None
        self.start()

    def start(self) -> None:
        """Begin, or go on with what is left."""
        self.now[0] = self.now[1] = 0
        self.process = _FORK.Process(target=self._work, daemon=True)
        self.process.start()

    def _work(self) -> None:
        _limited(self._kind)
        for number in self.numbers[:_AGE]:
            if time.monotonic() > self._until:
                break
            self.now[2] = time.process_time()
            self.now[0], self.now[1] = number, time.monotonic()
            outcome = _tried(self._kind, number, self.folder)
            self.now[1] = 0
            self.counts[_STATUSES.index(outcome.status)] += 1
            if outcome.failed:
                self._send.send((number, outcome))
        self._send.send(None)
        os._exit(0)  # whatever threads there are

    @property
    def goes(self) -> bool:
        """Whether it is at work, or has to be begun anew."""
        left = len(self.numbers) > _AGE and time.monotonic() < self._until
        return self.process.is_alive() or bool(self.now[1]) or left

    def failures(self) -> list[Failure]:
        """What failed since one last asked."""
        found = []
        with contextlib.suppress(EOFError):
            while self.receive.poll():
                if (said := self.receive.recv()) is not None:
                    found.append(Failure(self._kind.name, *said))
        return found

    def watch(self) -> Failure | None:
        """Begin anew where it hangs or died, what it was at being a failure; and where it is old."""
        hangs, since = (
            self.process.is_alive(),
            self.now[1],
        )  # read once, for the worker sets it to 0 meanwhile
        if hangs and not (since and self._stuck(time.monotonic() - since)):
            return None
        if not hangs and not since:
            self._renew()
            return None
        self.process.kill()
        self.process.join()
        number = int(self.now[0])
        self.numbers = self.numbers[self.numbers.index(number) + 1 :]
        status = "hang" if hangs else "crash"
        code = self.process.exitcode
        words = "nothing, and no signal reaches it" if hangs else f"the process died of signal or code {code}"
        self.counts[_STATUSES.index(status)] += 1
        self.start()
        return Failure(self._kind.name, number, Outcome(status, f"{status}: {words}", words))

    def _stuck(self, gone: float) -> bool:
        """Whether what it has tried for `gone` seconds takes far too long."""
        return gone > _WAIT or (gone > _STUCK and self._busy() > _STUCK * self._kind.seconds)

    def _busy(self) -> float:
        """Seconds of the processor that the input has had, where the system tells."""
        path = Path(f"/proc/{self.process.pid}/stat")
        with contextlib.suppress(OSError, IndexError):
            ticks = path.read_text().rpartition(")")[2].split()[11:13]
            return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK") - self.now[2]
        return 0.0

    def _renew(self) -> None:
        """Go on in a new process where there are inputs left, and time."""
        self.numbers = self.numbers[_AGE:]
        if self.numbers and time.monotonic() < self._until:
            self.start()

    def end(self) -> None:
        """Take it away."""
        self.process.kill()
        self.process.join()
        shutil.rmtree(self.folder, ignore_errors=True)


def _limited(kind: Kind) -> None:
    """What a worker is before its first input: silent, and with little memory left to take."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    kind.begin()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENAS, 1)  # each thread would reserve 64 MB, which the bound counts
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _tried(kind: Kind, number: int, folder: Path) -> Outcome:
    emptied(folder)
    return tried(kind, made(kind, number), folder)


def campaign(kind: Kind, first: int, inputs: int, seconds: float, workers: int) -> Tally:
    """Try so many inputs of a kind, for so many seconds at most.

    Args:
        kind: it has been prepared.
        first: the number of the first input.
        inputs: how many.
        seconds: after which no more are begun.
        workers: processes.
    """
    began = time.monotonic()
    numbers = range(first, first + inputs)
    team = [_Worker(kind, numbers[index::workers], began + seconds) for index in range(workers)]
    tally = Tally()
    try:
        while any(worker.goes for worker in team):
            time.sleep(0.05)
            for worker in team:
                for failure in (*worker.failures(), *filter(None, [worker.watch()])):
                    tally.add(failure)
        for worker in team:
            for failure in worker.failures():
                tally.add(failure)
            tally.counts.update(dict(zip(_STATUSES, worker.counts, strict=True)))
    finally:
        for worker in team:
            worker.end()
    tally.seconds = time.monotonic() - began
    return tally


def alone(kind: Kind, given: Input, mark: str = "", seconds: float = 0.0) -> tuple[Outcome, Input]:
    """What comes of an input in a process of its own; within `seconds`, a smaller one that fails alike."""
    receive, send = _FORK.Pipe(duplex=False)
    folder = scratch()
    process: Any = _FORK.Process(target=_alone, args=(kind, given, folder, mark, seconds, send), daemon=True)
    process.start()
    send.close()
    try:
        if receive.poll(_WAIT + seconds):
            return receive.recv()
        return Outcome("hang", "hang", f"nothing for {_WAIT + seconds} s"), given
    except EOFError:
        process.join()
        words = f"the process died of signal or code {process.exitcode}"
        return Outcome("crash", f"crash: {words}", words), given
    finally:
        process.kill()
        process.join()
        shutil.rmtree(folder, ignore_errors=True)


def _alone(kind: Kind, given: Input, folder: Path, mark: str, seconds: float, send: Connection) -> None:
    _limited(kind)

    def come(one: Input) -> Outcome:
        emptied(folder)
        return tried(kind, one, folder)

    if seconds:
        given = shrunk(kind, given, lambda one: come(one).mark == mark, seconds)
    send.send((come(given), given))
    os._exit(0)
