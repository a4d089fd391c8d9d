"""Data that is always there, named `sample:NAME`: text that every Python brings with it."""

from __future__ import annotations

import sysconfig
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO, final

from elman.batch import Record
from elman.errors import DataError, nearest
from elman.formats.base import Format, write_json_lines

PREFIX = "sample:"

# Of the standard library: tests, what others installed, tables of numbers, what one machine's build wrote.
LEFT_OUT = (
    *("__pycache__", "_sysconfigdata", "config-", "dist-packages", "encodings", "ensurepip", "idlelib"),
    *("lib-dynload", "lib2to3", "pydoc_data", "site-packages", "sitecustomize", "test", "turtledemo"),
)


class Sample(NamedTuple):
    """One sample.

    Args:
        about: one line on what it is.
        texts: gives its texts, each with the name of its part, or "" where there is but one.
    """

    about: str
    texts: Callable[[], Iterator[tuple[str, str]]]


@final
class Samples(Format):
    """The samples: the field `text`. The same Python version gives the same text."""

    name = "sample"
    suffixes = ()

    def takes(self, source: str) -> bool:
        """Whether it is the name of a sample, known or not."""
        return source.startswith(PREFIX)

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The texts of the sample that `source` names, as `sample:NAME`; the encoding plays no part."""
        name = source.removeprefix(PREFIX)
        if name not in SAMPLES:
            known = [PREFIX + sample for sample in SAMPLES]
            raise DataError(source, "unknown sample", remedy=nearest(source, known))
        for part, text in SAMPLES[name].texts():
            yield Record({"text": text}, f"{PREFIX}{name}" + (f"/{part}" if part else ""))

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines."""
        write_json_lines(rows, out)


def _python_docs() -> Iterator[tuple[str, str]]:
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise _stripped("python-docs") from error
    yield "", "\n\n".join(topics[name].strip("\n") for name in sorted(topics)) + "\n"


def _python_source() -> Iterator[tuple[str, str]]:
    library = Path(sysconfig.get_path("stdlib"))
    found = False
    for path in _modules(library):
        with tokenize.open(path) as file:  # each module says its own encoding
            if text := file.read():
                found = True
                yield path.relative_to(library).as_posix(), text
    if not found:
        raise _stripped("python-source")


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
    "python-docs": Sample("Python's reference manual by topics, half a megabyte of English", _python_docs),
    "python-source": Sample("Python's own library, some megabytes of code", _python_source),
}
