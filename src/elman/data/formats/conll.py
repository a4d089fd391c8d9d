"""Sentences in columns, a token a line and an empty line after each sentence; and sentences as plain lines.

A record is a sentence, its fields are the columns. What was read is kept line by line, so that a sentence is
written as it was but for the columns that are filled in.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO, final

from elman.core.errors import DataError
from elman.core.formatting import one_line
from elman.core.records import Record
from elman.data.formats.base import Format, has_suffix, head, nul, read_text, write_json_lines

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
"""The columns of CoNLL-U."""

TOKENS = "tokens"
"""The column of the tokens where no head names them."""

_NAMES = (TOKENS, "form")
_CELL = re.compile(r"[^ \t]+")
_ID = re.compile(r"([1-9]\d{0,9})(?:-([1-9]\d{0,9}))?|(0|[1-9]\d{0,9})\.([1-9]\d{0,9})")
_DOCUMENT = "-DOCSTART-"
_COMMENT = "# "
_PROBED = 40  # lines that tell what a file is

Line = tuple[int, str]
"""The number of a line in its file, and the line without its end."""


class ColumnLayout(NamedTuple):
    """How a file has its columns.

    Args:
        width: how many they are.
        tabs: whether tabs part them, or any white space.
        numbered: whether the first one counts.
        ends: what the last one has in lines that are tokens for sure.
        headed: whether most sentences begin with a line that is a comment by its look.
    """

    width: int
    tabs: bool = False
    numbered: bool = False
    ends: frozenset[str] = frozenset()
    headed: bool = False


class Sentence(dict[str, list[str]]):
    """The columns of a sentence by their names, and the lines that they stand in.

    Args:
        columns: name -> one cell for each token.
        lines: all lines of the sentence with their ends, comments and empty lines among them.
        places: which of the lines are the tokens'.
    """

    __slots__ = ("lines", "places")

    def __init__(self, columns: Mapping[str, list[str]], lines: Sequence[str], places: Sequence[int]) -> None:
        super().__init__(columns)
        self.lines, self.places = tuple(lines), tuple(places)

    def filled(self, answer: Mapping[str, Any]) -> str:
        """The lines with the columns that `answer` has put in place; a column that is new comes last."""
        lines = list(self.lines)
        for name, cells in answer.items():
            column = list(self).index(name) if name in self else None
            for place, cell in zip(self.places, cells, strict=True):
                lines[place] = _replaced(lines[place], column, cell)
        return "".join(lines)


class ColumnFormat(Format):
    """What files of columns have in common: sentences parted by empty lines."""

    @abstractmethod
    def layout(self, blocks: Sequence[Sequence[Line]]) -> ColumnLayout:
        """How a file has its columns, by its lines between empty ones, one at least."""

    @abstractmethod
    def sentence(
        self, path: Path, lines: Sequence[Line], layout: ColumnLayout
    ) -> tuple[dict[str, list[str]], list[int]]:
        """Return the columns of a sentence and its tokens' indices in `lines`; none if it is not a sentence.

        Args:
            path: where the lines are from, for errors.
            lines: the lines between two empty ones, one at least.
            layout: of the file.
        """

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The sentences, each with its columns.

        Raises:
            DataError: a line has other columns than it should, or there is no sentence.
        """
        path = Path(source)
        end = "\r\n" if b"\r\n" in head(source) else "\n"
        raw = [line + end for line in read_text(path, encoding).split("\n")]
        raw[-1] = raw[-1].removesuffix(end)
        spans = list(_blocks(raw))
        blocks = [[(i + 1, raw[i].rstrip("\r\n")) for i in range(first, last)] for first, last in spans]
        layout = self.layout(blocks) if blocks else ColumnLayout(0)
        begun, found = 0, None
        for (first, last), lines in zip(spans, blocks, strict=True):
            columns, places = self.sentence(path, lines, layout)
            if not places:
                continue
            if found:
                yield found
            stop = min(last + 1, len(raw))  # with the empty line that ends it
            kept = [place + first - begun for place in places]
            found = Record(Sentence(columns, raw[begun:stop], kept), f"{path}:{lines[places[0]][0]}")
            begun = stop
        if not found:
            raise DataError(path, "no sentence in it", remedy="name a file with a token a line")
        yield _with_rest(found, raw[begun:])

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """The sentences as they were read, with the columns that the answers fill."""
        _write(rows, out)


@final
class Conll(ColumnFormat):
    """Columns that white space or tabs part, as the CoNLL shared tasks had them: `tokens`, "2", "3", ...

    Where the first column numbers the tokens, that is "1" and the second is `tokens`. Lines that begin with
    -DOCSTART-, and comments, stay as they are. A comment is a line before a sentence that begins with # and
    has another number of columns; and also one of that number that begins with # and a space, if the tokens
    are numbered, if most sentences begin so, or if no token's last column has what it ends with.
    """

    name = "conll"
    suffixes = (".conll", ".iob", ".iob2", ".bio", ".bioes", ".iobes")

    def takes(self, source: str) -> bool:
        """Whether its suffix says so, or its first lines: as many columns each, and an empty line."""
        return has_suffix(source, self.suffixes) or _looks_like_columns(head(source))

    def layout(self, blocks: Sequence[Sequence[Line]]) -> ColumnLayout:
        """Tabs, if the first sentence has one; as many columns as most of its lines have."""
        sentences = [
            texts for block in blocks if (texts := [line for _, line in block if not _is_aside(line)])
        ]
        if not sentences:
            return ColumnLayout(0)
        tabs = any("\t" in line for line in sentences[0])
        widths = [len(_cells(line, tabs)) for line in sentences[0]]
        firsts = [[_cells(line, tabs)[0] for line in texts[:2]] for texts in sentences]
        numbered = (
            max(widths) > 1 and ["1", "2"] in firsts and all(each in (["1"], ["1", "2"]) for each in firsts)
        )
        width = max(widths, key=widths.count)
        rows = [_cells(line, tabs) for texts in sentences for line in texts]
        ends = frozenset(row[-1] for row in rows if len(row) == width)
        headed = sum(block[0][1].startswith(_COMMENT) for block in blocks)
        return ColumnLayout(width, tabs, numbered, ends, headed > max(2, len(blocks) // 2))

    def sentence(
        self, path: Path, lines: Sequence[Line], layout: ColumnLayout
    ) -> tuple[dict[str, list[str]], list[int]]:
        """The columns, and the places of the tokens."""
        rows, places = [], []
        for place, (number, line) in enumerate(lines):
            row = _cells(line, layout.tabs)
            if _is_aside(line) and (line[0] != "#" or (not places and _is_comment(line, row, layout))):
                continue
            _check_row(f"{path}:{number}", row, layout.width, "as the first sentence has")
            rows.append(row)
            places.append(place)
        if not rows:
            return {}, []
        columns = [list(column) for column in zip(*rows, strict=True)]
        names = [str(number) for number in range(1, layout.width + 1)]
        names[int(layout.numbered)] = TOKENS
        return dict(zip(names, columns, strict=True)), places


@final
class ConllU(ColumnFormat):
    """CoNLL-U, the format of Universal Dependencies (https://universaldependencies.org/format.html).

    Words alone are tokens: ranges such as 1-2 and empty nodes such as 8.1 stay as they are.
    """

    name = "conllu"
    suffixes = (".conllu",)

    def takes(self, source: str) -> bool:
        """Whether its suffix says so, or its first lines: ten columns, the first of which is an ID."""
        return has_suffix(source, self.suffixes) or _looks_like_conllu(head(source))

    def layout(self, blocks: Sequence[Sequence[Line]]) -> ColumnLayout:
        """Ten columns, parted by tabs."""
        return ColumnLayout(len(COLUMNS), tabs=True, numbered=True)

    def sentence(
        self, path: Path, lines: Sequence[Line], layout: ColumnLayout
    ) -> tuple[dict[str, list[str]], list[int]]:
        """The ten columns of the words, and the places of these."""
        rows, places = [], []
        for place, (number, line) in enumerate(lines):
            if line[0] == "#":
                continue
            row, where = line.split("\t"), f"{path}:{number}"
            _check_row(where, row, layout.width, "parted by tabs")
            if _is_word(where, row[0], seen=len(rows)):
                rows.append(row)
                places.append(place)
        if not rows and any(line[0] != "#" for _, line in lines):
            raise DataError(f"{path}:{lines[0][0]}", "a sentence without words")
        columns = [list(column) for column in zip(*rows, strict=True)]
        return dict(zip(COLUMNS, columns, strict=bool(rows))), places


@final
class TokenLines(Format):
    """Tokens with spaces between them, a sentence a line: the field `tokens`. Empty lines are left out."""

    name = "tokens"
    suffixes = (".tok",)

    def takes(self, source: str) -> bool:
        """Whether its suffix says so, or that it is plain text."""
        return has_suffix(source, (*self.suffixes, ".txt", ".text"))

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The sentences.

        Raises:
            DataError: there is none.
        """
        path, found = Path(source), False
        for number, line in enumerate(read_text(path, encoding).split("\n"), 1):
            if tokens := line.split():
                found = True
                yield Record({TOKENS: tokens}, f"{path}:{number}")
        if not found:
            raise DataError(
                path, "no token in it", remedy="give tokens with spaces between, a sentence a line"
            )

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """A token and its answers a line; all columns of CoNLL-U, where the answers are among these."""
        _write(rows, out)


def _write(rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
    """Sentences in columns; an answer that is not for each token goes out as JSON."""
    for record, said in rows:
        answer = {name: cells for name, cells in said.items() if cells is not None}
        fields, tokens = record.fields, _tokens(record, answer)
        if tokens is None or not all(_is_column(cells, tokens) for cells in answer.values()):
            write_json_lines([(record, answer)], out)
            continue
        out.write(fields.filled(answer) if isinstance(fields, Sentence) else _in_columns(tokens, answer))
        out.flush()


def _tokens(record: Record, answer: Mapping[str, Any]) -> Sequence[str] | None:
    """The tokens of a sentence, from its fields or else from its answer."""
    named = {**answer, **record.fields}
    return next((named[name] for name in _NAMES if isinstance(named.get(name), list)), None)


def _is_column(cells: Any, tokens: Sequence[str]) -> bool:
    return isinstance(cells, list) and len(cells) == len(tokens)


def _in_columns(tokens: Sequence[str], answer: Mapping[str, list[str]]) -> str:
    """A sentence without lines of its own: as CoNLL-U, if that has columns of these names, else in few."""
    named = {name: cells for name, cells in answer.items() if name not in _NAMES}
    columns = {TOKENS: tokens, **named}
    if set(named) <= set(COLUMNS):
        numbers = [str(number) for number in range(1, len(tokens) + 1)]
        columns = {name: ["_"] * len(tokens) for name in COLUMNS}
        columns |= {"id": numbers, "form": tokens, **named}
    rows = zip(*columns.values(), strict=True)
    return "".join("\t".join(map(_cell, cells)) + "\n" for cells in rows) + "\n"


def _cell(text: str) -> str:
    """A text as a cell may hold it: without the ends of cells and lines."""
    return one_line(text).replace("\t", " ")


def _blocks(raw: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The stretches between empty lines: the first line, and the one after the last."""
    start = None
    for number, line in enumerate([*raw, ""]):
        empty = not line.strip(" \t\r\n")
        if empty and start is not None:
            yield start, number
        start = None if empty else number if start is None else start


def _with_rest(record: Record, rest: Sequence[str]) -> Record:
    """The last sentence with all that comes after it in the file."""
    fields = record.fields
    assert isinstance(fields, Sentence)
    return Record(Sentence(fields, [*fields.lines, *rest], fields.places), record.where)


def _is_aside(line: str) -> bool:
    """Whether a line is, or may be, none of a token."""
    return line.startswith(("#", _DOCUMENT))


def _is_comment(line: str, row: Sequence[str], layout: ColumnLayout) -> bool:
    """Whether a line that begins with #, before the tokens of a sentence, is none of them."""
    if len(row) != layout.width:
        return True
    return line.startswith(_COMMENT) and (
        layout.numbered or layout.headed or row[-1].strip() not in layout.ends
    )


def _cells(line: str, tabs: bool) -> list[str]:
    return line.split("\t") if tabs else _CELL.findall(line)


def _check_row(where: str, row: Sequence[str], width: int, how: str) -> None:
    if len(row) != width:
        raise DataError(where, _columns(len(row)), expected=f"{width} {how}")
    if not all(cell.strip() for cell in row):
        empty = next(place for place, cell in enumerate(row, 1) if not cell.strip())
        raise DataError(where, f"column {empty} is empty", remedy="write _ where there is nothing")


def _columns(count: int) -> str:
    return f"{count} column{'s' if count > 1 else ''}"


def _is_word(where: str, text: str, seen: int) -> bool:
    """Whether an ID is that of the next word, not of a range or an empty node; `seen` words came before."""
    match = _ID.fullmatch(text)
    if not match:
        raise DataError(where, f"the ID {text!r}", expected=f"{seen + 1}, a range or an empty node")
    first, last, node, _ = match.groups()
    if node is not None:
        if int(node) != seen:
            raise DataError(where, f"the empty node {text}", expected=f"{seen}.1 or so after word {seen}")
        return False
    if int(first) != seen + 1 or (last and int(last) < int(first)):
        raise DataError(where, f"the ID {text}", expected=f"{seen + 1}, after {seen} words")
    return last is None


def _replaced(line: str, column: int | None, cell: str) -> str:
    """A line with another cell in a column, or with one more; what parts the cells stays."""
    body = line.rstrip("\r\n")
    end = line[len(body) :]
    if column is None:
        return body + ("\t" if "\t" in body or " " not in body else " ") + cell + end
    if "\t" in body:
        cells = body.split("\t")
        return "\t".join([*cells[:column], cell, *cells[column + 1 :]]) + end
    start, stop = [match.span() for match in _CELL.finditer(body)][column]
    return body[:start] + cell + body[stop:] + end


def _first_lines(begin: bytes) -> list[str]:
    """Return the first lines of a text file; none if it is not text."""
    if nul(begin, "ascii") >= 0:
        return []
    return begin.decode("latin-1").replace("\r", "").split("\n")[: _PROBED + 1][:_PROBED]


def _looks_like_conllu(begin: bytes) -> bool:
    rows = [line.split("\t") for line in _first_lines(begin) if line and line[0] != "#"]
    return bool(rows) and all(len(row) == len(COLUMNS) and _ID.fullmatch(row[0]) for row in rows[:-1] or rows)


_SPAN = re.compile(r"(O|[BIESLU][-_]\S+)")


def looks_tagged(source: str) -> bool:
    """Whether the first lines of a file are columns parted by empty lines, the last one of tags of spans."""
    begin = head(source)
    if not _looks_like_columns(begin):
        return False
    rows = [_CELL.findall(line) for line in _first_lines(begin)[:-1] if line.strip() and line[0] != "#"]
    return all(_SPAN.fullmatch(row[-1]) for row in rows)


def _looks_like_columns(begin: bytes) -> bool:
    lines = _first_lines(begin)
    widths = {len(_CELL.findall(line)) for line in lines[:-1] if line.strip() and line[0] != "#"}
    parted = any(not line.strip() for line in lines[1:-1])
    return parted and len(widths) == 1 and widths.pop() > 1
