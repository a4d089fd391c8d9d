"""What a format is: a place that data comes from, and how records are read from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from elman.batch import Record


class Format(ABC):
    """One way for data to be stored.

    Attributes:
        name: what it is called in messages and on the command line.
        suffixes: the ends of the file names that it reads, such as `.txt`, in lower case; none for a format
            that is no file.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The records at `source`, in their order.

        Args:
            source: a path, or the name of a sample.
            encoding: of text, such as `utf-8`.

        Raises:
            DataError: at the first fault, with path and line.
        """
