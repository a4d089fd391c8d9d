"""The formats: a path, or the name of a sample, becomes records; records and their answers become lines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from elman.core.errors import ConfigError, DataError, nearest
from elman.core.records import Record
from elman.data.formats import archives, folders
from elman.data.formats.arrays import Arrays
from elman.data.formats.base import Format, ReadingHints, unreadable
from elman.data.formats.classes import Classes
from elman.data.formats.conll import Conll, ConllU, TokenLines
from elman.data.formats.fasta import Fasta
from elman.data.formats.fasttext import FastText
from elman.data.formats.folders import SeveralFiles
from elman.data.formats.idx import Idx
from elman.data.formats.json_lines import JsonLines
from elman.data.formats.lines import TextLines
from elman.data.formats.media import Media
from elman.data.formats.midi import Midi
from elman.data.formats.parallel import Parallel
from elman.data.formats.parquet import Parquet
from elman.data.formats.series import SeriesFormat
from elman.data.formats.table import Table
from elman.data.formats.text import TextFormat
from elman.data.memory.source import PREFIX as MEMORY
from elman.data.memory.source import Memory
from elman.data.samples.registry import PREFIX, SampleFormat

# In this order they are asked whether a path is theirs. Parallel files come first: nothing is stored under
# their name. JSON may hold records; else it is text, which comes next: a folder of texts may be a corpus, or
# a class each, and only the task knows. The table comes late: it also looks into files of unknown suffix.
_STORED = (
    *(
        JsonLines(),
        FastText(),
        Midi(),
        TextFormat(),
        SampleFormat(),
        SeriesFormat(),
        Arrays(),
        Idx(),
        Fasta(),
    ),
    *(Parquet(), Media(), ConllU(), Conll(), Table(), Classes(), TokenLines(), TextLines()),
)
_PARALLEL = Parallel(suffix for member in _STORED for suffix in member.suffixes)
FORMATS: dict[str, Format] = {member.name: member for member in (_PARALLEL, *_STORED)}

AUTO = "auto"
"""In place of a format's name: find it by the path's name and content."""


def names() -> tuple[str, ...]:
    """The names of the formats."""
    return tuple(FORMATS)


def find(
    source: str, among: Sequence[str] | None = None, name: str = AUTO, hints: ReadingHints | None = None
) -> Format:
    """The format named; else the first that takes `source`; else text.

    Args:
        source: a path, the stem of parallel files, or `sample:NAME`.
        among: names of the formats that are asked, in that order; all of them, if none is given.
        name: of a format, or `auto`.
        hints: what the user states about the file.

    Raises:
        ConfigError: there is no format of that name.
        DataError: there is nothing at that path, or text is not among the formats and none of them takes it.
    """
    try:
        os.lstat(source)
    except OSError:  # told by whoever reads it
        pass
    except ValueError as error:
        raise unreadable(Path(source), error) from error
    if source.startswith(MEMORY):
        return Memory()
    asked = [_named(each) for each in among or FORMATS] if name == AUTO else [_named(name)]
    place = archives.place(source)
    try:
        files = folders.files(place)
        if files and (found := next((member for member in asked if member.takes(files[0])), None)):
            found = SeveralFiles(found, files)
        else:
            found = asked[0] if name != AUTO else _taker(place, asked)
            found = found if place == source else SeveralFiles(found, [place])
    except OSError as error:
        raise unreadable(Path(source), error) from error
    return found.with_hints(hints) if hints else found


def _taker(source: str, asked: Sequence[Format]) -> Format:
    found = next((member for member in asked if member.takes(source)), None)
    if found is None and FORMATS[TextFormat.name] not in asked:
        raise _no_reader(source, asked)
    return found or FORMATS[TextFormat.name]


def read(
    source: str,
    encoding: str = "utf-8",
    among: Sequence[str] | None = None,
    name: str = AUTO,
    hints: ReadingHints | None = None,
) -> list[Record]:
    """All records at a path or of `sample:NAME`, at least one.

    Args:
        source: a file, a folder, the stem of parallel files, or a sample.
        encoding: of text files.
        among: names of the formats that are asked whether they take it.
        name: of the format, or `auto`.
        hints: what the user states about the file.

    Raises:
        ConfigError: there is no format of that name.
        DataError: at the first fault, with path and line.
    """
    member = find(source, among, name, hints)
    if records := list(member.read(source, encoding)):
        return records
    raise DataError(source, f"no record in it (format {member.name})")


def exists(source: str) -> bool:
    """Whether there is anything at a path, or under a name that a format knows: a sample, a stem.

    What may not be looked at counts as not there.
    """
    known = [Memory(), *(member for member in FORMATS.values() if member.is_name)]
    try:
        return (
            Path(source).exists()
            or any(member.takes(source) for member in known)
            or bool(folders.files(source))
            or Path(archives.place(source)).exists()
        )
    except (OSError, DataError):
        return False


def _named(name: str) -> Format:
    if name not in FORMATS:
        raise ConfigError("data.format", f"unknown format {name!r}", remedy=nearest(name, [AUTO, *FORMATS]))
    return FORMATS[name]


def _no_reader(source: str, asked: Sequence[Format]) -> DataError:
    if not source.startswith(PREFIX) and not Path(source).exists():
        return unreadable(Path(source), FileNotFoundError(2, os.strerror(2), source))
    known = ", ".join(member.name for member in asked)
    stem, remedy = source.removesuffix(Path(source).suffix), "if it is one of these, say --format NAME"
    if _PARALLEL in asked and _PARALLEL.takes(stem):
        remedy = f"parallel files are named by their stem: {stem}"
    return DataError(source, "data of another kind", expected=known, remedy=remedy)
