"""What was written for a source, and pictures of where each of its symbols came from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from elman.core import formatting
from elman.core.errors import TaskError
from elman.plots import figures

_PANELS = 6


class GeneratedText(NamedTuple):
    """A text that was written for a source.

    Args:
        text: the text.
        logp: its log probability in nats.
        score: what it was ranked by: logp / length**a.
        symbols: its T' symbols, printable, the end last.
        source: the T steps of the source, printable; or a picture, [H, W] or [H, W, C] uint8.
        attention: [T', T] weights of the source's steps for each symbol; rows sum to 1. Of a picture T
            is rows x columns of a map over it. None without attention.
        map: the map's rows and columns; nothing where the source is not a picture.
    """

    text: str
    logp: float
    score: float
    symbols: Sequence[str]
    source: Any
    attention: np.ndarray | None
    map: tuple[int, int] | None = None


class Translations(list[list[GeneratedText]]):
    """For each source what was written for it, the best first."""

    def save_picture(self, path: str | Path) -> None:
        """Write a picture of where the symbols of the first ones came from: png, svg or pdf.

        Raises:
            TaskError: the model has no attention, matplotlib is missing, or does not know that kind of file.
            RunError: the file cannot be written.
        """
        save_picture(Path(path), [several[0] for several in self if several])

    def _repr_html_(self) -> str:
        """The texts for a notebook, each with the number of its source and its score."""
        rows = [(place, one.text, one.score) for place, several in enumerate(self, 1) for one in several]
        return formatting.html_table([("source", "text", "score"), *rows])


def save_picture(path: Path, translations: Sequence[GeneratedText]) -> None:
    """Write a picture of where the symbols of the first translations came from: png, svg or pdf.

    Raises:
        TaskError: the model has no attention; or matplotlib is missing, or does not know that kind of file.
        RunError: the file cannot be written.
    """
    if all(one.attention is None for one in translations):
        got = "a model without attention, which looks at nothing"
        raise TaskError("a picture", got, remedy="train with attention=general in the task's settings")
    figures.save_figure(path, lambda figure: draw(figure, translations))


def draw(figure: Any, translations: Sequence[GeneratedText]) -> None:
    """Draw where the symbols of the first translations came from on a matplotlib Figure."""
    shown = [one for one in translations if one.attention is not None][:_PANELS]
    if shown[0].map is None:
        _grids(figure, shown)
    else:
        _maps(figure, shown)


def rows(translations: Sequence[GeneratedText]) -> list[dict[str, Any]]:
    """A row for each symbol that was written and each place that it could look at: how much it did."""
    return [
        {
            "text": number,
            "step": step,
            "symbol": symbol,
            "place": place,
            "source": str(one.source[place]) if one.map is None and place < len(one.source) else "",
            "weight": float(weight),
        }
        for number, one in enumerate(translations)
        if one.attention is not None
        for step, (symbol, weights) in enumerate(zip(one.symbols, one.attention, strict=False))
        for place, weight in enumerate(weights)
    ]


def _grids(figure: Any, shown: Sequence[GeneratedText]) -> None:
    """A grid each: the source along the top, what was written downwards."""
    wide = 2 if len(shown) > 1 else 1
    high = -(-len(shown) // wide)
    across = max(len(one.source) for one in shown)
    down = max(len(one.symbols) for one in shown)
    cell = 0.28
    figure.set_size_inches(wide * max(2.5, 1.2 + cell * across), high * max(2, 1 + cell * down))
    for axes, one in zip(figure.subplots(high, wide, squeeze=False).flat, shown, strict=False):
        axes.imshow(one.attention, cmap="Blues", vmin=0, vmax=1)
        turned = 90 * (max(map(len, one.source)) > 1)
        axes.set_xticks(
            range(len(one.source)), [*map(figures.literal, one.source)], rotation=turned, fontsize=8
        )
        axes.set_yticks(range(len(one.symbols)), [*map(figures.literal, one.symbols)], fontsize=8)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
    for axes in figure.axes[len(shown) :]:
        axes.remove()


def _maps(figure: Any, shown: Sequence[GeneratedText]) -> None:
    """A row each: the picture, and where it was looked at for every symbol that was written."""
    columns = 1 + max(len(one.symbols) - 1 for one in shown)
    figure.set_size_inches(1.1 * columns, 1.35 * len(shown))
    grid = figure.subplots(len(shown), columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for row, one in zip(grid, shown, strict=True):
        assert one.map is not None
        assert one.attention is not None
        picture = np.asarray(one.source)
        row[0].imshow(picture, cmap="gray")
        for axes, symbol, weights in zip(row[1:], one.symbols[:-1], one.attention, strict=False):
            axes.imshow(picture, cmap="gray")
            extent = (-0.5, picture.shape[1] - 0.5, picture.shape[0] - 0.5, -0.5)
            light = weights[: one.map[0] * one.map[1]].reshape(one.map)
            shade = 1 - light / max(light.max(), 1e-9)
            axes.imshow(
                np.zeros_like(light), alpha=0.75 * shade, cmap="gray", extent=extent, interpolation="bilinear"
            )
            axes.set_title(figures.literal(symbol), fontsize=8)
