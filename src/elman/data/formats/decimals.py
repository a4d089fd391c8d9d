"""Numbers with commas in the cells of tables: 3,14 and 1.234,5 as many write them in Europe, or 1,234.5."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from elman.data.cells import is_empty, is_number

AUTO, COMMA, POINT = "auto", "comma", "point"

_DECIMAL = re.compile(r"[+-]?(\d+|\d{1,3}([.'\s\u202f]\d{3})+),\d+|[+-]?\d{1,3}([.'\s\u202f]\d{3})+")
"""With a comma before the fraction; points or spaces may part thousands."""

_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
"""With commas between thousands."""

_MISSING = {"na", "n/a", "nan", "null", "none", "?", "-", "."}


def kinds(rows: Sequence[Sequence[str]], delimiter: str, given: str) -> tuple[dict[int, str], bool]:
    """What commas in columns of numbers are: place -> `COMMA` or `POINT`; whether that was guessed.

    A column tells by itself, if one of its cells is a number in one of the ways alone: "3,14" or "1,234.5".
    One of such as "1,234" is as the columns that tell; where none does, its commas are decimal in a table
    that semicolons separate, and part thousands in any other.

    Args:
        rows: the cells below the head.
        delimiter: what stands between cells.
        given: what commas are: `COMMA`, or `POINT` where points are before fractions.
    """
    places = {place for row in rows for place, cell in enumerate(row) if "," in cell}
    able = {place: _ways([row[place] for row in rows]) for place in sorted(places)}
    able = {place: ways for place, ways in able.items() if ways}
    if given != AUTO:
        return {place: given for place, ways in able.items() if given in ways}, False
    sure = {way for ways in able.values() if len(ways) == 1 for way in ways}
    usual = sure.pop() if len(sure) == 1 else COMMA if delimiter == ";" else POINT
    found = {place: usual if usual in ways else next(iter(ways)) for place, ways in able.items()}
    return found, any(len(ways) > 1 for ways in able.values())


def plain(cell: str, kind: str) -> str:
    """A number as Python writes it; what is none stays as it is."""
    if kind == COMMA and _DECIMAL.fullmatch(cell):
        return re.sub(r"[.'\s\u202f]", "", cell).replace(",", ".")
    return cell.replace(",", "") if kind == POINT and _GROUPED.fullmatch(cell) else cell


def are_numbers(cells: Iterable[str]) -> bool:
    """Whether all cells with a comma are numbers with a decimal comma."""
    return all(_DECIMAL.fullmatch(cell.strip()) for cell in cells if "," in cell)


def _ways(cells: Sequence[str]) -> set[str]:
    """The ways in which a column of cells is one of numbers."""
    told = [cell for cell in cells if not is_empty(cell) and cell.lower() not in _MISSING]
    ways = {COMMA: _DECIMAL, POINT: _GROUPED}
    return {way for way, form in ways.items() if all(_is_one(cell, form, way) for cell in told)}


def _is_one(cell: str, form: re.Pattern[str], way: str) -> bool:
    if form.fullmatch(cell):
        return True
    return is_number(cell) and (way == POINT or "." not in cell)
