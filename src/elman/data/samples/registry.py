"""Data that is always there, named `sample:NAME`: made up, or made from what every Python brings with it."""

from __future__ import annotations

import re
import sys
import sysconfig
import tokenize
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO, final

from elman.core.errors import DataError, nearest
from elman.core.records import Record
from elman.data.formats.base import Format, write_json_lines
from elman.data.samples import chords, curves, dates, letters, morse, oscillator, patterns, shapes, sunspots
from elman.data.samples.syntax import logical_lines

PREFIX = "sample:"

# Of the standard library: tests, what others installed, tables of numbers, what one machine's build wrote.
LEFT_OUT = (
    *("__pycache__", "_sysconfigdata", "config-", "dist-packages", "encodings", "ensurepip", "idlelib"),
    *("lib-dynload", "lib2to3", "pydoc_data", "site-packages", "sitecustomize", "test", "turtledemo"),
)

TAUGHT = (
    *("argparse", "bisect", "calendar", "cmd", "code", "configparser", "contextlib", "copy", "csv"),
    *("dataclasses", "difflib", "dis", "doctest", "fileinput", "fractions", "ftplib", "functools", "gettext"),
    *("gzip", "heapq", "inspect", "ipaddress", "mailbox", "optparse", "pprint", "random", "sched"),
    *("shutil", "socketserver", "statistics", "string", "tarfile", "textwrap", "timeit", "zipapp"),
)
"""Modules whose lines are the sample of names."""

_LENGTHS = range(4, 61)
_LINES = 120
"""Tokens of a line, and lines of a module, in the sample of names."""

_SYLLABLE = re.compile(r"([A-Z ]+?) (?:SYLLABLE|SYLLABICS|LETTER|SIGN) (?:[A-Z -]+ )?([A-Z]{3,})")
_FEWEST_SYLLABLES, _MOST_SYLLABLES = 150, 600
"""A script with fewer is left out; of one with more, about as many are taken, evenly spread."""


class Sample(NamedTuple):
    """One sample.

    Args:
        about: one line on what it is.
        rows: gives the fields of its records, each with the name of its part, or "" where there is but one.
    """

    about: str
    rows: Callable[[], Iterator[tuple[str, Mapping[str, Any]]]]


@final
class SampleFormat(Format):
    """The samples, each with fields of its own. The same Python version gives the same records."""

    name = "sample"
    suffixes = ()
    is_name = True

    def takes(self, source: str) -> bool:
        """Whether it is the name of a sample, known or not."""
        return source.startswith(PREFIX)

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The records of the sample that `source` names, as `sample:NAME`; the encoding plays no part."""
        name = source.removeprefix(PREFIX)
        if name not in SAMPLES:
            known = [PREFIX + sample for sample in SAMPLES]
            raise DataError(source, "unknown sample", remedy=nearest(source, known))
        for part, fields in SAMPLES[name].rows():
            yield Record(fields, f"{PREFIX}{name}" + (f"/{part}" if part else ""))

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines."""
        write_json_lines(rows, out)


def _python_docs() -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise _stripped("python-docs") from error
    yield "", {"text": "\n\n".join(topics[name].strip("\n") for name in sorted(topics)) + "\n"}


def _python_source() -> Iterator[tuple[str, Mapping[str, Any]]]:
    library = Path(sysconfig.get_path("stdlib"))
    found = False
    for path in _modules(library):
        if text := _source(path):
            found = True
            yield path.relative_to(library).as_posix(), {"text": text}
    if not found:
        raise _stripped("python-source")


def _python_names() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Lines of some modules, evenly over each, with what Python's parser says of their tokens."""
    library = Path(sysconfig.get_path("stdlib"))
    paths = [path for module in TAUGHT if (path := library / f"{module}.py").exists()]
    if not paths:
        raise _stripped("python-names")
    for path in paths:
        lines = [line for line in logical_lines(_source(path)) if len(line.tokens) in _LENGTHS]
        for line in lines[:: -(-len(lines) // _LINES)]:
            yield f"{path.name}:{line.number}", {"tokens": line.tokens, "tags": line.roles}


def _unicode_syllables() -> Iterator[tuple[str, Mapping[str, Any]]]:
    scripts: dict[str, dict[str, int]] = {}
    for point in range(sys.maxunicode + 1):
        if name := _SYLLABLE.fullmatch(unicodedata.name(chr(point), "")):
            scripts.setdefault(name[1].lower(), {}).setdefault(name[2].lower(), point)
    for script, syllables in sorted(scripts.items()):
        if len(syllables) >= _FEWEST_SYLLABLES:
            step = max(1, len(syllables) // _MOST_SYLLABLES)
            for syllable, point in list(syllables.items())[::step]:
                yield f"U+{point:04X}", {"syllable": syllable, "script": script}


def _source(path: Path) -> str:
    with tokenize.open(path) as file:  # each module says its own encoding
        return file.read()


def _modules(folder: Path) -> Iterator[Path]:
    """The modules in a folder of the library and below it, in the order of their names."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(LEFT_OUT):
            continue
        if path.is_dir():
            yield from _modules(path)
        elif path.suffix == ".py":
            yield path


def _stripped(name: str) -> DataError:
    got = "this Python came without that part of its library"
    return DataError(PREFIX + name, got, remedy="name a text file of your own")


SAMPLES = {
    "chords": Sample("simple music, a chord a bar and a tune above, as frames of notes", chords.rows),
    "curves": Sample("strokes of a pen along curves, each with its name, to be drawn", curves.rows),
    "dates": Sample("dates in many notations, each with the same in ISO 8601, to be translated", dates.rows),
    "letters": Sample("strokes of a pen that write short words, each with its text", letters.rows),
    "morse": Sample("words in Morse code as sound, with noise, each with its text", morse.rows),
    "oscillator": Sample("noisy speeds of an oscillator, each step with its position", oscillator.rows),
    "patterns": Sample("the 26 capital letters on 8 x 8 points each, to be remembered", patterns.rows),
    "python-docs": Sample("Python's reference manual by topics, half a megabyte of English", _python_docs),
    "python-names": Sample("lines of Python, each token with what the parser says it is", _python_names),
    "python-source": Sample("Python's own library, some megabytes of code", _python_source),
    "shapes": Sample("pictures of one shape or two, each with a caption", shapes.rows),
    "sunspots": Sample("yearly mean sunspot numbers from 1700 to 2008, a series to forecast", sunspots.rows),
    "unicode-syllables": Sample(
        "the names of syllables in Unicode, each with the script that it is written in", _unicode_syllables
    ),
}


def samples() -> dict[str, str]:
    """Return the names of the built-in data, such as "sample:sunspots", each with a line on what it is."""
    return {f"{PREFIX}{name}": sample.about for name, sample in SAMPLES.items()}
