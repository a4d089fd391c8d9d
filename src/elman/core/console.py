"""What a training reports while it runs: a bar and lines in a terminal or notebook, else plain lines."""

from __future__ import annotations

import html
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from elman.core import atomic_files

_DRAW_EVERY = 0.2
"""Seconds between two drawings of a notebook's bar, at least: each is a message to the browser."""

_LINE_EVERY = 15.0
"""Seconds between two lines of progress where there is no bar."""


class Reporter(ABC):
    """Where a training's words go."""

    @abstractmethod
    def line(self, text: str) -> None:
        """Say one line that stays."""

    @abstractmethod
    def step(self, done: int, total: int, text: str) -> None:
        """Say how far it has come: `done` of `total` steps, and numbers in `text`."""

    @abstractmethod
    def close(self) -> None:
        """Leave the terminal as it was."""


class NullReporter(Reporter):
    """Says nothing."""

    def line(self, text: str) -> None:
        """Say nothing."""

    def step(self, done: int, total: int, text: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Do nothing: there is no line to leave."""


class LineReporter(Reporter):
    """Plain lines, for files and pipes."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._next = out, 0.0

    def line(self, text: str) -> None:
        """Print the line; where the reader has gone, training goes on without."""
        with suppress(BrokenPipeError):
            print(text, file=self._out, flush=True)

    def step(self, done: int, total: int, text: str) -> None:
        """Print a line now and then."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _LINE_EVERY
            self.line(f"step {done}/{total}  {text}")

    def close(self) -> None:
        """Do nothing: every line is complete."""


class ProgressReporter(Reporter):
    """A progress bar with lines above it, for a terminal."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(file=out, highlight=False, soft_wrap=True)
        columns = (
            BarColumn(24),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.description}"),
        )
        self._progress = Progress(
            *columns, TimeRemainingColumn(compact=True, elapsed_when_finished=True), console=self._console,
            transient=True, refresh_per_second=5,
        )  # fmt: skip
        self._bar = self._progress.add_task("", total=None)
        self._started = False

    def line(self, text: str) -> None:
        """Print the line above the bar."""
        self._console.print(text, markup=False)

    def step(self, done: int, total: int, text: str) -> None:
        """Move the bar."""
        if not self._started:
            self._progress.start()
            self._started = True
        self._progress.update(self._bar, completed=done, total=total, description=text)

    def close(self) -> None:
        """Take the bar away."""
        if self._started:
            self._progress.stop()


class NotebookReporter(Reporter):
    """A progress bar of HTML with lines below it, for the output of a notebook's cell.

    Args:
        display: `IPython.display.display`.
        out: what lines are printed to.
    """

    def __init__(self, display: Callable[..., Any], out: TextIO) -> None:
        self._display, self._lines, self._next = display, LineReporter(out), 0.0
        self._handle: Any = None

    def line(self, text: str) -> None:
        """Print the line."""
        self._lines.line(text)

    def step(self, done: int, total: int, text: str) -> None:
        """Move the bar; between two drawings nothing is sent."""
        now = time.monotonic()
        if now >= self._next or done >= total:
            self._next = now + _DRAW_EVERY
            self._draw(
                f'<progress value="{done}" max="{max(total, 1)}" style="width:16em"></progress> '
                f"{done}/{total} &nbsp;{html.escape(text)}"
            )

    def close(self) -> None:
        """Take the bar away."""
        if self._handle is not None:
            self._draw("")

    def _draw(self, content: str) -> None:
        shown = _Html(content)
        if self._handle is None:
            self._handle = self._display(shown, display_id=True)
        else:
            self._handle.update(shown)


class _Html:
    """HTML as IPython shows it."""

    def __init__(self, content: str) -> None:
        self._content = content

    def _repr_html_(self) -> str:
        return self._content

    def __repr__(self) -> str:
        """Return an empty text, for a frontend without HTML."""
        return ""


class LoggingReporter(Reporter):
    """A reporter that also writes each line to a file, with the time."""

    def __init__(self, show: Reporter, path: Path) -> None:
        self._show, self._path = show, path

    def line(self, text: str) -> None:
        """Say the line and write it down."""
        self._show.line(text)
        self.note(text)

    def note(self, text: str) -> None:
        """Write the line down, and say nothing."""
        try:
            with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")
        except OSError as error:
            raise atomic_files.unwritable(self._path, error) from error

    def step(self, done: int, total: int, text: str) -> None:
        """Say how far it has come."""
        self._show.step(done, total, text)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._show.close()


def shown(out: TextIO | None = None) -> Reporter:
    """Return a bar where `out` (standard error if None) is a terminal or a notebook, else plain lines."""
    notebook = _notebook() if out is None else None
    out = out or sys.stderr
    if notebook is not None:
        return NotebookReporter(notebook, out)
    return ProgressReporter(out) if out.isatty() else LineReporter(out)


def _notebook() -> Callable[..., Any] | None:
    """Return `IPython.display.display` in the kernel of a notebook, which has imported it; else None."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not hasattr(shell, "kernel"):  # a terminal's IPython has none
        return None
    return import_module("IPython.display").display
