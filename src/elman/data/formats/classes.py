"""A folder per class, or a text file per class: the folder's or the file's name is the label.

flowers/rose/1.png        one picture, sound, text or array a file, or
gestures/wave/7/01.png    a folder of frames for one video;
names/Czech.txt           each line an input.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, final

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import (
    MEDIA,
    Format,
    as_series,
    check_file_encoding,
    read_array,
    read_text,
    unreadable,
    write_json_lines,
)

_TEXTS = (".txt", ".text", "")
_ABOUT = ("readme", "license", "licence", "copying")  # files that tell about the data


@final
class Classes(Format):
    """A folder of classes: the field `label`, and one of `text`, `audio`, `picture`, `frames` or `series`.

    Sounds and pictures are paths, `frames` a list of them, `series` an array [T, C].
    """

    name = "classes"
    suffixes = ()

    def takes(self, source: str) -> bool:
        """Whether it is a folder of folders with files in them, or of two or more `.txt` files."""
        path = Path(source)
        if not path.is_dir():
            return False
        folders, files = _entries(path)
        if folders:
            return any(any(_entries(folder)) for folder in folders)
        return len(files) > 1 and all(file.suffix.lower() in _TEXTS for file in files)

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The inputs of each class; classes and files in the order of their names, frames of their numbers.

        Hidden files are left out, and those that tell about the data (README, LICENSE); and at the top all
        files, where there are folders.

        Raises:
            DataError: fewer than two classes, a class without input, or files of two kinds.
        """
        check_file_encoding(encoding)
        path = Path(source)
        try:
            yield from _folder(path, encoding)
        except OSError as error:
            raise unreadable(path, error) from error

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines: the text or path, the label and the answer."""
        write_json_lines(rows, out)


def _folder(path: Path, encoding: str) -> Iterator[Record]:
    folders, files = _entries(path)
    classes = folders or files
    if len(classes) < 2:
        got = f"{len(classes)} of them" if classes else "an empty folder"
        remedy = "to read files that a table lists, name the table"
        expected = "two classes or more, each a folder or a text file"
        raise DataError(path, got, expected=expected, remedy=remedy)
    kind = ""
    for each in classes:
        for kind_here, record in _class(each, encoding) if folders else _lines(each, encoding):
            kind = kind or kind_here
            if kind_here != kind:
                remedy = "keep one kind of input in a data set"
                raise DataError(record.where, f"an input of kind {kind_here}", expected=kind, remedy=remedy)
            yield record


def _entries(path: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the files in a folder, in order, without what is hidden or tells about the data."""
    seen = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith((".", "__pycache__"))]
    folders = [entry for entry in seen if entry.is_dir()]
    return folders, [entry for entry in seen if entry.is_file() and not _tells(entry)]


def _tells(path: Path) -> bool:
    return path.stem.lower() in _ABOUT


def _class(folder: Path, encoding: str) -> Iterator[tuple[str, Record]]:
    folders, files = _entries(folder)
    if not folders and not files:
        raise DataError(folder, "a class without input", remedy="add files to the folder, or remove it")
    for path in files:
        kind = MEDIA.get(path.suffix.lower(), "text")
        yield kind, Record({kind: _input(kind, path, encoding), "label": folder.name}, str(path))
    for video in folders:
        yield "frames", Record({"frames": _frames(video), "label": folder.name}, str(video))


def _input(kind: str, path: Path, encoding: str) -> Any:
    if kind == "text":
        return read_text(path, encoding, path.parent.parent)
    return as_series(read_array(path), path) if kind == "series" else str(path)


def _frames(folder: Path) -> list[str]:
    folders, files = _entries(folder)
    other = next((path for path in [*folders, *files] if MEDIA.get(path.suffix.lower()) != "picture"), None)
    if other or not files:
        got = f"{other.name!r}" if other else "an empty folder"
        raise DataError(folder, got, expected="the frames of one video, all of them pictures")
    return [str(path) for path in sorted(files, key=_by_number)]


def _by_number(path: Path) -> list[tuple[int, str]]:
    """A key that sorts `frame2` before `frame10`."""
    return [(int(part or 0), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.name)]


def _lines(path: Path, encoding: str) -> Iterator[tuple[str, Record]]:
    if path.suffix.lower() in MEDIA:
        expected = "a folder per class, or a text file per class"
        raise DataError(
            path, "a file that is not text", expected=expected, remedy="put it in its class's folder"
        )
    found = False
    for number, line in enumerate(read_text(path, encoding, path.parent).split("\n"), 1):
        if text := line.strip():
            found = True
            yield "text", Record({"text": text, "label": path.stem}, f"{path}:{number}")
    if not found:
        raise DataError(path, "a class without input", remedy="write one input a line, or remove the file")
