"""Files that are packed: gzip, bzip2, xz, or a zip archive of one file. They are read as what is in them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from elman.core.errors import DataError

_LEAST_UNPACKED, _MOST_PACKED = 1 << 28, 100
"""A file may unpack to this many bytes in any case, and beyond that to this many times its own size."""

_FAULTS = (gzip.BadGzipFile, zipfile.BadZipFile, lzma.LZMAError, EOFError, zlib.error)
FAULTS = (*_FAULTS, tarfile.TarError, OSError, ValueError, NotImplementedError, RuntimeError)
"""What the unpackers raise over damaged bytes, of which no file that is opened can be the cause."""

_NO_ENTRIES = ("__MACOSX/", ".DS_Store")

# Whoever calls these closes the file.
_OPEN: dict[str, Callable[[BinaryIO], BinaryIO]] = {
    ".gz": lambda file: cast(BinaryIO, gzip.GzipFile(fileobj=file)),
    ".bz2": lambda file: cast(BinaryIO, bz2.BZ2File(file)),
    ".xz": lambda file: cast(BinaryIO, lzma.LZMAFile(file)),  # noqa: SIM115
    ".zip": lambda file: cast(BinaryIO, _entry(zipfile.ZipFile(file))),
}

SUFFIXES = tuple(_OPEN)
"""The ends of the names of packed files, in lower case."""


def is_packed(path: Path) -> bool:
    """Whether the name of a file says that it is packed."""
    return path.suffix.lower() in _OPEN


def inner_name(source: str) -> str:
    """The name of what a file holds, in lower case: without `.gz` and the like; an archive's one file's."""
    path = Path(source)
    if not is_packed(path):
        return path.name.lower()
    name = path.name[: -len(path.suffix)].lower()
    if path.suffix.lower() != ".zip" or not path.is_file():
        return name
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _entries(archive)
    except FAULTS:
        return name  # reading it will say what is wrong
    return PurePosixPath(entries[0]).name.lower() if len(entries) == 1 else name


def begin(path: Path, count: int) -> bytes:
    """The first bytes of what a packed file holds; none, if it is damaged."""
    try:
        with path.open("rb") as file, _OPEN[path.suffix.lower()](file) as inner:
            return inner.read(count)
    except PermissionError as error:
        raise error
    except FAULTS:
        return b""  # reading it will say what is wrong


def unpack(path: Path, data: bytes) -> bytes:
    """What the bytes of a packed file hold: no more than is likely for their number, for the sake of memory.

    Raises:
        DataError: they are damaged, hold too much, or are an archive of another number of files than one.
    """
    suffix = path.suffix.lower()
    most = most_bytes(len(data))
    try:
        with _OPEN[suffix](io.BytesIO(data)) as file:
            unpacked = file.read(most + 1)
    except _CountError as error:
        remedy = f"unpack it, and name the file or the folder that is meant: unzip {path.name}"
        raise DataError(path, f"an archive of {error} files", expected="one", remedy=remedy) from error
    except FAULTS as error:
        kind = {".gz": "gzip", ".bz2": "bzip2"}.get(suffix, suffix[1:])
        raise DataError(path, f"a damaged {kind} file: {error}", remedy="fetch it again") from error
    if len(unpacked) > most:
        got = f"{len(data):,} bytes that unpack to more than {most:,}"
        tool = {".gz": "gunzip", ".bz2": "bunzip2", ".xz": "unxz"}.get(suffix, "unzip")
        raise DataError(path, got, remedy=f"if that is right, unpack it with {tool}")
    return unpacked


class _CountError(ValueError):
    """How many files an archive has, where that is not one."""


def _entry(archive: zipfile.ZipFile) -> object:
    entries = _entries(archive)
    if len(entries) != 1:
        raise _CountError(len(entries))
    return archive.open(entries[0])


def _entries(archive: zipfile.ZipFile) -> list[str]:
    """The files in an archive, without what the packer adds."""
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    return [name for name in names if not is_added(name)]


def is_added(name: str) -> bool:
    """Whether an archive's entry is one that the packer adds to the files."""
    return name.startswith(_NO_ENTRIES[0]) or name.endswith(_NO_ENTRIES[1])


def most_bytes(size: int) -> int:
    """To how many bytes a packed file of a size may unpack."""
    return max(_LEAST_UNPACKED, _MOST_PACKED * size)
