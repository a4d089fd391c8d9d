"""Data in memory under a name, so that a run can read them as it reads a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO, final

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import Format, write_json_lines

PREFIX = "memory:"
_held: dict[str, Sequence[Record]] = {}


def hold(records: Sequence[Record], name: str = "") -> str:
    """Keep records for as long as the process lives, and return the name that they are read under.

    Args:
        records: to keep.
        name: where others were kept, in whose place they are; empty: a new one.
    """
    name = name or f"{PREFIX}{len(_held) + 1}"
    _held[name] = records
    return name


@final
class Memory(Format):
    """Read records that `hold` keeps, as if they came from a file of JSON lines."""

    name = "jsonlines"
    suffixes = ()
    is_name = True

    def takes(self, source: str) -> bool:
        """Whether it is a name of data in memory that are there."""
        return source in _held

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The records.

        Raises:
            DataError: they are those of another process.
        """
        if source not in _held:
            remedy = "give them again: elman.train(data, resume=RUN)"
            raise DataError(source, "data that were in the memory of another process", remedy=remedy)
        yield from _held[source]

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines."""
        write_json_lines(rows, out)
