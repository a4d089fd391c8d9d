"""Series of the UCR and UEA archives, `.ts` files: a head of `@` lines, then one case a line.

The channels of a case stand between colons, a channel's values between commas, its class comes last:
`0.1,0.2,0.3:7,8,?:walking` has two channels of three steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO, final

import numpy as np

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import Format, as_series, has_suffix, head, read_text, write_json_lines

_TAGS = (
    *("@problemname", "@timestamps", "@missing", "@univariate", "@dimensions", "@dimension", "@equallength"),
    *("@serieslength", "@classlabel", "@targetlabel", "@data"),
)

_MOST_DIGITS = 9  # of the number of channels


class _Head(NamedTuple):
    """What the head says: whether cases have labels, numbers or of some classes, and how many channels."""

    labelled: bool = False
    is_value: bool = False
    classes: frozenset[str] = frozenset()
    channels: int = 0


@final
class SeriesFormat(Format):
    """A `.ts` file: the fields `series`, [T, C], and `label`, as text; a missing value is NaN."""

    name = "series"
    suffixes = (".ts",)

    def takes(self, source: str) -> bool:
        """Whether its name ends in `.ts` and its first line that is not a comment begins with a header tag.

        TypeScript has the same suffix.
        """
        return has_suffix(source, self.suffixes) and (
            not Path(source).is_file() or _has_head(head(source).decode("latin-1"))
        )

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The cases below `@data`.

        Raises:
            DataError: no `@data`, no case, times beside the values, a value that is not a number, channels of
                different lengths, another number of channels than in the first case, or a label that the head
                does not list.
        """
        path = Path(source)
        lines = enumerate(read_text(path, encoding).split("\n"), 1)
        head = _read_head(path, lines)
        expected = head.channels
        empty = True
        for line, text in _cases(lines):
            record = _case(text, head, f"{path}:{line}")
            channels = record.fields["series"].shape[1]
            expected, empty = expected or channels, False
            if channels != expected:
                raise DataError(record.where, f"{channels} channels", expected=str(expected))
            yield record
        if empty:
            raise DataError(path, "no case after @data")

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines: the label and the answer."""
        write_json_lines(rows, out)


def _cases(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    return ((line, text.strip()) for line, text in lines if text.strip() and not text.startswith("#"))


def _has_head(text: str) -> bool:
    first = next(_cases(enumerate(text.split("\n"), 1)), (0, ""))[1]
    return first.lower().split(" ")[0] in _TAGS


def _read_head(path: Path, lines: Iterable[tuple[int, str]]) -> _Head:
    head = _Head()
    for line, text in _cases(lines):
        tag, *words = text.split()
        if tag.lower() == "@data":
            return head
        if not tag.startswith("@"):
            raise DataError(f"{path}:{line}", f"{tag[:30]!r}", expected="a tag such as @classLabel, or @data")
        head = _with_tag(head, tag.lower(), words, f"{path}:{line}")
    raise DataError(path, "no line @data", remedy="write @data between the head and the cases")


def _with_tag(head: _Head, tag: str, words: list[str], where: str) -> _Head:
    is_true = bool(words) and words[0].lower() == "true"
    if tag == "@timestamps" and is_true:
        remedy = "write the values alone, evenly spaced, and @timeStamps false"
        raise DataError(where, "times beside the values, which are not read", remedy=remedy)
    if tag == "@classlabel":
        return head._replace(labelled=is_true, classes=frozenset(words[1:]))
    if tag == "@targetlabel":
        return head._replace(labelled=is_true, is_value=is_true)
    if tag in ("@dimensions", "@dimension"):
        if not (words and words[0].isdecimal() and len(words[0]) <= _MOST_DIGITS):
            raise DataError(where, " ".join([tag, *words]), expected="a number of channels")
        return head._replace(channels=int(words[0]))
    return head


def _case(text: str, head: _Head, where: str) -> Record:
    channels = text.split(":")
    label = channels.pop().strip() if head.labelled else "?"
    if not channels:
        raise DataError(where, "one part", expected="channels and a label, separated by colons")
    values = [_values(channel, where) for channel in channels]
    lengths = [len(channel) for channel in values]
    if len(set(lengths)) > 1:
        odd = next(place for place, length in enumerate(lengths) if length != lengths[0])
        got = f"channel {odd + 1} with {lengths[odd]} values"
        raise DataError(where, got, expected=f"{lengths[0]}, as many as channel 1 has")
    series = as_series(np.array(values).T, where)
    return Record(
        {"series": series} if label == "?" else {"series": series, "label": _label(label, head, where)}, where
    )


def _values(channel: str, where: str) -> list[float]:
    cells = channel.split(",")
    try:
        return [*map(float, cells)]
    except ValueError:
        return [_value(cell.strip(), where) for cell in cells]


def _value(cell: str, where: str) -> float:
    try:
        return float("nan" if cell == "?" else cell)
    except ValueError:
        raise DataError(where, f"{cell[:30]!r}", expected="a number, or ? where it is missing") from None


def _label(label: str, head: _Head, where: str) -> str:
    if head.is_value:
        _value(label, where)
    elif head.classes and label not in head.classes:
        known = ", ".join(sorted(head.classes))
        raise DataError(where, f"the label {label!r}", expected=f"one that @classLabel lists ({known})")
    return label
