"""Choose input and target columns: as the settings say, or inferred and reported.

Works on names and values of columns, without tensors or tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from elman.core.errors import DataError, nearest
from elman.core.records import Record
from elman.core.run_config import DataSettings
from elman.data import column_kinds, label_lists
from elman.data.cells import ALL, cell, is_empty, is_number, is_on, joined, named, number
from elman.data.formats.base import MEDIA

INPUTS = ("text", "sentence", "sequence", "series", "audio", "picture", "frames", "path", "file", "tokens")
"""Names that a column to be read often has, the likeliest first."""

TARGETS = ("label", "labels", "class", "target", "category", "y", "tags", "sentiment")
"""Names that a column to be predicted often has."""

SOURCES = ("source", "src", "question", "input", "word", "text")
"""Names that a column to be read often has where a sequence is to be written of it."""

WRITTEN = ("target", "tgt", "trg", "answer", "output", "translation", "caption", "text")
"""Names that a column to be written often has."""

_PROMPTS = (("instruction", "output"), ("prompt", "completion"), ("prompt", "response"), ("input", "output"))
PAIRS = (("source", "target"), ("src", "tgt"), ("src", "trg"), ("question", "answer"), *_PROMPTS)
"""Names that two columns often have of which one is written from the other."""

PICTURED = ("picture", "image", "path", "file", "filename", "photo", "frames", "video", "features")
"""Names that a column to be read often has where it is to be described."""

CAPTIONS = ("caption", "captions", "description", "text", "title", "sentence", "target", "name")
"""Names that a column with descriptions often has."""

DRAWN = ("strokes", "drawing", "notes", "frames", "steps", "series", "x", "path", "file", "filename")
"""Names that a column with sequences to be drawn often has."""

STARTS = ("text", "word", "words", "sentence", "transcript", *TARGETS, "caption", "name")
"""Names that a column with what a sequence starts from often has."""

HEARD = ("audio", "path", "file", "filename", "wav", "sound", "features", "picture", "image", "series")
"""Names that a column to be read often has where its text is to be transcribed."""

TRANSCRIPTS = ("text", "transcript", "transcription", "sentence", "words", "target", "label")
"""Names that a column with such texts often has."""

_PROBED = 100
"""Rows that tell whether columns hold numbers."""

_NUMBERS_BESIDE_A_NAME = 3
"""Columns of numbers beside which different words are taken for the names of rows."""

_FEWEST_TEXTS = 8
"""Records that tell whether texts repeat."""

_ANSWERS = frozenset(("label", "labels", "class", "target", "category", "sentiment"))


@dataclass(frozen=True)
class Columns:
    """The columns that serve.

    Args:
        input: what is read, or `ALL`; of several, their names with commas between them.
        target: what is to be predicted; of several, likewise.
        guessed: whether one of them was guessed.
        steps: how many columns are read, if all others are; 0 else.
        left_out: of all others those that are not data: column, and what it is.
        inputs: the names of several columns that are read.
        targets: the names of several columns that are predicted, each with 0 or 1.
        one_hot: whether just one of these is 1 in each row.
        names: where all other columns are read, which they are; none: it was not kept.
        separator: what stands between several labels in a cell of the target; "": each is one.
    """

    input: str
    target: str
    guessed: bool
    steps: int = 0
    left_out: tuple[tuple[str, str], ...] = ()
    inputs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    one_hot: bool = False
    names: tuple[str, ...] = ()
    separator: str = ""

    def roles(self) -> dict[str, tuple[str, ...]]:
        """The columns by the settings that name them."""
        read = self.inputs or (self.names if self.input == ALL else (self.input,))
        return {"input": read, "target": self.targets or (self.target,)} if read else {}

    def read(self, record: Record) -> Any:
        """What is read of a record.

        Raises:
            DataError: the column is not there, or one that should be a number is none; or, where all others
                are read, there are more or fewer than there were.
        """
        if len(record.fields) == 1:  # nothing else can be meant, whatever its name
            return next(iter(record.fields.values()))
        if self.inputs:
            return joined(record, [(name, cell(record, name)) for name in self.inputs])
        return cell(record, self.input) if self.input != ALL else self._numbers(record)

    def wanted(self, record: Record) -> Any:
        """What is to be predicted of a record.

        Raises:
            DataError: the column is not there; or, of several, one holds neither 0 nor 1.
        """
        if not self.targets:
            return label_lists.listed(cell(record, self.target), self.separator)
        found = [name for name in self.targets if is_on(record, name, cell(record, name))]
        if not self.one_hot:
            return found
        if len(found) != 1:
            got = f"1 in {len(found)} of the columns {', '.join(self.targets)}"
            raise DataError(record.where, got, expected="in one, as in the training part")
        return found[0]

    def about(self) -> str:
        """Which ones, in words."""
        words = f"{self.input!r} is read" if self.input != ALL else "all other columns are read, a step each"
        said = f"{words}, {self.target!r} is predicted"
        if self.left_out:
            said += "".join(f", {name!r} is left out as {kind}" for name, kind in self.left_out)
        if self.separator:
            said += f" as several labels with {self.separator!r} between them (--kind class: as one)"
        return f"{said} (guessed; --input and --target set them)" if self.guessed else said

    def _numbers(self, record: Record) -> list[float]:
        """All columns but the target; all, if that is missing: without names others have its number then.

        A series that ends early has empty cells after its end; one within it is a missing number.
        """
        if self.names and all(name in record.fields for name in self.names):
            return _whole_numbers(record, self.names)
        apart = {self.target, *self.targets, *(name for name, _ in self.left_out)}
        names = [name for name in record.fields if name not in apart or len(record.fields) == self.steps]
        if len(names) != self.steps:
            remedy = "give the columns that the model learnt from"
            raise DataError(
                record.where, f"{len(names)} columns to read", expected=str(self.steps), remedy=remedy
            )
        return _whole_numbers(record, names)


def _whole_numbers(record: Record, names: Sequence[str]) -> list[float]:
    """The numbers in columns, without the empty cells after the end of a series."""
    there = list(names)
    while len(there) > 1 and is_empty(record.fields[there[-1]]):
        there.pop()
    return [number(record, name) for name in there]


@dataclass(frozen=True)
class DrawColumns:
    """The columns that serve where sequences are drawn.

    Args:
        input: the sequence.
        start: what it starts from; empty, if there is no such column.
    """

    input: str
    start: str = ""

    def read(self, record: Record) -> Any:
        """The sequence of a record.

        Raises:
            DataError: the column is not there.
        """
        if len(record.fields) == 1:  # nothing else can be meant, whatever its name
            return next(iter(record.fields.values()))
        return cell(record, self.input)


def infer_columns(records: Sequence[Record], data: DataSettings, readable: Callable[[Any], bool]) -> Columns:
    """The columns of these records.

    Identifiers, numbers of rows and times are left out, where anything else is there (`column_kinds.keys`).
    The input is the column of a usual name; else all that are left, if they are numbers; else the one with
    most in it, not counting what repeats.
    The target is the column of a usual name, or the only one whose name has such a word or begins with "is"
    or "has". Else, beside text, all others, if each holds 0 and 1. Else, beside numbers, it is the one that
    is none, or the first or the last, whichever has fewer different values; beside anything else it is the
    first other one whose values repeat, or the last one.

    Args:
        records: of the training part, at least one.
        data: the settings, which may name either.
        readable: whether a value can be read at all.

    Raises:
        DataError: a column that is named is not there, or nothing can be guessed.
    """
    first = records[0]
    inputs, targets = named(first, data.input), named(first, data.target)
    others = [name for name in first.fields if name not in targets]
    free = [name for name in others if name not in inputs]
    keys = _keys(records, free)
    able = [name for name in free if name not in keys] or free
    known = data.target or _called(records, able)
    left = [name for name in able if name != known] or [name for name in free if name != known]
    read = data.input or _guess_input(records, left, readable, known)
    if not known:
        left = [name for name in able if name != read] or [name for name in free if name != read]
        targets = _guess_several(records, left, read) or [_guess_target(records, left, read)]
        known = ",".join(targets)
    left_out = [(name, kind) for name, kind in keys.items() if name not in (read, known) and not data.input]
    apart = {known, *targets, *(name for name, _ in left_out)}
    numbers = tuple(name for name in first.fields if name not in apart) if read == ALL else ()
    chosen = Columns(
        read,
        known,
        not (data.input and data.target),
        steps=len(numbers),
        names=() if all(map(str.isdecimal, numbers)) else numbers,  # which are places, without a head
        left_out=tuple(left_out),
        inputs=tuple(inputs[: len(inputs) if len(inputs) > 1 else 0]),
        targets=tuple(targets[: len(targets) if len(targets) > 1 else 0]),
    )
    cells = [] if chosen.targets else [record.fields.get(known) for record in records]
    mark = label_lists.separator(cells)
    return replace(chosen, separator=mark, one_hot=bool(chosen.targets) and _is_one_hot(records, chosen))


def pair(records: Sequence[Record], data: DataSettings) -> Columns:
    """The columns of a sequence to read and one to write: of usual names, else the first and the next one.

    Args:
        records: of the training part, at least one.
        data: the settings, which may name either.

    Raises:
        DataError: a column that is named is not there, or there is but one.
    """
    first = records[0]
    _check_there(first, data)
    if len(first.fields) < 2:
        got = f"one column, {next(iter(first.fields))!r}"
        raise DataError(first.where, got, expected="one to read and one to write")
    names = _data(records, 2)
    small = {name.lower(): name for name in names}
    known = next((both for both in PAIRS if {*both} <= {*small}), None)
    if known and not (data.input or data.target):
        return Columns(small[known[0]], small[known[1]], True)
    left = [name for name in names if name != data.target]
    read = data.input or _named(SOURCES, left) or left[0]
    left = [name for name in names if name != read]
    return Columns(read, data.target or _named(WRITTEN, left) or left[0], not (data.input and data.target))


def free_texts(records: Sequence[Record]) -> tuple[str, str] | None:
    """The first two columns of texts, if nothing else is there and no values are such as classes have.

    Each column holds texts, more than half of which are different, in `_FEWEST_TEXTS` records at least; none
    holds paths of files or has a name that a class has.
    """
    names = _data(records, 0)
    if len(names) < 2 or len(records) < _FEWEST_TEXTS or not _ANSWERS.isdisjoint(map(str.lower, names)):
        return None
    for name in names:
        cells = [record.fields.get(name) for record in records]
        texts = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
        alike = 2 * len(set(texts)) <= len(cells)
        if alike or is_numeric(records, name) or any(Path(text).suffix.lower() in MEDIA for text in texts):
            return None
    return names[0], names[1]


def described(
    records: Sequence[Record], data: DataSettings, readable: Callable[[Record, str], bool]
) -> Columns:
    """The columns of something to describe and of its description: of usual names, else the first that fits.

    Args:
        records: of the training part, at least one.
        data: the settings, which may name either.
        readable: whether a record's field can be what is described.

    Raises:
        DataError: a column that is named is not there, or nothing can be guessed.
    """
    expected = "one with what is described, such as the path of a picture, and one with captions"
    return _worded(records, data, readable, (PICTURED, CAPTIONS), expected)


def transcribed(
    records: Sequence[Record], data: DataSettings, readable: Callable[[Record, str], bool]
) -> Columns:
    """Find the columns of a recording or handwriting and of its transcript, as `described` does.

    Args:
        records: of the training part, at least one.
        data: the settings, which may name either.
        readable: whether a record's field can be what is transcribed.

    Raises:
        DataError: a column that is named is not there, or nothing can be guessed.
    """
    expected = "one with the audio, such as the path of a sound file, and one with its text"
    return _worded(records, data, readable, (HEARD, TRANSCRIPTS), expected)


def _worded(
    records: Sequence[Record],
    data: DataSettings,
    readable: Callable[[Record, str], bool],
    usual: tuple[Sequence[str], Sequence[str]],
    expected: str,
) -> Columns:
    """The first column that can be read, and one with words of it; those of usual names, if there are any."""
    first = records[0]
    _check_there(first, data)
    left = [name for name in first.fields if name != data.target and (data.input or readable(first, name))]
    read = data.input or _named(usual[0], left) or next(iter(left), "")
    words = [name for name in _data(records, 2) if name != read]
    if not (read and words):
        got = f"columns {', '.join(map(repr, first.fields))}"
        remedy = "name them with --input and --target"
        raise DataError(first.where, got, expected=expected, remedy=remedy)
    return Columns(read, data.target or _named(usual[1], words) or words[0], not (data.input and data.target))


def drawn(records: Sequence[Record], data: DataSettings, readable: Callable[[Any], bool]) -> DrawColumns:
    """The columns of a sequence to draw, and of a class or a text that it starts from, if there is one.

    Args:
        records: of the training part, at least one.
        data: the settings, which may name either: input and target.
        readable: whether a value can be a sequence.

    Raises:
        DataError: a column that is named is not there, or none holds a sequence.
    """
    first = records[0]
    _check_there(first, data)
    able = [name for name, value in first.fields.items() if name != data.target and readable(value)]
    read = data.input or _named(DRAWN, able) or next(iter(able), "")
    if not read:
        got = f"columns {', '.join(map(repr, first.fields))}"
        expected = "one with sequences: lists of steps, or paths of .npy files"
        raise DataError(first.where, got, expected=expected, remedy="name it with --input")
    return DrawColumns(read, data.target or _named(STARTS, [name for name in first.fields if name != read]))


def drawable(record: Record, readable: Callable[[Any], bool]) -> bool:
    """Whether a column that is called strokes, drawing or notes holds a sequence."""
    return any(name.lower() in DRAWN[:3] and readable(value) for name, value in record.fields.items())


def _check_there(first: Record, data: DataSettings) -> None:
    """Check that the columns that the settings name are there."""
    for name in filter(None, (data.input, data.target)):
        if name not in first.fields and name != ALL:
            raise DataError(first.where, f"no column {name!r}", remedy=nearest(name, first.fields))


def _keys(records: Sequence[Record], names: Sequence[str]) -> dict[str, str]:
    """Return the columns that are not data, and what they are; among numbers, distinct words name rows."""
    found = column_kinds.keys(records, names)
    left = [name for name in names if name not in found]
    words = [name for name in _words(records, left) if name.lower() not in INPUTS]
    if len(left) - len(words) >= _NUMBERS_BESIDE_A_NAME:
        named = [
            name for name in words if column_kinds.is_row_name([row.fields.get(name) for row in records])
        ]
        found |= dict.fromkeys(named, "the name of the row")
    return found


def _data(records: Sequence[Record], least: int) -> list[str]:
    """The columns that are data; all of them, if these would be fewer than `least`."""
    keys = column_kinds.keys(records, records[0].fields)
    names = [name for name in records[0].fields if name not in keys]
    return names if len(names) >= least else list(records[0].fields)


def _called(records: Sequence[Record], names: Sequence[str]) -> str:
    """The column of a usual name, or the only one whose name has a word of such, or begins with is or has."""
    if usual := usual_target(names):
        return usual
    likely = [name for name in names if not _ANSWERS.isdisjoint(column_kinds.words(name))]
    yes_or_no = [name for name in names if column_kinds.words(name)[:1] in (["is"], ["has"])]
    alike = [name for name in likely or yes_or_no if _repeats(records, name)]
    return alike[0] if len(alike) == 1 else ""


def _guess_several(records: Sequence[Record], names: list[str], read: str) -> list[str]:
    """Return all names, two or more, if the numbers in each column are 0 and 1 alone."""
    if read == ALL or len(names) < 2 or read not in records[0].fields or is_number(records[0].fields[read]):
        return []
    cells = {str(record.fields.get(name)).strip() for record in records for name in names}
    return names if cells == {"0", "1"} else []


def _is_one_hot(records: Sequence[Record], chosen: Columns) -> bool:
    return all(len(chosen.wanted(record)) == 1 for record in records)


def _guess_input(
    records: Sequence[Record], names: Sequence[str], readable: Callable[[Any], bool], target: str
) -> str:
    first = records[0]
    usual = _named(INPUTS, [name for name in names if readable(first.fields[name])])
    if usual:
        return usual
    words = _words(records, names)
    is_target = len(words) == 1 and not target and _repeats(records, words[0])
    numbers = [name for name in names if name not in words]
    alone = len(numbers) == 1 and readable(first.fields[numbers[0]]) and _has_fractions(records, numbers[0])
    if (len(numbers) > 1 or alone) and (not words or is_target):
        return ALL
    lengths = {name: _content(records, name) for name in names if readable(first.fields[name])}
    if not lengths:
        remedy = "name the column to read with --input"
        raise DataError(first.where, f"columns {', '.join(map(repr, first.fields))}", remedy=remedy)
    return max(lengths, key=lengths.__getitem__)


def _has_fractions(records: Sequence[Record], name: str) -> bool:
    """Whether a column is one of numbers and not of texts of digits."""
    return any("." in str(record.fields.get(name)) for record in records[:_PROBED])


def _guess_target(records: Sequence[Record], names: Sequence[str], read: str) -> str:
    if not names:
        raise DataError(
            records[0].where,
            f"columns {', '.join(map(repr, records[0].fields))}",
            expected="one to read and one to predict",
            remedy="name the column to predict with --target",
        )
    if read == ALL:
        able = [name for name in names if not _is_of_rows(name)] or names
        ends = sorted((able[0], able[-1]), key=lambda name: _different(records, name))
        return (_words(records, names) or ends)[0]
    repeated = [name for name in names if _repeats(records, name)]
    return (repeated or list(names)[-1:])[0]


def _is_of_rows(name: str) -> bool:
    return column_kinds.is_group_name(name) or column_kinds.is_time_name(name)


def _repeats(records: Sequence[Record], name: str) -> bool:
    return 1 < _different(records, name) <= max(2, len(records) / 2)


def _different(records: Sequence[Record], name: str) -> int:
    """How many different values a column has."""
    return len({repr(record.fields.get(name)) for record in records})


def _named(usual: Sequence[str], names: Sequence[str]) -> str:
    small: Mapping[str, str] = {name.lower(): name for name in names}
    return next((small[name] for name in usual if name in small), "")


def _content(records: Sequence[Record], name: str) -> int:
    """How much there is to read in a column: the length of its different values together."""
    different = {repr(record.fields.get(name)) for record in records}
    return sum(map(len, different))


def _words(records: Sequence[Record], names: Sequence[str]) -> list[str]:
    """The columns that hold something but numbers, or nothing at all, in the first rows."""
    begin = records[:_PROBED]
    cells = {name: [row.fields.get(name) for row in begin] for name in names}
    values = {name: [cell for cell in column if not is_empty(cell)] for name, column in cells.items()}
    return [name for name in names if not values[name] or not all(map(is_number, values[name]))]


def is_numeric(records: Sequence[Record], name: str) -> bool:
    """Whether a column holds numbers, and something."""
    return not _words(records, [name])


def usual_target(names: Sequence[str]) -> str:
    """The name that a column to be predicted often has; "", if none is among them.

    Beside x, and z or a column of another such name, y is a coordinate.
    """
    small = {name.lower() for name in names}
    answers = small & ({*TARGETS, "activity", "gesture", "state", "z"} - {"y"})
    return _named(TARGETS, [name for name in names if name.lower() != "y" or not (answers and "x" in small)])
