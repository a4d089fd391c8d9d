"""The formats: a path, or the name of a sample, becomes records."""

from __future__ import annotations

from pathlib import Path

from elman.batch import Record
from elman.formats.base import Format
from elman.formats.samples import PREFIX, SAMPLES, Samples
from elman.formats.text import Text

FORMATS: dict[str, Format] = {member.name: member for member in (Text(), Samples())}

__all__ = ["FORMATS", "SAMPLES", "Format", "find", "names", "read"]


def names() -> tuple[str, ...]:
    """The names of the formats."""
    return tuple(FORMATS)


def find(source: str) -> Format:
    """The format of a path or of `sample:NAME`; text, where the suffix says nothing."""
    if source.startswith(PREFIX):
        return FORMATS[Samples.name]
    suffix = Path(source).suffix.lower()
    return next((member for member in FORMATS.values() if suffix in member.suffixes), FORMATS[Text.name])


def read(source: str, encoding: str = "utf-8") -> list[Record]:
    """All records at a path or of `sample:NAME`, at least one.

    Args:
        source: a file, a folder, or a sample.
        encoding: of text files.

    Raises:
        DataError: at the first fault, with path and line.
    """
    return list(find(source).read(source, encoding))
