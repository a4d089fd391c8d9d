"""What a program holds, as records: by what it can do, without importing the library that it is of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np

from elman.core.errors import DataError
from elman.core.records import Record, Sound
from elman.data.formats.base import as_series

KNOWN = (
    "a path, a data frame (pandas, polars, pyarrow), a Hugging Face or torch data set, a list of records or "
    "of texts, a dict of columns, or arrays (x, y)"
)


def is_path(data: object) -> bool:
    """Whether that names a file, a folder or a sample."""
    return isinstance(data, str | Path)


def rows(data: object) -> list[dict[str, Any]] | None:
    """Return the rows of a data frame, a dict of columns or a list of dicts; None for anything else."""
    found = _frame_rows(data)
    if found is None and isinstance(data, Mapping):
        found = _columns(data)
    if (
        found is None
        and isinstance(data, Sequence)
        and data
        and all(isinstance(row, Mapping) for row in data)
    ):
        found = list(data)
    return None if found is None else [{str(k): plain(v) for k, v in row.items()} for row in found]


def records(data: object, where: str = "row") -> list[Record]:
    """The records of any data that are known.

    Raises:
        DataError: data of another type, or none.
    """
    data = _framed(data) if hasattr(data, "iloc") and not hasattr(data, "columns") else data
    found = rows(data)
    found = list(_items(data)) if found is None else found
    if not found:
        raise DataError("data", f"an empty {_type(data)}", expected="a row at least")
    return [Record(fields, f"{where} {number}") for number, fields in enumerate(found, start=1)]


def plain(value: Any) -> Any:
    """A value as a file of JSON or of arrays has it: text for times, None for what is missing."""
    if isinstance(value, str | int | bool | None) or type(value).__name__ in ("NAType", "NaTType"):
        return None if not isinstance(value, str | int) else value
    if isinstance(value, float):
        return None if value != value else value
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        if {"array", "sampling_rate"} <= set(value):
            return Sound(np.asarray(value["array"], np.float32), int(value["sampling_rate"]))
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, Sound):
        return [plain(inner) for inner in value]
    return _other(value)


def _other(value: Any) -> Any:
    """Convert a number or an array of another library; anything else stays, and is reported later."""
    if type(value).__name__ == "Period":  # of pandas
        return str(value)
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value).replace("T", " ")
    if hasattr(value, "detach") or type(value).__module__.startswith("PIL"):
        value = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim):
        return plain(value.item())
    if isinstance(value, np.ndarray) and value.dtype.kind in "OUS":
        return plain(value.tolist())
    return value


def _frame_rows(data: Any) -> list[Mapping[str, Any]] | None:
    if hasattr(data, "to_pylist") and hasattr(data, "column_names"):  # pyarrow
        return data.to_pylist()
    if hasattr(data, "collect_schema") and hasattr(data, "collect"):  # polars, lazily
        return data.collect().to_dicts()
    if hasattr(data, "to_dicts"):  # polars
        return data.to_dicts()
    if hasattr(data, "iloc") and hasattr(data, "columns"):  # pandas
        return _with_index(data).to_dict("records")
    if hasattr(data, "column_names") and hasattr(data, "features"):  # Hugging Face
        return list(data)
    return None


def _with_index(frame: Any) -> Any:
    """A frame of pandas with its index as columns, where that has names or times."""
    levels = getattr(frame.index, "levels", [frame.index])
    timed = ["datetime" in str(level.dtype) or "period" in str(level.dtype) for level in levels]
    if not any(timed) and all(name is None for name in frame.index.names):
        return frame
    usual = ("time" if is_time else f"level {place}" for place, is_time in enumerate(timed))
    names = [new if old is None else old for old, new in zip(frame.index.names, usual, strict=True)]
    clear = [f"{name} of the index" if name in frame.columns else name for name in names]
    return frame.rename_axis(clear).reset_index()


def _framed(series: Any) -> Any:
    """A series of pandas as a frame; texts without a name are texts."""
    if series.name is not None:
        return series.to_frame()
    return series.to_frame("text" if len(series) and isinstance(series.iloc[0], str) else "value")


def _columns(data: Mapping[Any, Any]) -> list[dict[str, Any]]:
    sizes = {str(name): len(column) if hasattr(column, "__len__") else -1 for name, column in data.items()}
    if len(set(sizes.values())) != 1 or -1 in sizes.values() or str in map(type, data.values()):
        got = ", ".join(f"{name}: {size if size >= 0 else 'no column'}" for name, size in sizes.items())
        raise DataError("data", f"a dict of {got}", expected="columns of one length")
    return [dict(zip(sizes, row, strict=True)) for row in zip(*data.values(), strict=True)]


def _items(data: Any) -> Iterator[dict[str, Any]]:
    """Return the fields of each item of a list: texts, arrays, pairs of a sequence and its target."""
    if isinstance(data, tuple) and len(data) == 2 and _is_array(data[0]) and not isinstance(data[0], str):
        yield from (_pair(x, y) for x, y in _same(*data))
    elif isinstance(data, np.ndarray) or hasattr(data, "detach"):
        array = np.asarray(_other(data))
        if array.ndim < 2:
            yield from ({"t": t, "value": plain(value)} for t, value in enumerate(array.ravel()))
        else:
            yield from ({"series": as_series(series, "data")} for series in array)
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, str | bytes):
        yield from (_item(data[place], data) for place in range(len(data)))
    elif isinstance(data, Iterable) and not isinstance(data, str | bytes | Mapping):
        yield from (_item(item, data) for item in data)
    else:
        raise _unknown(data)


def _item(item: Any, of: object) -> dict[str, Any]:
    if isinstance(item, Mapping):
        return {str(key): plain(value) for key, value in item.items()}
    if isinstance(item, str):
        return {"text": item}
    if isinstance(item, tuple) and len(item) == 2:
        return _pair(*item)
    if _is_array(item):
        return _sequence(item)
    if isinstance(item, int | float | np.generic):
        return {"value": plain(item)}
    raise _unknown(of, f" of {_type(item)}")


def _pair(sequence: Any, target: Any) -> dict[str, Any]:
    return {**_sequence(sequence), "label": plain(target)}


def _sequence(value: Any) -> dict[str, Any]:
    value = plain(value)
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, list) and value and isinstance(value[0], str):
        return {"tokens": value}
    try:
        return {"series": as_series(np.asarray(value), "data")}
    except (TypeError, ValueError) as error:
        got = f"a sequence of the type {_type(value)}"
        raise DataError("data", got, expected="numbers or text") from error


def _is_array(value: object) -> bool:
    return isinstance(value, list | np.ndarray) or hasattr(value, "detach")


def _same(x: Any, y: Any) -> Iterator[tuple[Any, Any]]:
    if len(x) != len(y):
        raise DataError("data", f"{len(x)} sequences and {len(y)} labels", expected="as many of both")
    return zip(x, y, strict=True)


def _type(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _unknown(data: object, inside: str = "") -> DataError:
    return DataError("data", f"a {_type(data)}{inside}", expected=KNOWN)
