"""What a table has beside data: units below the head, totals at the end; and recordings by their names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from elman.core import notes
from elman.data import times
from elman.data.cells import is_number
from elman.data.formats.base import MEDIA_FOLDERS

Line = tuple[int, list[str]]

_TOTAL = re.compile(r"((grand|sub)[- ]?)?(totals?|sum|average|mean|summe|(ins)?gesamt)\s*:?", re.IGNORECASE)
_FEWEST, _SAMPLED = 3, 100
"""Rows that tell what the columns hold."""


def without(where: object, lines: Sequence[Line], *, named: bool) -> list[Line]:
    """The rows without those of units and totals, which a note names.

    Args:
        where: the file.
        lines: numbers of lines, and the cells below the head.
        named: whether there was a head.
    """
    left, told = list(lines), []
    if len(left) > _FEWEST and _is_total(left[-1][1], left[1:-1][-_SAMPLED:]):
        line, cells = left.pop()
        told.append(f"{where}:{line}: a total ({_first(cells)}), left out")
    if named and len(left) > _FEWEST and _are_units(left[0][1], left[1 : 1 + _SAMPLED]):
        line, cells = left.pop(0)
        told.append(f"{where}:{line}: units ({_first(cells)}, ...), left out")
    for text in reversed(told):
        notes.note(text)
    return left


def recording(table: Path, cells: Sequence[str]) -> str:
    """The path, beside a table, of the sound that the first cell names without a suffix; else "".

    So is the table of LJSpeech: LJ001-0001|as it was printed|as it is read, of wavs/LJ001-0001.wav.
    """
    names = (f"{folder}/{cells[0]}.{suffix}" for folder in MEDIA_FOLDERS for suffix in ("wav", "flac", "mp3"))
    is_name = "/" not in cells[0] and bool(cells[0])
    return next((name for name in names if is_name and os.path.exists(table.parent / name)), "")  # noqa: PTH110


def _are_units(cells: Sequence[str], below: Sequence[Line]) -> bool:
    """Whether these are texts or empty cells, above columns of numbers or times alone, one of them a text."""
    pairs = [(cell, [row[place] for _, row in below]) for place, cell in enumerate(cells)]
    measured = [cell for cell, column in pairs if all(map(_is_measured, filter(None, column)))]
    return (
        len(measured) == len(cells) and any(measured) and not any(map(_is_measured, filter(None, measured)))
    )


def _is_total(cells: Sequence[str], above: Sequence[Line]) -> bool:
    """Whether a cell says so, in a column where none above does, and beside a number."""
    said = [place for place, cell in enumerate(cells) if _TOTAL.fullmatch(cell.strip())]
    if not said or any(_TOTAL.fullmatch(row[said[0]].strip()) for _, row in above):
        return False
    numbers = [place for place in range(len(cells)) if all(is_number(row[place]) for _, row in above)]
    return any(is_number(cells[place]) for place in numbers if place not in said)


def _is_measured(cell: str) -> bool:
    return is_number(cell) or times.is_date(cell)


def _first(cells: Sequence[str]) -> str:
    return repr(next(filter(None, cells)))
