"""Archives of several files, zip or tar: unpacked once in each process, and read as the folder they hold.

What is in an archive has a path too: `flowers.zip/train` is a folder in it, `data.tar.gz/train.csv` a file.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple

from elman.core.errors import DataError
from elman.data.formats.packed import FAULTS, is_added, most_bytes

_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_SUFFIXES = (".zip", *_TAR)
_MOST_FILES, _DEEPEST = 1_000_000, 32
_AT_ONCE = 1 << 20


class _Copy(NamedTuple):
    """An archive's copy: the folder, which lives as long as the process, and what is in it."""

    folder: TemporaryDirectory[str]
    root: Path


def place(source: str) -> str:
    """Where what a path names is stored: the unpacked copy, if it is an archive of several files or in one.

    Raises:
        DataError: the archive is damaged, holds too much, or an entry leads out of it.
    """
    found = _archive(source)
    if found is None:
        return source
    archive, inner = found
    if not inner and archive.suffix.lower() == ".zip" and _is_single(archive):
        return source
    state = archive.stat()
    return str(_unpacked(archive, state.st_mtime_ns, state.st_size).root.joinpath(*inner))


def named(stored: str, source: str) -> str:
    """The path, by way of its archive, of something that is stored in the copy where `source` is."""
    at = place(source)
    return stored if at == source or not stored else str(Path(source) / Path(stored).relative_to(at))


def _archive(source: str) -> tuple[Path, tuple[str, ...]] | None:
    """The archive that a path is or leads into, and the parts of the path in it."""
    path = Path(source)
    for each in (path, *path.parents):
        if each.name.lower().endswith(_SUFFIXES):
            try:
                if each.is_file():
                    return each, path.parts[len(each.parts) :]
            except (OSError, ValueError):  # told by whoever reads it
                return None
    return None


def _is_single(archive: Path) -> bool:
    try:
        with zipfile.ZipFile(archive) as packed:
            return sum(not (info.is_dir() or is_added(info.filename)) for info in packed.infolist()) == 1
    except FAULTS:
        return True  # reading it as one will say what is wrong


@cache
def _unpacked(archive: Path, changed: int, size: int) -> _Copy:
    """The copy of an archive as it is now; what is its only folder or its only file is its root."""
    folder = TemporaryDirectory(prefix="elman-")
    root = Path(folder.name) / archive.name
    try:
        _unpack(archive, root, size)
    except FAULTS as error:
        folder.cleanup()
        raise DataError(archive, f"a damaged archive: {error}", remedy="fetch it again") from error
    except BaseException:
        folder.cleanup()
        raise
    while len(inner := list(root.iterdir())) == 1:
        root = inner[0]
        if root.is_file():
            break
    return _Copy(folder, root)


def _unpack(archive: Path, root: Path, size: int) -> None:
    root.mkdir()
    left = most_bytes(size)
    for count, (name, file) in enumerate(_entries(archive), 1):
        with file:
            left -= _copied(file, _target(archive, root, name), left)
        if left < 0 or count > _MOST_FILES:
            got = f"{size:,} bytes that unpack to more than {most_bytes(size):,}, or {_MOST_FILES:,} files"
            raise DataError(archive, got, remedy="if that is right, unpack it and name the folder")


def _entries(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The names of an archive's files and what reads them; links and devices are left out."""
    if archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                if not info.is_dir() and not is_added(info.filename):
                    yield info.filename, packed.open(info)
        return
    with tarfile.open(archive) as taped:
        for member in taped:
            if member.isfile() and not is_added(member.name) and (file := taped.extractfile(member)):
                yield member.name, file


def _target(archive: Path, root: Path, name: str) -> Path:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0].startswith("/") or ":" in parts[0] or len(parts) > _DEEPEST:
        raise DataError(archive, f"an entry that leads out of it: {name!r}", remedy="do not trust it")
    target = root.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _copied(file: IO[bytes], target: Path, most: int) -> int:
    """Copy a file, no further than one piece beyond `most` bytes; how many there were."""
    count = 0
    with target.open("wb") as out:
        while count <= most and (piece := file.read(_AT_ONCE)):
            count += out.write(piece)
    return count
