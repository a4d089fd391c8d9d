"""Trainings that are killed, at a moment of the clock or of their writing, or whose disk is full."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from elman.core.errors import ElmanError

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Stop(NamedTuple):
    """What ends a training before its time.

    Args:
        kind: "time": SIGKILL after `at` seconds; "event": before the `at`-th time that it opens a file to
            write, renames or removes one; "saved": before it does so after it has put `at` checkpoints in
            their place; "full": no file may have more than `at` bytes; "" : nothing.
        at: when.
    """

    kind: str = ""
    at: float = 0


DONE, KILLED, REFUSED, FAILED = "done", "killed", "refused", "failed"
_CODES = {0: DONE, 3: REFUSED, 4: FAILED}


def until(stop: Stop, folder: Path, train: Callable[[], Any]) -> tuple[str, str]:
    """How a training of its own process ends, and its message or traceback.

    Args:
        stop: what ends it.
        folder: where it writes, below which events are counted; the message is put beside it.
        train: it.
    """
    told = folder.with_name(f"{folder.name}.told")
    child = os.fork()
    if not child:
        _child(stop, folder, train, told)
    if stop.kind == "time":
        _kill_after(child, stop.at)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return KILLED, f"signal {os.WTERMSIG(status)}"
    return _CODES.get(os.WEXITSTATUS(status), FAILED), told.read_text() if told.exists() else ""


def _kill_after(child: int, seconds: float) -> None:
    """Kill it after that time, unless it has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)


def _child(stop: Stop, folder: Path, train: Callable[[], Any], told: Path) -> None:
    told.unlink(missing_ok=True)
    signal.signal(signal.SIGPROF, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        if stop.kind in ("event", "saved"):
            sys.addaudithook(_Events(stop, folder))
        if stop.kind == "full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(stop.at), resource.RLIM_INFINITY))
        train()
    except ElmanError as error:
        _tell(told, str(error))
        os._exit(3)
    except BaseException as error:
        _tell(told, "".join(traceback.format_exception(error, limit=-6)))
        os._exit(4)
    os._exit(0)


def _tell(told: Path, words: str) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    told.write_text(words[-3000:])


class _Events:
    """An audit hook that kills its process."""

    def __init__(self, stop: Stop, folder: Path) -> None:
        self._stop, self._folder, self._seen, self._saved = stop, str(folder), 0, 0

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """See `sys.addaudithook`."""
        if event not in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"):
            return
        names = [str(name) for name in args if isinstance(name, str | os.PathLike)]
        if not any(name.startswith(self._folder) for name in names):
            return
        if event == "open" and not (isinstance(args[2], int) and args[2] & _WRITES):
            return
        self._seen += 1
        if self._stop == ("event", self._seen) or (
            self._stop.kind == "saved" and self._saved >= self._stop.at
        ):
            os.kill(os.getpid(), signal.SIGKILL)
        self._saved += event == "os.rename" and names[-1].endswith("last.safetensors")
