"""The contract of a format: detect a source, read records from it, write answers.

Also what several formats share: reading of text and arrays with located errors, and answers as JSON lines.
"""

from __future__ import annotations

import codecs
import difflib
import json
import math
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, TextIO

import numpy as np
from numpy.lib import format as npy

from elman.core import notes
from elman.core.errors import DataError, nearest
from elman.core.records import Record
from elman.data.formats import likely_encoding, packed

ENCODINGS = (
    *("ascii", "big5", "cp1250", "cp1251", "cp1252", "cp437", "cp850", "euc-jp", "euc-kr", "gb18030", "gbk"),
    *("iso-8859-1", "iso-8859-15", "iso-8859-2", "koi8-r", "latin-1", "mac-roman", "shift-jis", "utf-16"),
    *("utf-16-be", "utf-16-le", "utf-32", "utf-8"),
)
"""The encodings to suggest; all that Python knows are read."""

MEDIA = {
    **dict.fromkeys((".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"), "audio"),
    **dict.fromkeys(
        (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"), "picture"
    ),
    ".npy": "series",
}
"""The suffix of a file that is one input and no text, and the field that it becomes."""

MEDIA_FOLDERS = ("clips", "wavs", "wav", "audio", "images", "pictures", "media")
"""Names of folders beside a table that hold the files that it names."""

_MAGIC = b"\x93NUMPY"

HEAD = 1 << 16
"""How many bytes of a file tell what it is."""

_NO_TEXT = ("idna", "punycode", "raw-unicode-escape", "unicode-escape")
"""Encodings of names and of literals, which Python counts among those of texts."""

_DEEPEST, _MOST_DIGITS = 60, 300
"""Lists or objects in each other, and digits of a whole number, that a record may have."""

_DIGITS = re.compile(rf"\d{{{_MOST_DIGITS}}}")
_NO_LINE = re.compile("[\ud800-\udfff\x85\u2028\u2029]")


@dataclass(frozen=True, kw_only=True)
class ReadingHints:
    """What a user states about a file beside its encoding.

    Args:
        header: whether the first line of a table names its columns, "yes" or "no"; "auto": the lines below
            tell.
        decimal: what commas in numbers are, "comma" or "point"; "auto": the columns tell.
        names: of columns that are asked for; where one stands in the first line, that is the head.
        strict: whether a part that cannot be used is one too many.
    """

    header: str = "auto"
    decimal: str = "auto"
    names: frozenset[str] = frozenset()
    strict: bool = False


class Format(ABC):
    """One way for data to be stored.

    Attributes:
        name: what it is called in messages and on the command line.
        suffixes: the ends of the file names that it reads, such as `.txt` or `.csv.gz`, in lower case; none
            for a format that is not a file.
        is_name: whether its sources are names under which no file is stored, such as `sample:NAME`; of those
            `takes` then also says whether they are there.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    is_name: ClassVar[bool] = False

    def with_hints(self, hints: ReadingHints) -> Format:
        """This format, reading as the hints say, where it has a use for them."""
        return self

    @abstractmethod
    def takes(self, source: str) -> bool:
        """Whether this is the way in which `source` is stored, as its name, or else its first bytes, tell."""

    @abstractmethod
    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The records at `source`, in their order.

        Args:
            source: a path, or the name of a sample.
            encoding: of text, such as `utf-8`.

        Raises:
            DataError: at the first fault, with path and line.
        """

    @abstractmethod
    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """Write records with their answers as this format has them, in order, each as soon as it is there.

        Args:
            rows: records that this format read, and what was predicted for each, in terms of JSON.
            out: where the text goes.
        """


def write_json_lines(rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
    """Write one JSON object a line: the texts and numbers among the record's fields, then its answer."""
    for record, answer in rows:
        told = {name: value for name, value in record.fields.items() if _is_scalar(value)}
        out.write(to_json({**told, **answer}) + "\n")
        out.flush()


def to_json(value: Any) -> str:
    """A value as JSON on one line; NumPy's numbers and arrays as lists, what is not finite as null."""
    text = json.dumps(plain := _plain(value), ensure_ascii=False)
    # Half of a pair has no bytes; and some take more than "\n" for the end of a line.
    return json.dumps(plain) if _NO_LINE.search(text) else text


def from_json(text: str, where: object) -> Any:
    """The value of a JSON text, of numbers that floats can hold and a depth that can be walked.

    Raises:
        DataError: it is not JSON, has a whole number of too many digits, or is nested too deep.
    """
    try:
        value = json.loads(text, parse_int=_integer) if _DIGITS.search(text) else json.loads(text)
    except json.JSONDecodeError as error:
        got = f"not valid JSON: {error.msg} at column {error.colno}"
        raise DataError(where, got, remedy="write one object a line") from error
    except ValueError as error:
        raise DataError(where, str(error), expected=f"at most {_MOST_DIGITS} digits") from error
    except RecursionError as error:
        raise _too_deep(where) from error
    if text.count("[") + text.count("{") > _DEEPEST and _is_deep(value):
        raise _too_deep(where)
    return value


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a whole number of {len(digits):,} digits")
    return int(digits)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        inner = [part.values() if isinstance(part, dict) else part for part in level]
        level = [each for part in inner if not isinstance(part, str | float | int | None) for each in part]
    return any(isinstance(each, list | dict) for each in level)


def _too_deep(where: object) -> DataError:
    return DataError(where, f"lists or objects nested more than {_DEEPEST} deep", expected="a record")


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float, np.generic)) or value is None


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def has_suffix(source: str, suffixes: tuple[str, ...]) -> bool:
    """Whether the name of a path, or of what it packs, ends in one of `suffixes`, in capitals or not."""
    return Path(source).name.lower().endswith(suffixes) or packed.inner_name(source).endswith(suffixes)


def head(source: str) -> bytes:
    """The first bytes of what a file holds, packed or not, UTF-16 as UTF-8; none, if there is no file."""
    path = Path(source)
    if not path.is_file():
        return b""
    begin = packed.begin(path, HEAD) if packed.is_packed(path) else first_bytes(path, HEAD)
    return likely_encoding.as_utf8(begin)


def read_bytes(path: Path) -> bytes:
    """What a file holds; what is in it, if its name says that it is packed.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    return packed.unpack(path, data) if packed.is_packed(path) else data


def read_text(path: Path, encoding: str, folder: Path | None = None) -> str:
    """What a text file holds: newlines as they are, but CR LF made LF; at least one character.

    Args:
        path: of the file.
        encoding: that Python knows, or `auto`.
        folder: what a note names, where the file is one of many in it.

    Raises:
        DataError: there is no such file, it cannot be read, is binary, is not so encoded, or is empty.
    """
    check_file_encoding(encoding)
    data = read_bytes(path)
    if (offset := nul(data, encoding)) >= 0:
        got = f"a binary file (NUL byte at offset {offset:,})"
        raise DataError(path, got, remedy="name a plain-text file; if it is UTF-16, say --encoding utf-16")
    text = decode(data, path, encoding, folder)
    if not text:
        raise DataError(path, "the file is empty", remedy="name a file that holds text")
    return text


def nul(data: bytes, encoding: str) -> int:
    """Where the first zero byte is, which no text has; -1 if there is none, or the encoding has them."""
    guessed = encoding == likely_encoding.AUTO
    name = likely_encoding.wide_name(data) if guessed else codecs.lookup(encoding).name
    return -1 if name.startswith(("utf-16", "utf-32")) else data.find(b"\0")


def decode(data: bytes, path: Path, encoding: str, folder: Path | None = None) -> str:
    """The text that bytes of a file are, without the mark of its encoding, and CR LF made LF.

    Args:
        data: all bytes of the file.
        path: of the file.
        encoding: that Python knows, or `auto`.
        folder: what a note names, where the file is one of many in it.

    Raises:
        DataError: a byte is not of that encoding; with its line.
    """
    if encoding == likely_encoding.AUTO:
        encoding = likely_encoding.guess(data)
        if not encoding.startswith("utf"):
            notes.note(f"{folder or path}: not UTF-8, read as Windows-1252; --encoding sets another")
    if likely_encoding.is_latin_1(encoding) and likely_encoding.has_controls(data):
        notes.note(f"{path}: control characters of ISO 8859-1; it is rather Windows-1252: --encoding cp1252")
    try:
        return data.decode(encoding).removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        got = f"not {encoding.upper()}: byte 0x{data[error.start]:02X} at offset {error.start:,}"
        remedy = likely_encoding.likely(data, encoding)
        raise DataError(f"{path}:{line}", got, remedy=remedy) from error


def check_encoding(name: str) -> None:
    """See that text can have this encoding.

    Raises:
        DataError: it is unknown; the nearest known one is named.
    """
    try:
        "".encode(name)  # some codecs, such as hex, are known but make no text
        known = codecs.lookup(name).name.replace("_", "-")
    except (LookupError, ValueError) as error:
        raise _no_encoding(f"unknown encoding {name!r}", name) from error
    if known in _NO_TEXT:
        raise _no_encoding(f"{name!r}, an encoding of names and literals", name)


def check_file_encoding(name: str) -> None:
    """See that a file can be read so: by an encoding, or by a guess of it.

    Raises:
        DataError: it is unknown; the nearest known one is named.
    """
    if name != likely_encoding.AUTO:
        check_encoding(name)


def _no_encoding(got: str, name: str) -> DataError:
    return DataError("encoding", got, remedy=nearest(name, ENCODINGS))


def unreadable(path: Path, error: OSError | ValueError) -> DataError:
    """What to tell where a path cannot be read: no file has such a name, or what the system says."""
    if not isinstance(error, OSError):  # it holds NUL, or half of a surrogate pair
        return DataError(repr(str(path)), f"a name that no file can have ({error})", remedy="check the path")
    path = Path(error.filename or path)
    if isinstance(error, FileNotFoundError):
        return DataError(path, "no such file or folder", remedy=_similar(path))
    if isinstance(error, IsADirectoryError):
        return DataError(path, "a folder", expected="a file", remedy="name one of the files in it")
    denied = isinstance(error, PermissionError)
    remedy = "give yourself permission to read it (chmod u+r)" if denied else "check the path and the disk"
    return DataError(path, f"cannot be read: {error.strerror}", remedy=remedy)


def _similar(path: Path) -> str:
    """The names beside it that begin with a name that does not exist, or else the one that is nearest."""
    try:
        names = os.listdir(path.parent)  # noqa: PTH208, only the names are wanted
    except OSError:
        return f"there is no folder {str(path.parent)!r} either; check the path"
    longer = [name for name in sorted(names) if path.name and name.startswith(f"{path.name}.")]
    close = longer[:3] or difflib.get_close_matches(path.name, names, n=1)
    named = " or ".join(repr(str(path.with_name(name))) for name in close)
    return f"did you mean {named}?" if close else "check the path"


def first_bytes(path: Path, count: int) -> bytes:
    """The first bytes of a file, as it is.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(count)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


@contextmanager
def array_faults(where: object) -> Iterator[None]:
    """Tell what is wrong with an array of NumPy's that is read meanwhile.

    Raises:
        DataError: it is damaged, or holds pickled objects.
    """
    try:
        yield
    except DataError:  # an inner one has told it
        raise
    except Exception as error:  # NumPy, zipfile and tokenize raise all kinds over damaged bytes
        if "allow_pickle" in str(error):  # the one thing that is asked of whoever reads an array of objects
            remedy = "store numbers, or text of dtype str; series of several lengths behind each other"
            raise DataError(where, "an array of Python objects (pickled)", remedy=remedy) from error
        got = f"a damaged NumPy file: {' '.join(str(error).split())}"
        raise DataError(where, got, remedy="write it again") from error


def read_array(path: Path) -> np.ndarray:
    """The array of a `.npy` file.

    Raises:
        DataError: there is no such file, or no array in it that can be read without pickle.
    """
    if not (begin := first_bytes(path, 6)).startswith(_MAGIC):
        raise DataError(path, f"a file that begins with {begin!r}", expected="a NumPy array (.npy)")
    with array_faults(path), path.open("rb") as file:
        return stored_array(file, path.stat().st_size)


def stored_array(file: BinaryIO, size: int) -> np.ndarray:
    """The array of NumPy's format in a file of that size; to be read within `array_faults`.

    Raises:
        ValueError: its head promises more than the file holds, for which memory would be taken first.
    """
    version = npy.read_magic(file)
    read_head = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_head(file)
    promised, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if promised > there and not dtype.hasobject:
        raise ValueError(f"{there:,} bytes in place of {promised:,} for {dtype} {list(shape)}")
    file.seek(0)
    return npy.read_array(file, allow_pickle=False)


def float32(value: Any) -> np.ndarray:
    """Numbers as an array of float32, without a warning where one is too large for it: that is infinite.

    Raises:
        TypeError, ValueError, OverflowError: not numbers, or lists of several lengths.
    """
    with np.errstate(over="ignore"):
        return np.asarray(value, np.float32)


def exact(value: Any) -> np.ndarray:
    """Numbers as an array of float32 where that holds all of them as they are, else of float64.

    Near a large offset float32 leaves nothing of what differs: 100000001 and 100000002 are the same to it.
    What is too large for it is infinite.

    Raises:
        TypeError, ValueError, OverflowError: not numbers, or lists of several lengths.
    """
    numbers = np.asarray(value)
    if numbers.dtype == np.float32:
        return numbers
    wide = numbers.astype(np.float64)
    rounded = float32(wide)
    same = np.array_equal(rounded, wide, equal_nan=True)
    return rounded if same or np.isinf(rounded).any() else wide


def as_series(array: np.ndarray, where: object) -> np.ndarray:
    """Numbers [T] or [T, ...] as a series [T, C] of float32, or of float64 where that would round them.

    Raises:
        DataError: no numbers, no step, or a number that is infinite.
    """
    if array.dtype.kind not in "biuf":
        raise DataError(where, f"an array of {array.dtype}", expected="numbers")
    if array.ndim == 0 or not array.size:
        raise DataError(where, f"an array of shape {list(array.shape)}", expected="a series [T] or [T, C]")
    series = exact(array.reshape(len(array), -1))
    if np.isinf(series).any():
        step = int(np.isinf(series).any(axis=1).argmax()) + 1
        raise DataError(where, f"a number that is infinite at step {step}", remedy="NaN is a missing value")
    return series
