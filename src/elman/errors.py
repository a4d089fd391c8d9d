"""What a user can cause, each told in one line: where, what was expected, what was found, what to do.

Anything else that is raised is a fault of Elman itself and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ElmanError(Exception):
    """Base of every error that bad input can cause.

    Args:
        where: the file, line, option or argument at fault.
        got: what was found there.
        expected: what should have been there; left out where `got` says it all.
        remedy: what the user can do about it.
    """

    def __init__(self, where: object, got: str, *, expected: str = "", remedy: str = "") -> None:
        self.where, self.got, self.expected, self.remedy = str(where), got, expected, remedy
        found = f"expected {expected}, got {got}" if expected else got
        super().__init__(f"{where}: {found}" + (f"; {remedy}" if remedy else ""))


class ConfigError(ElmanError):
    """A setting that is unknown, of the wrong type, or out of bounds."""


class DataError(ElmanError):
    """Data that cannot be read or cannot serve the task."""


class VocabError(DataError):
    """A symbol that the vocabulary lacks."""


class RunError(ElmanError):
    """A run folder that is missing, damaged, of a newer format, or cannot be written."""


class DivergedError(ElmanError):
    """Training that came to a loss or gradient that is not finite."""


class TaskError(ElmanError):
    """Something asked of a task that it does not do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the nearest known one, or all of them if none is near."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
