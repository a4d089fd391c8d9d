"""Errors that a user can cause, each in one line: where, what was expected, what was found, what to do.

Anything else that is raised is a fault of Elman itself and keeps its traceback.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_LONGEST = 400
"""Characters of each part of a message, at most; a path may be twice as long."""

_COMPARED = 60
"""Characters of a name that are compared with others, at most."""

_CONTROL = re.compile("[\x00-\x08\n-\x1f\x7f\x85\u2028\u2029]")
"""Control characters, and whatever else ends a line."""


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
        place, got, expected, remedy = (
            shortened(part, most)
            for part, most in ((self.where, 2 * _LONGEST), *((p, _LONGEST) for p in (got, expected, remedy)))
        )
        found = f"expected {expected}, got {got}" if expected else got
        super().__init__(f"{place}: {found}" + (f"; {remedy}" if remedy else ""))


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


class DataWarning(UserWarning):
    """Data of which something is left out, or that was taken for what it may not be."""


class MissingMethodError(TaskError, AttributeError):
    """A method of a model that only models of other tasks have; `hasattr` says that it is not there."""


def shortened(text: str, most: int = _LONGEST) -> str:
    """Shorten a text for a message: one line, a long one without its middle, controls as `\\x00`."""
    if len(text) > most:
        text = f"{text[: most * 2 // 3]} ... {text[len(text) - most // 4 :]}"
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def nearest(name: object, known: Iterable[str]) -> str:
    """Return the remedy for an unknown name: the nearest known one, or all of them if none is near."""
    names = sorted(known)
    given = str(name)[:_COMPARED]
    close = difflib.get_close_matches(given, names, n=5, cutoff=0.5)
    if not close:
        return f"known: {', '.join(names)}"
    # Of those equally near, the one that begins as it does.
    best = max(
        close, key=lambda each: (difflib.SequenceMatcher(None, each, given).ratio(), each[0] == given[0])
    )
    return f"did you mean {best!r}?"
