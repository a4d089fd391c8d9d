"""Tables whose cells a comma, a semicolon or a tab separates: one record a row, its fields the columns.

Numbers with commas are read as numbers; see `decimals.kinds`.

A CSV file has quotes ("a ""quoted"" cell, of several lines if need be"), and spaces around its cells are
dropped. A file separated by tabs has none: its quotes are text and its cells stay as they are. Whether the
first row is a header is inferred from the rows below it; see `table_head.is_head`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO, final

from elman.core import notes
from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.cells import is_number
from elman.data.formats import decimals, table_extras
from elman.data.formats.base import (
    HEAD,
    Format,
    ReadingHints,
    has_suffix,
    head,
    nul,
    read_text,
    to_json,
)
from elman.data.formats.table_head import is_head

Line = tuple[int, list[str]]
"""The line that a row begins at, and its cells."""

_DELIMITERS = (",", ";", "\t", "|")
_EXCEL = re.compile(r"sep=(.)\n", re.IGNORECASE)  # the line that Excel takes the delimiter from
_PROBED = 20  # rows that tell the delimiter
_TOLD = 6  # columns that a note names
_AS_READ: Mapping[str, str] = {}
_SAMPLED = 1000  # rows that tell whether there is a head


class TableLayout(NamedTuple):
    """How a table is written.

    Args:
        delimiter: what stands between cells.
        quoted: whether a cell may stand in quotes.
        head: the first row, where that names the columns.
    """

    delimiter: str = ","
    quoted: bool = True
    head: tuple[str, ...] | None = None


@final
class Row(dict[str, str]):
    """The cells of a row by the names of their columns, and the layout of their table.

    Of cells that are numbers written with commas, `written` has them as they were.
    """

    __slots__ = ("layout", "written")

    def __init__(
        self, cells: Iterable[tuple[str, str]], layout: TableLayout, written: Mapping[str, str] = _AS_READ
    ) -> None:
        super().__init__(cells)
        self.layout, self.written = layout, written


@final
class Table(Format):
    """A table in a text file: a field for each column, as text; "1", "2", ... where no head names them."""

    name = "table"
    suffixes = (".csv", ".tsv", ".tab")

    def __init__(self, hints: ReadingHints | None = None) -> None:
        self._hints = hints or ReadingHints()

    def with_hints(self, hints: ReadingHints) -> Table:
        """Return a table format with these hints about the header."""
        return Table(hints)

    def takes(self, source: str) -> bool:
        """Whether it is a table by its suffix, or its first lines all have as many cells, two or more."""
        return has_suffix(source, self.suffixes) or _looks_like_one(head(source))

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The rows below the head, if there is one, as text; rows of nothing are left out.

        Raises:
            DataError: a row has more or fewer cells than the first, a quote is wrong, or there is no row.
        """
        path = Path(source)
        text = read_text(path, encoding)
        layout = _layout(source, text)
        lines = _even(path, _rows(path, text, layout))
        if not lines:
            raise DataError(path, "the file has no row", remedy="name a file with rows")
        first, cells = lines[0]
        if is_head(cells, [below for _, below in lines[1 : 1 + _SAMPLED]], self._hints):
            layout = layout._replace(head=tuple(cells))
            del lines[0]
        if not lines:
            raise DataError(path, "the table has a head and no row", remedy="add rows")
        if not self._hints.strict:
            lines = table_extras.without(path, lines, named=layout.head is not None)
        names = _names(layout, len(cells), f"{path}:{first}")
        if recorded := layout.head is None and len(cells) in (2, 3) and table_extras.recording(path, cells):
            names = ["path", *["transcript"] * (len(cells) - 2), "text"]
        commas = self._commas(path, [cells for _, cells in lines], names, layout)
        for line, cells in lines:
            written = {names[place]: cells[place] for place in commas} if commas else _AS_READ
            if recorded:
                written, cells[0] = {names[0]: cells[0]}, table_extras.recording(path, cells) or cells[0]
            for place, kind in commas.items():
                cells[place] = decimals.plain(cells[place], kind)
            yield Record(Row(zip(names, cells, strict=True), layout, written), f"{path}:{line}")

    def _commas(
        self, path: Path, rows: Sequence[Sequence[str]], names: Sequence[str], layout: TableLayout
    ) -> dict[int, str]:
        """What commas are in columns of numbers, by their places; reported."""
        found, guessed = decimals.kinds(rows, layout.delimiter, self._hints.decimal)
        for kind, words in ((decimals.COMMA, "before fractions"), (decimals.POINT, "between thousands")):
            if columns := [repr(names[place]) for place, each in found.items() if each == kind]:
                there = ", ".join(columns[:_TOLD]) + ", ..." * (len(columns) > _TOLD)
                other = decimals.POINT if kind == decimals.COMMA else decimals.COMMA
                cure = f" (guessed; if they are not: --decimal {other})" if guessed else ""
                notes.note(f"{path}: commas in {there} stand {words}{cure}")
        return found

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """The table as it was read, and a column for each part of the answer.

        Lists and the like are JSON in their cell. A column that has the name of a part gets the answer.
        """
        layout, columns = TableLayout(), None
        for record, answer in rows:
            if columns is None:  # the first record tells what the table is like
                columns = [*record.fields, *(name for name in answer if name not in record.fields)]
                layout = _layout_of(record)
                _write_head(out, columns, layout)
            written = record.fields.written if isinstance(record.fields, Row) else _AS_READ
            cells = {**record.fields, **written, **answer}
            _write(out, [_cell(cells.get(name)) for name in columns], layout)
            out.flush()


# Cells


def _layout(source: str, text: str) -> TableLayout:
    if named := _EXCEL.match(text):
        return TableLayout(named[1])
    if has_suffix(source, (".tsv", ".tab")):
        return TableLayout("\t", quoted=_has_quoted_cells(text))
    delimiter = _delimiter(text) or ","
    is_csv = has_suffix(source, (".csv",))
    return TableLayout(delimiter, quoted=delimiter not in "\t " or is_csv or _has_quoted_cells(text))


def _delimiter(text: str) -> str:
    """The first delimiter that gives the first rows as many cells each, two or more; none, if none does."""
    able: dict[str, list[list[str]]] = {}
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        rows = list(_probed(reader))
        widths = {len(row) for row in rows}
        if len(widths) == 1 and widths.pop() > 1:
            able[delimiter] = rows
    # Commas that are within numbers, all of them, separate nothing.
    others = [
        delimiter
        for delimiter in able
        if delimiter != "," and decimals.are_numbers(cell for row in able[delimiter] for cell in row)
    ]
    found = next(iter([*others, *able]), " " if _are_spaced_numbers(text) else "")
    return "|" if found == "," and len(able.get("|", ((),))[0]) >= len(able[","][0]) else found


def _are_spaced_numbers(text: str) -> bool:
    """Whether the first rows are numbers with spaces between them, as many in each, two or more."""
    rows = [line.split() for line in text.split("\n")[:_PROBED] if line.strip()]
    widths = {len(row) for row in rows}
    return len(widths) == 1 and widths.pop() > 1 and all(is_number(cell) for row in rows for cell in row)


def _probed(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """The first rows that are not empty; none from where a cell is too long to be probed."""
    try:
        yield from islice(filter(None, rows), _PROBED)
    except csv.Error:
        return


def _has_quoted_cells(text: str) -> bool:
    """Whether cells between tabs are quoted as spreadsheets do, rather than texts that contain quotes.

    All rows then have as many cells. Without the quotes they have not; or all cells that begin with one end
    with one too, and either hold a quote written twice, or are all cells of their column but the head.
    """
    if not (text.startswith('"') or '\t"' in text or '\n"' in text):
        return False
    rows, reader = [], csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    try:
        rows.extend(filter(None, reader))
    except csv.Error as error:
        if "unexpected end" not in str(error):  # the last cell was cut off: reading will say so
            return False
    if len({len(row) for row in rows}) != 1:
        return False
    bare = [cells for _, cells in _unquoted(text, "\t")]
    if len({len(row) for row in bare}) != 1:
        return True
    columns = [[cell.startswith('"') for cell in column[1:]] for column in zip(*bare, strict=True)]
    begun = [cell for row in bare for cell in row if cell.startswith('"')]
    whole = all(len(cell) > 1 and cell.endswith('"') for cell in begun)
    return whole and (any('""' in cell[1:-1] for cell in begun) or any(c and all(c) for c in columns))


def is_of_numbers(source: str) -> bool:
    """Whether the first lines of a file, three or more, are rows of as many numbers each, two or more."""
    begin = head(source)
    if not _looks_like_one(begin):
        return False
    text = begin.decode("latin-1").replace("\r", "").rsplit("\n", 1)[0]
    if _delimiter(text) == " ":
        return True
    rows = [row.split(_delimiter(text)) for row in text.split("\n")[:_PROBED]]
    return all(is_number(cell) for row in rows for cell in row)


def has_tabs(source: str) -> bool:
    """Whether the first lines of a file, three or more, have as many tabs each, between filled cells."""
    begin = head(source)
    if nul(begin, "ascii") >= 0:
        return False
    lines = begin.decode("latin-1").replace("\r", "").strip("\n").split("\n")
    rows = [line.split("\t") for line in (lines[:-1] if len(begin) == HEAD else lines)]
    return len(rows) > 2 and {*map(len, rows)} == {len(rows[0])} != {1} and all(map(all, rows))


def _looks_like_one(begin: bytes) -> bool:
    if nul(begin, "ascii") >= 0:
        return False
    lines = begin.decode("latin-1").replace("\r", "").strip("\n").split("\n")
    whole = lines[:-1] if len(begin) == HEAD else lines
    if all(line.startswith("{") for line in whole[:_PROBED]):  # JSON lines have commas too
        return False
    return len(whole) > 2 and all(whole[:_PROBED]) and bool(_delimiter("\n".join(whole[:_PROBED])))


def _rows(path: Path, text: str, layout: TableLayout) -> Iterator[Line]:
    above = len(named[0]) if (named := _EXCEL.match(text)) else 0
    rows = (
        _quoted(path, text[above:], layout.delimiter) if layout.quoted else _unquoted(text, layout.delimiter)
    )
    return ((line + bool(above), cells) for line, cells in rows)


def _unquoted(text: str, delimiter: str) -> Iterator[Line]:
    cut = None if delimiter == " " else delimiter  # spaces align columns
    return ((line, row.split(cut)) for line, row in enumerate(text.split("\n"), 1) if row)


def _quoted(path: Path, text: str, delimiter: str) -> Iterator[Line]:
    longest = csv.field_size_limit(
        max(csv.field_size_limit(), len(text))
    )  # of the whole process: put back below
    line = 1
    try:
        rows = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=delimiter,
            skipinitialspace=delimiter != "\t",
            strict=True,
        )
        for row in rows:
            if row:
                yield line, [cell.strip() for cell in row]
            line = rows.line_num + 1
    except csv.Error as error:
        raise _wrong_quote(path, line, error) from error
    finally:
        csv.field_size_limit(longest)


def _wrong_quote(path: Path, line: int, error: csv.Error) -> DataError:
    remedy = 'write a quote inside a quoted cell twice (""), or take the quotes away'
    if "unexpected end" in str(error):
        return DataError(f"{path}:{line}", "a quote that opens here and never closes", remedy=remedy)
    return DataError(f"{path}:{line}", "a cell that goes on after its closing quote", remedy=remedy)


def _even(path: Path, rows: Iterable[Line]) -> list[Line]:
    lines = list(rows)
    width = len(lines[0][1]) if lines else 0
    for line, cells in lines:
        if len(cells) != width:
            raise DataError(
                f"{path}:{line}", f"{len(cells)} cells", expected=f"{width} as in line {lines[0][0]}"
            )
    return lines


# The head


def _names(layout: TableLayout, width: int, where: str) -> list[str]:
    names = [name or str(place) for place, name in enumerate(layout.head or [""] * width, 1)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(where, f"two columns named {twice!r}", remedy="give each column a name of its own")
    return names


# Writing


def _layout_of(record: Record) -> TableLayout:
    return record.fields.layout if isinstance(record.fields, Row) else TableLayout(head=tuple(record.fields))


def _write_head(out: TextIO, columns: Sequence[str], layout: TableLayout) -> None:
    if layout.head is not None:
        _write(out, [*layout.head, *columns[len(layout.head) :]], layout)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else to_json(value)


def _write(out: TextIO, cells: Sequence[str], layout: TableLayout) -> None:
    if layout.quoted:
        csv.writer(out, delimiter=layout.delimiter, lineterminator="\n").writerow(cells)
    else:
        out.write(layout.delimiter.join(re.sub(r"[\t\n\r]", " ", cell) for cell in cells) + "\n")
