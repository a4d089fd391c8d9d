"""Parquet, read by pyarrow: one record a row, its fields the columns."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO, final
from uuid import UUID

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import Format, has_suffix, read_bytes, write_json_lines


@final
class Parquet(Format):
    """A Parquet file: a field for each column, values as they are, but dates and times as text."""

    name = "parquet"
    suffixes = (".parquet",)

    def takes(self, source: str) -> bool:
        """Whether its suffix is that of Parquet."""
        return has_suffix(source, self.suffixes)

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The rows in the order of the file; a missing value is None.

        Raises:
            DataError: no Parquet file, or pyarrow is not installed.
        """
        path = Path(source)
        names, columns = _columns(path, read_bytes(path))
        for row, cells in enumerate(zip(*columns, strict=True), 1):
            yield Record(dict(zip(names, cells, strict=True)), f"{path}:row {row}")

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines: texts and numbers of the row, and the answer."""
        write_json_lines(rows, out)


def _columns(path: Path, data: bytes) -> tuple[list[str], list[list[Any]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        got = "a Parquet file, which pyarrow reads"
        raise DataError(path, got, remedy="pip install 'elman[parquet]'") from error
    try:
        table = parquet.read_table(io.BytesIO(data))
        return table.column_names, [_values(pyarrow, column) for column in table.columns]
    except Exception as error:  # pyarrow raises all kinds over damaged bytes
        got = f"no Parquet file: {' '.join(str(error).split())}"
        raise DataError(path, got, remedy="write it again") from error


def _values(pyarrow: Any, column: Any) -> list[Any]:
    kind = column.type
    if pyarrow.types.is_timestamp(kind):  # Python's own times know no nanoseconds
        column = column.cast(pyarrow.timestamp("us", kind.tz), safe=False)
    return [_value(value) for value in column.to_pylist()]


def _value(value: Any) -> Any:
    """Return a value as JSON; a map becomes a list of pairs; bytes stay, and are reported later."""
    if isinstance(value, dict):
        return {str(name): _value(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_value(inner) for inner in value]
    if isinstance(value, (date, time, timedelta, UUID)):
        return str(value)
    return float(value) if isinstance(value, Decimal) else value
