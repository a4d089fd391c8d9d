"""Pictures as MNIST has them: an idx file of pictures, and beside it one of their labels.

An idx file is big-endian: two zero bytes, the type of its numbers (8: bytes), how many axes it has, the
length of each axis in four bytes, then the numbers (LeCun, Cortes and Burges 1998).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, final

import numpy as np

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import Format, has_suffix, read_bytes, write_json_lines

_BYTES = 8  # the type of the numbers


@final
class Idx(Format):
    """Pictures of an idx file: the fields `picture`, uint8 [height, width], and `label`, if a file has them.

    The labels of `train-images-idx3-ubyte.gz` are looked for in `train-labels-idx1-ubyte.gz`, zipped or not.
    """

    name = "idx"
    suffixes = ("-idx3-ubyte", "-idx3-ubyte.gz", ".idx3-ubyte", ".idx3-ubyte.gz")

    def takes(self, source: str) -> bool:
        """Whether its name ends as such files' names do."""
        return has_suffix(source, self.suffixes)

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The pictures in the order of the file.

        Raises:
            DataError: no idx file of bytes, of another size than its head says, or not one label a picture.
        """
        path = Path(source)
        pictures = _array(path, 3, "pictures")
        beside = _labels_of(path)
        labels = _array(beside, 1, "labels").tolist() if beside else None
        if labels is not None and len(labels) != len(pictures):
            raise DataError(
                beside, f"{len(labels):,} labels", expected=f"{len(pictures):,}, one for each picture"
            )
        for case, picture in enumerate(pictures):
            fields = (
                {"picture": picture, "label": labels[case]} if labels is not None else {"picture": picture}
            )
            yield Record(fields, f"{path}:case {case + 1}")

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines: the label and the answer."""
        write_json_lines(rows, out)


def _labels_of(path: Path) -> Path | None:
    name = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    beside = [path.with_name(name), path.with_name(f"{name}.gz")]
    return next((each for each in beside if each.name != path.name and each.is_file()), None)


def _array(path: Path, axes: int, what: str) -> np.ndarray:
    data = read_bytes(path)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise DataError(path, f"a file that begins with {data[:4]!r}", expected="an idx file")
    if data[2:4] != bytes((_BYTES, axes)):
        got = f"an idx file of type 0x{data[2]:02X} with {data[3]} axes"
        raise DataError(path, got, expected=f"{what}: bytes (0x08) with {axes} axes")
    shape = [int.from_bytes(data[at : at + 4], "big") for at in range(4, 4 + 4 * axes, 4)]
    size = 4 + 4 * axes + math.prod(shape)
    if len(data) != size:
        expected = f"{size:,} for {shape}"
        raise DataError(path, f"{len(data):,} bytes", expected=expected, remedy="fetch it again")
    # A copy, since torch wants an array that can be written to.
    return np.frombuffer(bytearray(data), np.uint8, offset=4 + 4 * axes).reshape(shape)
