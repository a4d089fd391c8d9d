"""Pictures that a user asks for by a path: png, svg or pdf, as its name ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from elman.core import atomic_files, optional
from elman.core.errors import TaskError, shortened

_KINDS = ("png", "svg", "pdf")

_LONGEST = 60
"""Most characters of a text of the data in a picture."""

_INSIDE = 4
"""Most entries of a legend that stands inside its axes."""


def new_figure(width: float = 6.4, height: float = 4.8) -> Any:
    """Return an empty matplotlib Figure, `width` by `height` inches.

    Raises:
        TaskError: matplotlib is not installed.
    """
    optional.require("matplotlib", "plot", "a picture")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def write_figure(path: Path, figure: Any, dpi: int = 130) -> None:
    """Write a matplotlib Figure as its path's suffix says; the same picture gives the same bytes.

    Raises:
        RunError: the file cannot be written.
    """
    from matplotlib import rc_context

    kind = path.suffix.removeprefix(".").lower()
    dated = {"metadata": {"Date": None}} if kind == "svg" else {}
    with rc_context({"svg.hashsalt": path.name}):
        atomic_files.atomic_write(path, lambda beside: figure.savefig(beside, format=kind, dpi=dpi, **dated))


def literal(text: str, most: int = _LONGEST) -> str:
    """Return a user's text as a picture shows it: no formula, not too long, without half characters."""
    whole = shortened(text, most).encode("utf-8", "replace").decode("utf-8")
    return whole.replace("$", r"\$")


def legend(axes: Any, entries: int, place: str = "best") -> None:
    """Draw a legend inside the axes; below them where there are many entries, which would hide the plot."""
    if entries <= _INSIDE:
        axes.legend(frameon=False, fontsize="small", loc=place)
    else:
        axes.legend(
            frameon=False, fontsize="x-small", loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2
        )


def save_figure(path: Path, draw: Callable[[Any], None]) -> None:
    """Write what `draw` draws on a matplotlib Figure, whose size it sets.

    Raises:
        TaskError: matplotlib is not installed, or does not know that kind of file.
        RunError: the file cannot be written.
    """
    figure, kind = new_figure(), path.suffix.removeprefix(".").lower()
    if kind not in _KINDS:
        raise TaskError(path, f"a picture of kind {kind!r}", expected=f"one of {', '.join(_KINDS)}")
    draw(figure)
    atomic_files.atomic_write(path, lambda beside: figure.savefig(beside, format=kind, dpi=130))
