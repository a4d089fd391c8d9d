"""Tables whose cells a comma, a semicolon or a tab separates: one record a row, its fields the columns.

A CSV file has quotes ("a ""quoted"" cell, of several lines if need be"), and spaces around its cells are
dropped. A file separated by tabs has none: its quotes are text and its cells stay as they are. Whether the
first row is the head is told from the rows below it; see `_is_head`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO, final

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import HEAD, Format, has_suffix, head, nul, read_text, to_json

Line = tuple[int, list[str]]
"""The line that a row begins at, and its cells."""

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_PROBED = 20  # rows that tell the delimiter
_SAMPLED = 1000  # rows that tell whether there is a head
# Dates, times, shares, and numbers such as 1,234.5.
_DATE = re.compile(r"[+-]?(?=.*\d)[\d.][\d.,:/\s+-]*(?:T[\d.:+-]+)?\s?(?:%|[ap]m|Z)?", re.IGNORECASE)
_MISSING = {"na", "n/a", "nan", "null", "none", "?", "-", "."}

# Names that a column has and a cell hardly ever.
_USUAL = """
    audio category class class_name content date datetime description digit ds feature features file filename
    id image index input label labels lang language name output path picture review score sentence sequence
    series source speaker split tag tags target text time timestamp title token tokens transcript translation
    unique_id value word words x y
"""


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
    """The cells of a row by the names of their columns, and the layout of their table."""

    __slots__ = ("layout",)

    def __init__(self, cells: Iterable[tuple[str, str]], layout: TableLayout) -> None:
        super().__init__(cells)
        self.layout = layout


@final
class Table(Format):
    """A table in a text file: a field for each column, as text; "1", "2", ... where no head names them."""

    name = "table"
    suffixes = (".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz")

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
        if _is_head(cells, [below for _, below in lines[1 : 1 + _SAMPLED]]):
            layout = layout._replace(head=tuple(cells))
            del lines[0]
        if not lines:
            raise DataError(path, "the table has a head and no row", remedy="add rows")
        names = _names(layout, len(cells), f"{path}:{first}")
        for line, cells in lines:
            yield Record(Row(zip(names, cells, strict=True), layout), f"{path}:{line}")

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
            cells = {**record.fields, **answer}
            _write(out, [_cell(cells.get(name)) for name in columns], layout)
            out.flush()


# Cells


def _layout(source: str, text: str) -> TableLayout:
    if has_suffix(source, (".tsv", ".tab", ".tsv.gz")):
        return TableLayout("\t", quoted=False)
    delimiter = _delimiter(text) or ","
    return TableLayout(delimiter, quoted=delimiter != "\t" or has_suffix(source, (".csv", ".csv.gz")))


def _delimiter(text: str) -> str:
    """The first delimiter that gives the first rows as many cells each, two or more; none, if none does."""
    for delimiter in _DELIMITERS:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        widths = {len(row) for row in _probed(rows)}
        if len(widths) == 1 and widths.pop() > 1:
            return delimiter
    return ""


def _probed(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """The first rows that are not empty; none from where a cell is too long to be probed."""
    try:
        yield from islice(filter(None, rows), _PROBED)
    except csv.Error:
        return


def _looks_like_one(begin: bytes) -> bool:
    if nul(begin, "ascii") >= 0:
        return False
    lines = begin.decode("latin-1").replace("\r", "").strip("\n").split("\n")
    whole = lines[:-1] if len(begin) == HEAD else lines
    if all(line.startswith("{") for line in whole[:_PROBED]):  # JSON lines have commas too
        return False
    return len(whole) > 2 and all(whole[:_PROBED]) and bool(_delimiter("\n".join(whole[:_PROBED])))


def _rows(path: Path, text: str, layout: TableLayout) -> Iterator[Line]:
    return _quoted(path, text, layout.delimiter) if layout.quoted else _unquoted(text, layout.delimiter)


def _unquoted(text: str, delimiter: str) -> Iterator[Line]:
    return ((line, row.split(delimiter)) for line, row in enumerate(text.split("\n"), 1) if row)


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


def _is_head(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns; `_SAMPLED` rows below it are asked.

    - Not, if one of its cells is a number or a date, marks what is missing (NA, ?, ...), or is found again
      below it in its column.
    - Else yes, if a column below a name holds numbers or dates.
    - Else only if its cells differ, none but the first is empty (above the rows' own names), and one of these
      is so: the first is empty; one is a usual name of a column (text, label, path, ...); they are short
      names above longer text; a column below holds few values, again and again, and its head is none of them.
    """
    columns = list(zip(*below, strict=True)) or [() for _ in first]
    pairs = [(name, column) for name, column in zip(first, columns, strict=True) if name]
    if any(_is_value(name) or name in column for name, column in pairs):
        return False
    if any(any(column) and all(map(_is_value, filter(None, column))) for _, column in pairs):
        return True
    if len(set(first)) < len(first) or not all(first[1:]):
        return False
    usual = any(name.lower() in _USUAL.split() for name in first) or (not first[0] and any(columns[0]))
    return usual or _are_short_above_long(pairs) or any(_is_choice(column) for _, column in pairs)


def _is_value(cell: str) -> bool:
    return cell.lower() in _MISSING or _DATE.fullmatch(cell) is not None or _is_number(cell)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _are_short_above_long(pairs: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Whether all names are of one word or two, and most cells of a column are longer."""
    if not all(len(name) <= 30 and len(name.split()) <= 2 for name, _ in pairs):
        return False
    return any(2 * sum(len(cell.split()) > 3 for cell in column) > len(column) for _, column in pairs)


def _is_choice(column: Sequence[str]) -> bool:
    return len(column) >= 10 and 3 * len(set(column)) <= len(column)


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
