"""Draw the curves of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from elman.core import atomic_files
from elman.core.optional import is_installed
from elman.runs.folder import RunFolder
from elman.training.metrics_log import read

_MOST_POINTS = 200
"""Most points of a curve that is drawn."""


def draw(
    folder: RunFolder, baselines: Mapping[str, float], figures: Mapping[str, Callable[[Any], None]]
) -> str:
    """Draw what was found, and the losses by step, if there were steps, with baselines as lines across.

    Args:
        folder: of the run.
        baselines: name -> loss per target.
        figures: the name of a picture -> what draws it on a matplotlib Figure.

    Returns:
        Why nothing was drawn, or an empty text.
    """
    if not is_installed("matplotlib"):
        return f"{folder.curves.name} was not drawn: pip install 'elman[plot]'"
    from matplotlib.figure import Figure

    if rows := read(folder.metrics):
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        losses, norms = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        _plot(losses, rows, baselines)
        _plot_norm(norms, rows)
        _write(folder.curves, figure)
    for name, drawn in figures.items():
        figure = Figure(figsize=(6, 5), layout="constrained")
        drawn(figure)
        _write(folder.figure(name), figure)
    return ""


def _write(path: Path, figure: Any) -> None:
    atomic_files.atomic_write(path, lambda beside: figure.savefig(beside, format="png", dpi=130))


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
    """Average neighbours, so that no more points remain than a picture can show."""
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
