"""Plain text: a file is one record; a folder has one for each text file in it, in the order of the names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, final

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats import folders
from elman.data.formats.base import (
    HEAD,
    MEDIA,
    Format,
    check_file_encoding,
    decode,
    has_suffix,
    nul,
    read_text,
    unreadable,
    write_json_lines,
)
from elman.data.formats.conll import looks_tagged
from elman.data.formats.table import has_tabs, is_of_numbers

_ENOUGH = 1000  # files that tell what a folder is made of


@final
class TextFormat(Format):
    """A plain-text file, or a folder of them: the field `text`, newlines as they are, but CR LF made LF."""

    name = "text"
    suffixes = (
        *(".txt", ".text", ".md", ".rst", ".tex", ".html", ".htm", ".xml", ".log", ".ini", ".toml", ".yaml"),
        *(".py", ".c", ".h", ".cc", ".cpp", ".hpp", ".rs", ".go", ".java", ".js", ".sh", ".sql", ".json"),
    )

    def takes(self, source: str) -> bool:
        """Whether its suffix means text and it is not a table of numbers; or a folder with little media."""
        path = Path(source)
        if has_suffix(source, self.suffixes):
            return not (has_suffix(source, (".txt",)) and _is_table(source))
        return path.is_dir() and _is_texts(path) and not folders.is_of_classes(path)

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The text of a file, or of all text files in a folder and those below it.

        In a folder, what is hidden, empty or binary is left out.
        """
        check_file_encoding(encoding)
        path = Path(source)
        if not path.is_dir():
            yield Record({"text": read_text(path, encoding)}, str(path))
            return
        try:
            yield from _folder(path, encoding)
        except OSError as error:
            raise unreadable(path, error) from error

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines."""
        write_json_lines(rows, out)


def _is_table(source: str) -> bool:
    """Whether a text is a table of numbers or between tabs, or has a token and its tags in each line."""
    return is_of_numbers(source) or has_tabs(source) or looks_tagged(source)


def _is_texts(folder: Path) -> bool:
    is_media = [path.suffix.lower() in MEDIA for path in islice(_files(folder), _ENOUGH)]
    return bool(is_media) and 2 * sum(is_media) <= len(is_media)


def _folder(folder: Path, encoding: str) -> Iterator[Record]:
    found = False
    for path in _files(folder):
        data = _text_bytes(path, encoding)
        if text := decode(data, path, encoding, folder):
            found = True
            yield Record({"text": text}, str(path))
    if not found:
        raise DataError(folder, "the folder holds no text", remedy="name a folder with plain-text files")


def _files(folder: Path) -> Iterator[Path]:
    """The files in a folder and below it that are not hidden, in the order of their names."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__pycache__")):
            continue
        if path.is_dir() and not path.is_symlink():  # a link may lead back here
            yield from _files(path)
        elif path.is_file():  # no pipe or socket, on which reading would wait
            yield path


def _text_bytes(path: Path, encoding: str) -> bytes:
    """Return a file's text; nothing if it is not text. Of a large file the first bytes decide."""
    with path.open("rb") as file:
        data = file.read(HEAD)
        data += b"" if nul(data, encoding) >= 0 else file.read()
    return b"" if nul(data, encoding) >= 0 else data
