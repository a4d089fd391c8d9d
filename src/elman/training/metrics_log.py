"""The log of a training's numbers: metrics.csv, and TensorBoard."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from elman.core import atomic_files
from elman.core.errors import RunError
from elman.core.optional import is_installed

COLUMNS = (
    "step",
    "epoch",
    "seconds",
    "symbols_per_second",
    "lr",
    "train_loss",
    "grad_norm",
    "clipped",
    "saturated",
    "state_norm",
    "horizon",
    "valid_loss",
    "valid_score",
)
"""Losses are per target; a row has numbers of the validation part at the end of an epoch only."""


class MetricsLog:
    """The table of a training's numbers; one row is added at a time."""

    def __init__(self, path: Path, *, up_to: int, digest: str = "") -> None:
        """Go on with the table in the file `path`, without the rows of steps after `up_to`.

        Args:
            path: the file.
            up_to: the last step whose row stays.
            digest: what `digest` gave when that step was done; empty, if it is not known.

        Raises:
            RunError: the table is damaged, or cannot be written.
        """
        self._path = path
        there = self._path.exists()
        rows = [row for row in read(path) if int(row["step"]) <= up_to]
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self._digest = hashlib.sha256(buffer.getvalue().encode())
        if there and digest and digest != self.digest():
            raise _damaged(self._path, "not the rows that were written: the digest differs")
        atomic_files.write_text(self._path, buffer.getvalue())

    def digest(self) -> str:
        """Return a digest of the table as it is now."""
        return self._digest.hexdigest()

    def add(self, row: Mapping[str, str | int]) -> None:
        """Add a row; columns that it lacks stay empty."""
        buffer = io.StringIO()
        csv.DictWriter(buffer, COLUMNS, lineterminator="\n").writerow(row)
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(buffer.getvalue())
                file.flush()
                os.fsync(file.fileno())  # before a checkpoint tells of the row
        except OSError as error:
            raise atomic_files.unwritable(self._path, error) from error
        self._digest.update(buffer.getvalue().encode())


class Board:
    """The same numbers for TensorBoard, in a folder of the run; nothing where that is not installed."""

    def __init__(self, path: Path, *, up_to: int) -> None:
        """Go on with what is in folder `path`, without the numbers of steps after `up_to`."""
        self._writer, self._path = None, path
        if is_installed("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            with self._disk_errors():
                self._writer = SummaryWriter(str(self._path), purge_step=up_to + 1)

    def add(self, row: Mapping[str, str | int]) -> None:
        """Add the numbers of a row of metrics."""
        if self._writer is None:
            return
        with self._disk_errors():
            for column, value in row.items():
                if column != "step" and value != "":
                    self._writer.add_scalar(column, float(value), int(row["step"]))
            self._writer.flush()

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Report a full disk in the `with` block in one line."""
        try:
            yield
        except OSError as error:
            self._writer = None
            raise atomic_files.unwritable(self._path, error) from error


def read(where: Path) -> list[dict[str, str]]:
    """Read the rows of a table in the file `where`; a last row that was cut short is left out.

    Raises:
        RunError: the table is damaged.
    """
    try:
        text = where.read_text(encoding="utf-8")
        rows = list(csv.DictReader(io.StringIO(text), strict=True))
        rows = rows if text.endswith("\n") else rows[:-1]
        for number, row in enumerate(rows, 2):
            _check_row(row, number)
    except FileNotFoundError:
        return []
    except (OSError, ValueError, csv.Error) as error:
        raise _damaged(where, str(error)) from error
    return rows


def _check_row(row: Mapping[str, str], line: int) -> None:
    """Raise ValueError for a row with other columns or with cells that are not numbers."""
    if not {"step"} <= row.keys() <= set(COLUMNS) or None in row.values():
        raise ValueError(f"other columns in line {line}")
    for column, cell in row.items():
        if column in ("step", "epoch"):
            if not (cell.isascii() and cell.isdigit() and len(cell) < 16):
                raise ValueError(f"{column} {cell!r:.40} in line {line}")
        elif cell:
            float(cell)


def _damaged(where: Path, how: str) -> RunError:
    remedy = "restore it from a copy of the run, or delete it to go on without its rows"
    return RunError(where, f"damaged ({how})", remedy=remedy)
