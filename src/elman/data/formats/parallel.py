"""Parallel text: files of one stem, such as `train.en` and `train.de`, whose lines belong together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, final

from elman.core import notes
from elman.core.errors import DataError
from elman.core.formatting import one_line
from elman.core.records import Record
from elman.data.formats.base import Format, ReadingHints, check_file_encoding, read_text, to_json, unreadable

_COLUMN = re.compile(r"([A-Za-z][\w-]{0,29})(?:\.gz)?", re.IGNORECASE)

_MADE = frozenset(("hyp", "hypo", "hypothesis", "out", "output", "pred", "prediction", "predictions", "mt"))
"""Columns that a model has written, which come after all others."""

LANGUAGES = frozenset(("fa", "ts"))
"""Suffixes of other formats that are languages too: here they are Persian and Tsonga."""

NO_COLUMNS = frozenset(
    (
        *("7z", "avi", "bak", "bin", "bz2", "cfg", "ckpt", "conf", "doc", "docx", "gz", "ipynb"),
        *("lock", "mat", "md5", "model", "mp3", "mp4", "old", "orig", "pdf", "pkl", "safetensors"),
        *("sha1", "sha256", "swp", "tar", "tgz", "tmp", "vocab", "xz", "yml", "zip", "zst"),
    )
)
"""Suffixes of what lies beside such files and is none of them, as copies, archives and models."""


@final
class Parallel(Format):
    """Files STEM.COLUMN, also .gz, a line of each a record: the columns in the order of their names.

    A file that cannot be read, or has another number of lines than two or more others, is left out and
    reported.

    Args:
        others: the suffixes of the other formats, which are not columns.
        hints: what the user states about the files.
    """

    name = "parallel"
    suffixes = ()
    is_name = True

    def __init__(self, others: Iterable[str], hints: ReadingHints | None = None) -> None:
        self._others = {suffix.removeprefix(".") for suffix in others} - LANGUAGES | NO_COLUMNS
        self._hints = hints or ReadingHints()

    def with_hints(self, hints: ReadingHints) -> Parallel:
        """The same, which is strict, or knows which columns are asked for."""
        return Parallel(self._others, hints)

    def takes(self, source: str) -> bool:
        """Whether there is no such file or folder, but two or more columns of that stem."""
        return not Path(source).exists() and len(self._columns(source)) > 1

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """A record a line, as it is; an empty line is an empty text.

        Raises:
            DataError: there are fewer than two files, one of two cannot be read, is empty, binary or not so
                encoded, or no two have equally many lines; of strict ones, the same of any.
        """
        check_file_encoding(encoding)
        try:
            files = self._columns(source)
        except OSError as error:
            raise unreadable(Path(source), error) from error
        if len(files) < 2:
            raise _too_few(source, files)
        lines = self._even(source, files, encoding)
        for number, texts in enumerate(zip(*lines.values(), strict=True), 1):
            yield Record(dict(zip(lines, texts, strict=True)), f"{source}:{number}")

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """The predictions alone, one a line, as a further column would have them."""
        for _, answer in rows:
            out.write(_line(next(iter(answer.values()), "")) + "\n")  # the first part of an answer is it
            out.flush()

    def _even(self, source: str, files: Mapping[str, Path], encoding: str) -> dict[str, list[str]]:
        """The lines of the columns that have equally many."""
        lines: dict[str, list[str]] = {}
        faults: dict[str, DataError] = {}
        for column, path in files.items():
            try:
                lines[column] = _lines(path, encoding)
            except DataError as error:
                faults[column] = error
        counts = Counter(map(len, lines.values()))
        usual = max(counts, key=counts.__getitem__, default=0)
        kept = {column: each for column, each in lines.items() if len(each) == usual}
        left = [column for column in files if column not in kept]
        if left and (self._hints.strict or len(kept) < 2 or not self._hints.names.isdisjoint(left)):
            raise next(iter(faults.values()), None) or _uneven(
                source, {files[column].name: len(each) for column, each in lines.items()}
            )
        for column in left:
            why = faults[column].got if column in faults else f"{len(lines[column]):,} lines, not {usual:,}"
            notes.note(f"left out {files[column]}: {why} (--strict refuses it)")
        return kept

    def _columns(self, source: str) -> dict[str, Path]:
        """The files of a stem by column, by name, what models wrote last; unpacked ones before .gz."""
        stem = Path(source)
        if not stem.name or not stem.parent.is_dir():
            return {}
        found: dict[str, Path] = {}
        for path in sorted(stem.parent.iterdir()):
            column = _COLUMN.fullmatch(path.name.removeprefix(f"{stem.name}."))
            if path.name.startswith(f"{stem.name}.") and column and self._is_column(column[1], path):
                found.setdefault(column[1], path)
        return dict(sorted(found.items(), key=lambda item: (item[0].lower() in _MADE, item[0])))

    def _is_column(self, name: str, path: Path) -> bool:
        return name.lower() not in self._others and path.is_file()


def _lines(path: Path, encoding: str) -> list[str]:
    return read_text(path, encoding).removesuffix("\n").split("\n")


def _line(value: Any) -> str:
    """A value on one line; nothing where there is none."""
    if value is None:
        return ""
    return one_line(value) if isinstance(value, str) else to_json(value)


def _too_few(source: str, files: Mapping[str, Path]) -> DataError:
    name = Path(source).name
    there = next((f"{path.name} alone" for path in files.values()), "no file of that stem")
    expected = f"two files or more, such as {name}.en and {name}.de"
    return DataError(source, there, expected=expected, remedy="name what all of them begin with")


def _uneven(source: str, counts: Mapping[str, int]) -> DataError:
    (first, count), *rest = counts.items()
    got = ", ".join([f"{first} has {count:,} lines", *(f"{name} {count:,}" for name, count in rest)])
    return DataError(source, got, remedy="give each as many lines, for they belong together line by line")
