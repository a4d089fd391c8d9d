"""NumPy's own files: `.npy` is one series, `.npz` all of them with their labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast, final
from zipfile import ZipFile, ZipInfo

import numpy as np

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import (
    Format,
    array_faults,
    as_series,
    first_bytes,
    has_suffix,
    read_array,
    stored_array,
    write_json_lines,
)

_DATA = ("x", "X", "data", "series")
_LABELS = ("y", "Y", "label", "labels", "target", "targets")
_MOST_PACKED = 1032  # times that deflate makes a file smaller, at most
_LENGTHS = ("lengths", "{}_lengths", "{}_len")


@final
class Arrays(Format):
    """`.npy` and `.npz` without pickles: the fields `series`, [T, C], and `label`."""

    name = "arrays"
    suffixes = (".npz", ".npy")

    def takes(self, source: str) -> bool:
        """Whether its suffix is one of NumPy's."""
        return has_suffix(source, self.suffixes)

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The series of the file; all that a step has, such as a frame's pixels, is laid in a row.

        A `.npy` holds one series, [T] or [T, ...]. In a `.npz` the data are `x`, `X`, `data` or `series`,
        else the largest array: series of one length [N, T] or [N, T, ...], or, with `lengths` [N] (or
        NAME_lengths, NAME_len), padded ones, or all of them behind each other [sum of T, ...]. Labels are
        `y`, `label`, `labels`, `target` or `targets` [N]; of `x_train` they are `y_train`.

        Raises:
            DataError: pickled objects, no numbers, or counts that do not match.
        """
        path = Path(source)
        if path.suffix.lower() == ".npy":
            yield Record({"series": as_series(read_array(path), path)}, str(path))
            return
        arrays = _load(path)
        name = _data_name(path, arrays)
        series = _series(path, arrays, name)
        labels = _labels(path, arrays, name, len(series))
        for case, steps in enumerate(series):
            where = f"{path}:case {case + 1}"
            fields = {"series": as_series(steps, where)}
            yield Record({**fields, "label": labels[case]} if labels is not None else fields, where)

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines: the label and the answer."""
        write_json_lines(rows, out)


def _load(path: Path) -> dict[str, np.ndarray]:
    if not (begin := first_bytes(path, 4)).startswith(b"PK"):
        raise DataError(path, f"a file that begins with {begin!r}", expected="NumPy arrays (.npz)")
    with array_faults(path), ZipFile(path) as packed:
        return {info.filename.removesuffix(".npy"): _array(packed, info, path) for info in packed.infolist()}


def _array(packed: ZipFile, info: ZipInfo, path: Path) -> np.ndarray:
    with array_faults(f"{path}:{info.filename.removesuffix('.npy')}"), packed.open(info) as file:
        # The entry's own word on its size is worth no more than what packing can make of the file.
        size = min(info.file_size, _MOST_PACKED * path.stat().st_size)
        return stored_array(cast(BinaryIO, file), size)


def _data_name(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """The name of the data: a usual one, else that of the largest array of numbers with two axes or more."""
    known = next((name for name in _DATA if name in arrays), None)
    if known is not None:
        return known
    able = [name for name, array in arrays.items() if array.ndim > 1 and array.dtype.kind in "biuf"]
    if not able:
        held = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items()) or "nothing"
        raise DataError(path, held, expected="series [N, T] or [N, T, C] as `x`, or with `lengths`")
    return max(able, key=lambda name: arrays[name].size)


def _series(path: Path, arrays: Mapping[str, np.ndarray], name: str) -> Sequence[np.ndarray]:
    data = arrays[name]
    usual = (pattern.format(name) for pattern in _LENGTHS)
    key = next((pattern for pattern in usual if pattern in arrays), None)
    if key is None or not data.ndim:
        if data.ndim < 2:
            got = f"{name} of shape {list(data.shape)}"
            raise DataError(path, got, expected="[N, T] or [N, T, C], or `lengths` beside it")
        return list(data)
    lengths = arrays[key]
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or not lengths.size or lengths.min() < 1:
        raise DataError(
            path, f"{key} of {lengths.dtype} {list(lengths.shape)}", expected="whole numbers [N] above 0"
        )
    if lengths.sum() == len(data):
        return np.split(data, np.cumsum(lengths)[:-1])
    if len(lengths) == len(data) and data.ndim > 1 and lengths.max() <= data.shape[1]:
        return [steps[:length] for steps, length in zip(data, lengths, strict=True)]
    got = f"{len(lengths):,} {key} that sum to {lengths.sum():,}"
    raise DataError(
        path, got, expected=f"a sum of {len(data):,}, the first axis of {name} {list(data.shape)}"
    )


def _labels(path: Path, arrays: Mapping[str, np.ndarray], name: str, count: int) -> list[Any] | None:
    usual = (*_LABELS, name.replace("x", "y", 1), name.replace("X", "y", 1))
    key = next((label for label in usual if label != name and label in arrays), None)
    if key is None:
        return None
    labels = arrays[key]
    if labels.dtype.names is not None or labels.dtype.kind not in "biufSU":
        raise DataError(path, f"{key} of {labels.dtype}", expected="numbers or text")
    if labels.ndim not in (1, 2) or len(labels) != count:
        raise DataError(
            path, f"{key} of shape {list(labels.shape)}", expected=f"a label for each of {count:,} series"
        )
    if labels.ndim > 1 and labels.dtype.kind in "biuf":
        return _of_rows(path, key, labels)
    try:
        labels = labels.reshape(count) if labels.shape == (count, 1) else labels
        return np.char.decode(labels, "utf-8").tolist() if labels.dtype.kind == "S" else labels.tolist()
    except (ValueError, SystemError) as error:  # bytes that are not UTF-8, numbers beyond all characters
        remedy = "store them as text, of dtype str"
        raise DataError(path, f"{key} of texts that are not Unicode", remedy=remedy) from error


def _of_rows(path: Path, key: str, labels: np.ndarray) -> list[Any]:
    """Labels [N, K] of numbers: those of one column; of 0 and 1 the places of the ones, or the only one."""
    if labels.shape[1] == 1:
        return labels[:, 0].tolist()
    if not np.isin(labels, (0, 1)).all():
        got = f"{key} of shape {list(labels.shape)} with other numbers than 0 and 1"
        remedy = "give a label for each series [N], or a column of 0 and 1 for each class [N, K]"
        raise DataError(path, got, remedy=remedy)
    if (labels.sum(1) == 1).all():
        return labels.argmax(1).tolist()
    return [np.flatnonzero(row).tolist() for row in labels]
