"""Sounds and pictures alone, without labels: a file, or a folder of them, such as one predicts for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, final

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import MEDIA, Format, unreadable, write_json_lines

_KINDS = {suffix: kind for suffix, kind in MEDIA.items() if kind in ("audio", "picture")}


@final
class Media(Format):
    """A sound or a picture, or a folder of them: the field `audio` or `picture`, its path."""

    name = "media"
    suffixes = tuple(_KINDS)

    def takes(self, source: str) -> bool:
        """Whether it is such a file, or a folder with such files and no folder in it."""
        path = Path(source)
        if not path.is_dir():
            return path.suffix.lower() in _KINDS
        entries = _entries(path)
        return bool(entries) and all(entry.suffix.lower() in _KINDS for entry in entries)

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The file, or those in the folder in the order of their names.

        Raises:
            DataError: there is no such file or folder, or another file in it.
        """
        path = Path(source)
        try:
            files = _entries(path) if path.is_dir() else [path]
            path.stat()
        except OSError as error:
            raise unreadable(path, error) from error
        for file in files:
            if file.suffix.lower() not in _KINDS:
                raise DataError(file, "a file that is neither a sound nor a picture", remedy="take it away")
            yield Record({_KINDS[file.suffix.lower()]: str(file)}, str(file))

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines: the path and the answer."""
        write_json_lines(rows, out)


def _entries(folder: Path) -> list[Path]:
    return [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
