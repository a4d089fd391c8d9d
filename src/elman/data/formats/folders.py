"""Folders as people download them: data beside a README, shards, a table of files, parts by their names.

data/train-00000-of-00002.parquet, README.md      shards of one part
train.csv, valid.csv, test.csv                    a file for each part
train/cat/1.png, test/dog/2.png                   a folder for each part
metadata.csv, 1.wav, 2.wav                        a table of files (`file_name`) beside them
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple, TextIO, final

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats import archives
from elman.data.formats.base import MEDIA_FOLDERS, Format, ReadingHints
from elman.data.formats.packed import inner_name

_TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet")
_DATA = (*_TABLES, ".conllu", ".conll", ".iob", ".iob2", ".bio", ".txt", ".tokens")

_ABOUT = re.compile(
    r"(readme|licen[cs]e|copying|citation|changelog)\b.*|\..*|dataset_(info|infos|dict)\.json|state\.json"
    r"|.*submission.*\.csv"
    r"|.*\.(md|rst|py|ya?ml|toml|cff|bib|sha256|md5)",
    re.IGNORECASE,
)
"""Names of files that tell about the data."""

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")

_MORE = re.compile(r"((in|un)?validated(_sentences)?|other|reported|clip_durations|times)\.tsv", re.I)
"""Names, in lower case or not, of files beside the parts of a data set of Common Voice."""

_WORDS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "development"), "valid"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}


class FolderParts(NamedTuple):
    """What a folder has to learn from, to validate on and to test on: paths, "" where there is none."""

    train: str
    valid: str
    test: str


@final
class SeveralFiles(Format):
    """Files of one format, one behind the other.

    Args:
        member: their format.
        files: their paths, at least one.
    """

    name = "several"
    suffixes = ()

    def __init__(self, member: Format, files: Sequence[str]) -> None:
        self._member, self._files = member, files
        vars(self)["name"] = member.name

    def with_hints(self, hints: ReadingHints) -> SeveralFiles:
        """The files, read as the hints say."""
        return SeveralFiles(self._member.with_hints(hints), self._files)

    def takes(self, source: str) -> bool:
        """Whether they are of that format."""
        return all(map(self._member.takes, self._files))

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The records of all files."""
        first: Record | None = None
        for file in self._files:
            for place, record in enumerate(self._member.read(file, encoding)):
                first = first or record
                if not place and set(record.fields) != set(first.fields):
                    got = f"columns {', '.join(record.fields)}"
                    expected = f"{', '.join(first.fields)}, as in {self._files[0]}"
                    raise DataError(file, got, expected=expected, remedy="name one of the files")
                yield record

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """As the format of the files does."""
        self._member.write(rows, out)


def files(source: str) -> list[str]:
    """The files that a folder or a pattern such as `logs/*.csv` stands for; none, if it is a source itself.

    Of a folder they are its table of files; or all its files, if they have one suffix, but for what tells
    about them. They may lie in a folder `data` of it.
    """
    path = Path(source)
    if "*" in path.name:
        path = Path(archives.place(str(path.parent))) / path.name
    if path.is_dir():
        return _files(path)
    if "*" not in path.name or os.path.lexists(path) or not path.parent.is_dir():
        return []
    return [str(file) for file in sorted(path.parent.glob(path.name)) if file.is_file()]


def parts(source: str) -> FolderParts | None:
    """The parts of the data in a folder, where names of files or folders say which; None, if they do not."""
    try:
        folder = Path(archives.place(source))
        found = _parts(folder) if folder.is_dir() else None
    except (OSError, ValueError):  # no file may have that name: reading will say so
        return None
    return FolderParts(*(archives.named(path, source) for path in found)) if found else None


def _parts(folder: Path) -> FolderParts | None:
    folders, there = _entries(folder)
    named = {word: each for each in folders if (word := _WORDS.get(each.name.lower()))}
    if len(named) > 1 and "train" in named:
        return FolderParts(*(str(named.get(word, "")) for word in ("train", "valid", "test")))
    if not there and [each.name for each in folders] == ["data"]:
        return _parts(folders[0])
    there = [file for file in there if not _MORE.fullmatch(file.name)]
    found: dict[str, list[Path]] = {}
    for file in there:
        if (word := _word(file)) and _suffix(file):
            found.setdefault(word, []).append(file)
    whole = sum(map(len, found.values())) == len(there) and len({_suffix(file) for file in there}) == 1
    if folders or not whole or len(found) < 2 or "train" not in found:
        return None
    patterns = {word: _pattern(each) for word, each in found.items()}
    if not all(patterns.values()):
        return None
    return FolderParts(*(patterns.get(word, "") for word in ("train", "valid", "test")))


def is_of_classes(folder: Path) -> bool:
    """Whether a folder is the part of one beside it, with folders of the same names in both: the classes."""
    if folder.name.lower() not in _WORDS:
        return False
    beside = [each for each in _entries(folder.parent)[0] if each.name.lower() in _WORDS and each != folder]
    own = {each.name for each in _entries(folder)[0]}
    return any(len(own & {each.name for each in _entries(other)[0]}) > 1 for other in beside)


def _files(folder: Path) -> list[str]:
    folders, there = _entries(folder)
    metadata = [file for file in there if file.name.lower() in _METADATA]
    if metadata:
        return [str(metadata[0])]
    if not there and [each.name for each in folders] == ["data"]:
        return _files(folders[0])
    suffixes = {_suffix(file) for file in there}
    if folders or len(suffixes) != 1 or not suffixes <= {*_TABLES}:
        return []
    return [str(file) for file in there]


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and files in a folder, without what is hidden or tells about the data."""
    seen = sorted(folder.iterdir())
    folders = [each for each in seen if each.is_dir() and not each.name.startswith((".", "__"))]
    files = [each for each in seen if each.is_file() and not _ABOUT.fullmatch(each.name)]
    if any(map(_suffix, files)):  # which name what the folders hold
        folders = [each for each in folders if each.name.lower() not in MEDIA_FOLDERS]
    return folders, files


def _suffix(file: Path) -> str:
    suffix = Path(inner_name(str(file))).suffix
    return suffix if suffix in _DATA else ""


def _word(file: Path) -> str:
    """The part that the name of a file says it is; "", if none or several."""
    named = {_WORDS[word] for word in re.split(r"[-_. ]", file.name.lower()) if word in _WORDS}
    return named.pop() if len(named) == 1 else ""


def _pattern(found: Sequence[Path]) -> str:
    """The path of one file, or a pattern that stands for just these; "", if there is none."""
    if len(found) == 1:
        return str(found[0])
    first, *_, last = (file.name for file in found)  # in the order of their names
    begin = "".join(a for a, b in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    pattern = found[0].parent / f"{begin}*{found[0].suffix}"
    return str(pattern) if files(str(pattern)) == [str(file) for file in found] else ""
