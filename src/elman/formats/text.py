"""Plain text: a file is one record; a folder has one for each text file in it, in the order of the names."""

from __future__ import annotations

import codecs
import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import final

from elman.batch import Record
from elman.errors import DataError, nearest
from elman.formats.base import Format

ENCODINGS = (
    *("ascii", "big5", "cp1250", "cp1251", "cp1252", "cp437", "cp850", "euc-jp", "euc-kr", "gb18030", "gbk"),
    *("iso-8859-1", "iso-8859-15", "iso-8859-2", "koi8-r", "latin-1", "mac-roman", "shift-jis", "utf-16"),
    *("utf-16-be", "utf-16-le", "utf-32", "utf-8"),
)
"""The encodings to suggest; all that Python knows are read."""

_HEAD = 1 << 16  # bytes that tell a large binary file in a folder before all of it is read


@final
class Text(Format):
    """A plain-text file, or a folder of them: the field `text`, newlines as they are, but CR LF made LF."""

    name = "text"
    suffixes = (
        *(".txt", ".text", ".md", ".rst", ".tex", ".html", ".htm", ".xml", ".log", ".ini", ".toml", ".yaml"),
        *(
            ".py",
            ".c",
            ".h",
            ".cc",
            ".cpp",
            ".hpp",
            ".rs",
            ".go",
            ".java",
            ".js",
            ".ts",
            ".sh",
            ".sql",
            ".json",
        ),
    )

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The text of a file, or of all text files in a folder and those below it.

        In a folder, what is hidden, empty or binary is left out.
        """
        _check_encoding(encoding)
        path = Path(source)
        try:
            yield from _folder(path, encoding) if path.is_dir() else _file(path, encoding)
        except OSError as error:
            raise _unreadable(Path(error.filename or path), error) from error


def _file(path: Path, encoding: str) -> Iterator[Record]:
    data = path.read_bytes()
    if (offset := _nul(data, encoding)) >= 0:
        got = f"a binary file (NUL byte at offset {offset:,})"
        raise DataError(path, got, remedy="name a plain-text file; if it is UTF-16, say --encoding utf-16")
    text = _decode(data, path, encoding)
    if not text:
        raise DataError(path, "the file is empty", remedy="name a file that holds text")
    yield Record({"text": text}, str(path))


def _folder(folder: Path, encoding: str) -> Iterator[Record]:
    found = False
    for path in _files(folder):
        data = _text_bytes(path, encoding)
        if text := _decode(data, path, encoding):
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
    """What a file holds; nothing, if that is not text."""
    with path.open("rb") as file:
        data = file.read(_HEAD)
        data += b"" if _nul(data, encoding) >= 0 else file.read()
    return b"" if _nul(data, encoding) >= 0 else data


def _nul(data: bytes, encoding: str) -> int:
    """Where the first zero byte is, which no text has; -1 if there is none, or the encoding has them."""
    return -1 if codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")) else data.find(b"\0")


def _decode(data: bytes, path: Path, encoding: str) -> str:
    try:
        return data.decode(encoding).removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        got = f"not {encoding.upper()}: byte 0x{data[error.start]:02X} at offset {error.start:,}"
        other = "latin-1" if codecs.lookup(encoding).name == "utf-8" else "utf-8"
        remedy = f"name the encoding it has, such as --encoding {other}"
        raise DataError(f"{path}:{line}", got, remedy=remedy) from error


def _unreadable(path: Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(path, "no such file or folder", remedy=_similar(path))
    denied = isinstance(error, PermissionError)
    remedy = "give yourself permission to read it (chmod u+r)" if denied else "check the path and the disk"
    return DataError(path, f"cannot be read: {error.strerror}", remedy=remedy)


def _similar(path: Path) -> str:
    """The name beside it that is nearest to a name that does not exist."""
    try:
        names = os.listdir(path.parent)  # noqa: PTH208, only the names are wanted
    except OSError:
        return f"there is no folder {str(path.parent)!r} either; check the path"
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {str(path.with_name(close[0]))!r}?" if close else "check the path"


def _check_encoding(name: str) -> None:
    try:
        "".encode(name)  # some codecs, such as hex, are known but make no text
    except (LookupError, UnicodeError) as error:
        got = f"unknown encoding {name!r}"
        raise DataError("encoding", got, remedy=nearest(name, ENCODINGS)) from error
