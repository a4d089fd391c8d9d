"""Writing that leaves the old file whole: beside its place first, then renamed into it."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from elman.core.errors import RunError

try:
    import fcntl
except ImportError:  # there is none on Windows, where two trainings in one folder are not told
    fcntl = None

_BESIDE = re.compile(r"\.(.+)\.[a-z0-9_]{8}")
"""The names of what is written beside its place."""


def atomic_write(path: Path, fill: Callable[[Path], object], *, private: bool = False) -> None:
    """Have `fill` write a file beside `path`, flush it to the disk, and rename it to `path`.

    A crash at any moment leaves `path` as it was or as it should be, never in between.

    Args:
        path: of the file.
        fill: gets the path of a file that is there and empty.
        private: whether nobody else may read it.

    Raises:
        RunError: the disk is full or the place cannot be written; `path` is as it was.
    """
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        name = _beside(path)
        # The system applies the umask, which cannot be read without changing it for all threads.
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if private else 0o666))
        beside = name
        fill(beside)
        _to_disk(beside)
        beside.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, written: Collection[str]) -> Iterator[None]:
    """Hold a folder, which is made if need be, for one process; and first take away what others left.

    The lock is the kernel's: it ends with the process, however that ends. File systems and platforms without
    such locks go without.

    Args:
        folder: to hold.
        written: the files, by their paths in the folder, that `write` may have been writing when it was
            killed.

    Raises:
        RunError: another process holds it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY) if fcntl else None
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        if handle is not None and _lock(handle, folder):
            _sweep(folder, written)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock(handle: int, folder: Path) -> bool:
    """Return whether the lock could be had; raise RunError where another process has it."""
    assert fcntl is not None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            return False
        remedy = "wait for its end, or choose another folder with --out"
        raise RunError(folder, "another training is writing there", remedy=remedy) from error
    return True


def _sweep(folder: Path, written: Collection[str]) -> None:
    """Take away what a killed process was writing; nobody else writes, for the folder is locked."""
    for place in {(folder / name).parent for name in written}:
        for path in place.glob(".*"):
            found = _BESIDE.fullmatch(path.name)
            if found and str((place / found[1]).relative_to(folder)) in written and not path.is_symlink():
                path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, all of it or nothing.

    Half of a surrogate pair, which has no bytes, is written as `\\ud800`: in JSON, that is the same again.
    """
    data = text.encode("utf-8", "backslashreplace")
    atomic_write(path, lambda beside: beside.write_bytes(data))


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, all of it or nothing."""
    atomic_write(path, lambda beside: beside.write_bytes(data))


def write_folder(path: Path, fill: Callable[[Path], object]) -> None:
    """Have `fill` write into a folder beside `path`, and rename that to `path` when it is whole.

    A folder that stands there is replaced; a crash or Ctrl-C leaves it as it was.

    Raises:
        RunError: the disk is full or the place cannot be written; what was there is as it was.
    """
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        name = _beside(path)
        name.mkdir()
        beside = name
        fill(beside)
        _exchange(beside, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)


def _exchange(new: Path, path: Path) -> None:
    """Rename the folder `new` to `path`, and what stood there to `new`."""
    if not path.exists():
        new.rename(path)
        return
    aside = _beside(path)
    aside.mkdir()
    path.replace(aside)
    try:
        new.rename(path)
    except BaseException:
        aside.rename(path)
        raise
    aside.rename(new)


def unwritable(path: Path, error: OSError) -> RunError:
    """Return the error to raise for an `OSError` met while writing `path`."""
    return RunError(
        path,
        f"cannot be written: {error.strerror or error}",
        remedy="free some space or choose another folder with --out; what was there before is whole",
    )


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _beside(path: Path) -> Path:
    """Return a name that nothing beside `path` has, and that `_BESIDE` matches."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")
