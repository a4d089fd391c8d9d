"""What a run leaves to be read: metrics.csv, curves.png, results.json, and README.md, its model card."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from elman import digests, figures, files, schema
from elman.errors import RunError, shortened
from elman.progress import duration

METRICS = "metrics.csv"
BOARD = "tensorboard"
CURVES = "curves.png"
RESULTS = "results.json"
CARD = "README.md"

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


_MOST_POINTS = 200
"""Most points of a curve that is drawn."""


class Metrics:
    """The table of a training's numbers; one row is added at a time."""

    def __init__(self, path: Path, *, up_to: int, digest: str = "") -> None:
        """Go on with the table in folder `path`, without the rows of steps after `up_to`.

        Args:
            path: the folder.
            up_to: the last step whose row stays.
            digest: what `digest` gave when that step was done; empty, if it is not known.

        Raises:
            RunError: the table is damaged, or cannot be written.
        """
        self._path = path / METRICS
        there = self._path.exists()
        rows = [row for row in read(path) if int(row["step"]) <= up_to]
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self._digest = hashlib.sha256(buffer.getvalue().encode())
        if there and digest and digest != self.digest():
            raise _damaged(self._path, "not the rows that were written: the digest differs")
        files.write_text(self._path, buffer.getvalue())

    def digest(self) -> str:
        """A digest of the table as it is now."""
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
            raise files.unwritable(self._path, error) from error
        self._digest.update(buffer.getvalue().encode())


class Board:
    """The same numbers for TensorBoard, in a folder of the run; nothing where that is not installed."""

    def __init__(self, path: Path, *, up_to: int) -> None:
        """Go on with what is in folder `path`, without the numbers of steps after `up_to`."""
        self._writer, self._path = None, path / BOARD
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            with self._told():
                self._writer = SummaryWriter(str(self._path), purge_step=up_to + 1)

    def add(self, row: Mapping[str, str | int]) -> None:
        """Add the numbers of a row of metrics."""
        if self._writer is None:
            return
        with self._told():
            for column, value in row.items():
                if column != "step" and value != "":
                    self._writer.add_scalar(column, float(value), int(row["step"]))
            self._writer.flush()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Within it a disk that is full is told in one line."""
        try:
            yield
        except OSError as error:
            self._writer = None
            raise files.unwritable(self._path, error) from error


def read(path: Path) -> list[dict[str, str]]:
    """The rows of the run in folder `path`; a last row that was cut short is left out.

    Raises:
        RunError: the table is damaged.
    """
    where = path / METRICS
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
    """A ValueError where a row has other columns, or what is no number."""
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


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write the results and the model card made from them."""
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    files.write_text(path / RESULTS, digests.sealed(text))
    files.write_text(path / CARD, card(path.name, results))


def read_results(path: Path) -> dict[str, Any]:
    """The results of the run in folder `path`.

    Raises:
        RunError: the file is damaged.
    """
    where, remedy = path / RESULTS, "delete it and resume the run"
    try:
        text = where.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(where, f"cannot be read: {error}", remedy=remedy) from error
    with schema.rebuilding(where, remedy=remedy):
        found = json.loads(digests.opened(text, where, remedy))
        schema.build(_Results, found, "results", finite=False)
    return found


class _Results(NamedTuple):
    """What stands in the results; a run that is new has all of it."""

    data: dict[str, Any]
    training: dict[str, Any]
    scores: _Scores
    baselines: _Scores
    findings: dict[str, Any] = {}  # noqa: RUF012, a default that nobody changes
    figures: list[str] = []  # noqa: RUF012
    sample: str = ""


_Scores = dict[str, dict[str, dict[str, float]]]


def finished(path: Path) -> bool:
    """Whether the run in folder `path` was trained to its end."""
    return bool(read_results(path).get("training", {}).get("finished"))


def card(name: str, results: Mapping[str, Any]) -> str:
    """The model card: what data, how long, which scores against which baselines, how to use it."""
    data, training = results["data"], results["training"]
    lines = [
        f"# {name}",
        "",
        f"A {training['task']} model, trained with Elman {training['elman']} (torch {training['torch']}).",
        "",
        "## Data",
        "",
        *(f"- {key}: {value}" for key, value in data.items()),
        "",
        "## Training",
        "",
        f"- network: {training['network']}, {training['parameters']:,} parameters",
        *_course(training),
        "",
        "## Scores",
        "",
        *table(results["scores"]),
        "",
        "Loss is the mean over targets, in nats where it is a likelihood.",
        "Baselines learn from the same training part.",
        *_pictures(results.get("figures", ())),
        *_tables(results.get("findings", {})),
        *_sample(results.get("sample", "")),
        "",
        "## Use",
        "",
        "```",
        *(line.replace("{name}", name) for line in training["use"]),
        "```",
        "",
    ]
    return "\n".join(lines)


def _course(training: Mapping[str, Any]) -> list[str]:
    """Lines on a training's epochs and time; there are none where all weights were computed at once."""
    if training["finished"] and not training["steps"]:
        return ["- all settings: `config.toml`"]
    return [
        f"- epochs: {training['epochs']:g} of {training['of_epochs']}, steps: {training['steps']:,}"
        + ("" if training["finished"] else " (stopped before its end)"),
        f"- time: {duration(training['seconds'])} on {training['device']}, {training['threads']} threads, "
        f"{training['symbols_per_second']:,.0f} symbols/s",
        "- all settings: `config.toml`; numbers by step: `metrics.csv`, drawn in `curves.png`",
    ]


def table(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Lines of a table for each part (valid, test) -> predictor -> metric -> value."""
    if not scores:
        return ["There is neither a validation nor a test part, so nothing was scored."]
    lines = []
    for part, rows in scores.items():
        metrics = list(dict.fromkeys(name for row in rows.values() for name in row))
        head = [part, *(name.replace("_", " ") for name in metrics)]
        cells = [[name, *(row.get(metric, "") for metric in metrics)] for name, row in rows.items()]
        lines += ["", *_aligned([head, *cells])]
    return lines[1:]


def number(value: float) -> str:
    """A score in words: as many digits as tell something."""
    if value and not 0.001 <= abs(value) < 100:
        return f"{value:,.0f}" if 10_000 <= abs(value) < 1e9 else f"{value:.4g}"
    return f"{value:.3f}"


def draw(path: Path, baselines: Mapping[str, float], figures: Mapping[str, Callable[[Any], None]]) -> str:
    """Draw what was found, and the losses by step, if there were steps, with baselines as lines across.

    Args:
        path: the folder of the run.
        baselines: name -> loss per target.
        figures: the name of a picture -> what draws it on a matplotlib Figure.

    Returns:
        Why nothing was drawn, or an empty text.
    """
    if find_spec("matplotlib") is None:
        return f"{CURVES} was not drawn: pip install 'elman[plot]'"
    from matplotlib.figure import Figure

    if rows := read(path):
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        losses, norms = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        _plot(losses, rows, baselines)
        _plot_norm(norms, rows)
        _write(path / CURVES, figure)
    for name, drawn in figures.items():
        figure = Figure(figsize=(6, 5), layout="constrained")
        drawn(figure)
        _write(path / f"{name}.png", figure)
    return ""


def draw_confusion(figure: Any, matrix: np.ndarray, names: Sequence[str]) -> None:
    """Draw how often each class was taken for each: shares of the row in colour, counts in figures.

    Args:
        figure: a matplotlib Figure.
        matrix: [C, C] counts, the truth in rows.
        names: of the C classes.
    """
    axes = figure.subplots()
    axes.imshow(matrix / np.maximum(matrix.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    ticks, small = range(len(names)), 9 if len(names) <= 12 else 6
    names = [figures.literal(name) for name in names]
    axes.set_xticks(ticks, names, rotation=90 if len(names) > 6 else 0, fontsize=small)
    axes.set_yticks(ticks, names, fontsize=small)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    for row, column in zip(*np.nonzero(matrix), strict=True):
        share = matrix[row, column] / matrix[row].sum()
        color = "white" if share > 0.5 else "black"
        axes.text(
            column, row, int(matrix[row, column]), ha="center", va="center", color=color, fontsize=small
        )


def draw_calibration(figure: Any, bins: np.ndarray) -> None:
    """Draw how often predictions were right by how sure they were.

    Args:
        figure: a matplotlib Figure.
        bins: [bins, 3]: mean confidence, accuracy, and share of all in each bin.
    """
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=0.9, label="as sure as right")
    axes.plot(bins[:, 0], bins[:, 1], "o-", markersize=4, linewidth=1.2, label="predictions")
    axes.bar(bins[:, 0], bins[:, 2], width=0.03, color="0.8", label="share of all predictions")
    axes.set_xlabel("probability of what was predicted")
    axes.set_ylabel("share that was right")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.25)


def _write(path: Path, figure: Any) -> None:
    files.write(path, lambda beside: figure.savefig(beside, format="png", dpi=130))


def _pictures(names: Sequence[str]) -> list[str]:
    return [line for name in names for line in ("", f"![{name}]({name}.png)")]


def _tables(tables: Mapping[str, Sequence[Sequence[object]]]) -> list[str]:
    return [
        line
        for title, rows in tables.items()
        for line in ("", f"### {title[0].upper()}{title[1:]}", "", *_aligned(rows))
    ]


def _aligned(rows: Sequence[Sequence[object]]) -> list[str]:
    """A table in Markdown whose cells stand below each other; names to the left, numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    first, *others = (max(map(len, column)) for column in zip(*cells, strict=True))
    lines = [
        f"| {name.ljust(first)} | "
        + " | ".join(cell.rjust(width) for cell, width in zip(row, others, strict=True))
        + " |"
        for name, *row in cells
    ]
    rule = f"|{'-' * (first + 2)}|" + "".join(f"{'-' * (width + 1)}:|" for width in others)
    return [lines[0], rule, *lines[1:]]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    return re.sub(r"[\r\n]+", " ", shortened(str(value))).replace("|", "\\|")


def _plot(axes: Any, rows: Sequence[Mapping[str, str]], baselines: Mapping[str, float]) -> None:
    for column, label, style in (("train_loss", "training", "-"), ("valid_loss", "validation", "o-")):
        points = [(int(row["step"]), float(row[column])) for row in rows if row[column]]
        if points:
            axes.plot(*zip(*_thinned(points), strict=True), style, label=label, markersize=3, linewidth=1.2)
    for (name, nats), color in zip(baselines.items(), ("0.6", "0.4", "0.2"), strict=False):
        axes.axhline(nats, color=color, linestyle="--", linewidth=0.9, label=name)
    axes.set_ylabel("loss per target")
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.25)


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    """Means of as many neighbours each as leave no more points than a picture can show."""
    size = -(-len(points) // _MOST_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def _plot_norm(axes: Any, rows: Sequence[Mapping[str, str]]) -> None:
    points = [(int(row["step"]), float(row["grad_norm"])) for row in rows if row["grad_norm"]]
    if points:
        axes.plot(*zip(*_thinned(points), strict=True), color="0.4", linewidth=1)
        axes.set_yscale("log", subs=[2, 5])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel("step")
    axes.set_ylabel("gradient norm")
    axes.tick_params(which="both", labelsize=8)
    axes.grid(alpha=0.25)


def _sample(text: str) -> list[str]:
    return ["", "## A sample", "", "```text", *text.splitlines(), "```"] if text else []
