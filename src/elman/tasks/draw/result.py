"""What was drawn, step by step: strokes of a pen, frames of notes, curves; shown, and written to files."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from elman.core import atomic_files, optional
from elman.core.errors import TaskError
from elman.data.formats.base import exact
from elman.plots import figures

_CELL, _MARGIN = 120, 0.12
"""Pixels of a drawing's square in an SVG file, and which share of it stays empty at each edge."""

_NOTES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
_TICKS = 240  # of MIDI in a frame
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille sign, [row][column]
_HIGH, _WIDE = 5, 10  # braille signs of a drawing
_PREVIEWED = 12  # frames


@dataclass(frozen=True)
class GeneratedSequence(ABC):
    """A sequence of steps, in the data's own units.

    Args:
        steps: [T, C].
        start: the class or text that it starts from; empty for nothing.
        window: [T, U] what the window gave of each character of a text; None if there is none.
    """

    field: ClassVar[str]
    """What its steps are called in a file."""

    steps: np.ndarray
    start: str = ""
    window: np.ndarray | None = None

    @abstractmethod
    def paint(self, axes: Any) -> None:
        """Draw it on matplotlib axes."""

    @abstractmethod
    def text(self) -> list[str]:
        """It in a few lines of text of one length, for the eye."""

    def record(self) -> dict[str, Any]:
        """It in terms of JSON."""
        rows = self.steps.tolist()
        return {self.field: rows, "label": self.start} if self.start else {self.field: rows}


@final
@dataclass(frozen=True)
class Sketch(GeneratedSequence):
    """Moves of a pen: dx, dy (downwards), and 1 where the pen is lifted after the move."""

    field = "strokes"

    def lines(self) -> list[np.ndarray]:
        """The strokes, each [P, 2], the points x and y of a line; the pen starts at 0, 0."""
        points = self.steps[:, :2].cumsum(0)
        ends = np.flatnonzero(self.steps[:-1, 2] > 0) + 1
        return np.split(points, ends)

    def paint(self, axes: Any) -> None:
        for line in self.lines():
            dot = "." if len(line) == 1 else ""
            axes.plot(*line.T, "-" + dot, color="black", linewidth=1.4, markersize=3, solid_capstyle="round")
        axes.set_aspect("equal", adjustable="datalim")
        axes.invert_yaxis()
        axes.set_axis_off()

    def text(self) -> list[str]:
        """See `GeneratedSequence`: in braille."""
        height, width = 4 * _HIGH, 2 * _WIDE
        dots = np.zeros((height, width), bool)
        lines = _fitted(self.lines(), width, height, 0.0)
        for line in lines:
            for begin, end in zip(line, [*line[1:], line[-1]], strict=True):
                count = int(np.abs(end - begin).max()) * 2 + 1
                x, y = np.linspace(begin, end, count + 1).astype(int).T
                dots[np.minimum(y, height - 1), np.minimum(x, width - 1)] = True
        return _braille(dots)

    def paths(self, left: float, top: float) -> str:
        """Its strokes as an SVG path in the square whose corner is there."""
        parts = []
        for line in _fitted(self.lines(), _CELL, _CELL, _MARGIN):
            points = [f"{x + left:.1f} {y + top:.1f}" for x, y in line]
            parts.append(f"M{points[0]}L{' '.join(points[1:] or points[:1])}")
        return "".join(parts)


@final
@dataclass(frozen=True)
class PianoRoll(GeneratedSequence):
    """Frames of notes, 1 where a note sounds.

    Args:
        lowest: the MIDI number of the first note.
        rate: frames a second.
    """

    field = "notes"

    lowest: int = 21
    rate: float = 4.0

    def paint(self, axes: Any) -> None:
        """See `GeneratedSequence`: a piano roll."""
        used = np.flatnonzero(self.steps.any(0))
        low, high = (int(used[0]), int(used[-1])) if len(used) else (0, self.steps.shape[1] - 1)
        extent = (-0.5, len(self.steps) - 0.5, low + self.lowest - 0.5, high + self.lowest + 0.5)
        roll = self.steps[:, low : high + 1].T
        axes.imshow(
            roll,
            cmap="Blues",
            vmin=0,
            vmax=1,
            aspect="auto",
            origin="lower",
            extent=extent,
            interpolation="nearest",
        )
        axes.set_yticks([note for note in range(128) if note % 12 == 0 and extent[2] < note < extent[3]])
        axes.set_yticklabels([_name(int(note)) for note in axes.get_yticks()], fontsize=7)
        axes.tick_params(labelsize=7)

    def text(self) -> list[str]:
        """See `GeneratedSequence`: the names of its first notes."""
        frames = self.steps[:_PREVIEWED]
        names = [
            " ".join(_name(int(note) + self.lowest) for note in np.flatnonzero(frame)) for frame in frames
        ]
        return [" | ".join(name or "-" for name in names)]

    def changes(self) -> list[tuple[int, int, bool]]:
        """When notes begin and end: frame, MIDI number, and whether it begins; ends first.

        Raises:
            TaskError: a note is beyond MIDI's 128.
        """
        silence = np.zeros_like(self.steps[:1])
        edges = np.diff(np.concatenate([silence, self.steps, silence]), axis=0)
        found = [
            (int(at), int(note) + self.lowest, edge > 0)
            for edge in (-1, 1)
            for at, note in np.argwhere(edges == edge)
        ]
        if found and max(note for _, note, _ in found) > 127:
            got = f"note {max(note for _, note, _ in found)}"
            raise TaskError("MIDI", got, expected="notes up to 127", remedy="train with a lower draw.lowest")
        return sorted(found, key=lambda change: (change[0], change[2]))


@final
@dataclass(frozen=True)
class Curve(GeneratedSequence):
    """Any numbers in time."""

    field = "series"

    def paint(self, axes: Any) -> None:
        """See `GeneratedSequence`: a line for each channel."""
        axes.plot(self.steps, linewidth=1)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.25)

    def text(self) -> list[str]:
        """See `GeneratedSequence`: the first channel in eighths of a line's height."""
        values = self.steps[: 4 * _PREVIEWED, 0]
        low, wide = values.min(), max(float(np.ptp(values)), 1e-9)
        return ["".join("▁▂▃▄▅▆▇█"[min(7, int(8 * (value - low) / wide))] for value in values)]


class Drawings(list[GeneratedSequence]):
    """What was drawn, in its order."""

    def save(self, path: str | Path) -> None:
        """Write them to a file, by its suffix: svg, png, pdf; mid for music; npz and jsonl for steps.

        Raises:
            TaskError: the suffix is unknown or not for such sequences, or a library is missing.
            RunError: the file cannot be written.
        """
        save(Path(path), self)

    def _repr_html_(self) -> str:
        """Sketches as a picture for a notebook, other sequences as text."""
        sketches = [one for one in self if isinstance(one, Sketch)]
        return svg(sketches) if sketches else f"<pre>{escape(beside(self))}</pre>" if self else ""


def save(path: Path, drawings: Sequence[GeneratedSequence]) -> None:
    """Write drawings as the path's name ends: svg, png, pdf, mid, npz, jsonl.

    Raises:
        TaskError: such a file does not hold such drawings, or a library is missing.
        RunError: it cannot be written.
    """
    kind = path.suffix.lower()
    if kind == ".svg" and isinstance(drawings[0], Sketch):
        atomic_files.write_text(path, svg([one for one in drawings if isinstance(one, Sketch)]))
    elif kind in _WRITERS:
        _WRITERS[kind](path, drawings)
    elif kind in (".svg", ".png", ".pdf"):
        figures.save_figure(path, lambda figure: sheet(figure, {"": drawings}))
    else:
        known = ", ".join([".svg", ".png", ".pdf", *_WRITERS])
        raise TaskError(path, f"a file of kind {kind!r}", expected=f"one of {known}")


def svg(sketches: Sequence[Sketch]) -> str:
    """Sketches in rows, each in a square of its own, as the text of an SVG file."""
    columns = int(np.ceil(np.sqrt(len(sketches))))
    rows = -(-len(sketches) // columns)
    size = f"{columns * _CELL} {rows * _CELL}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="{columns * _CELL}" '
        f'height="{rows * _CELL}">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<g fill="none" stroke="black" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">',
    ]
    for place, sketch in enumerate(sketches):
        row, column = divmod(place, columns)
        path = f'<path d="{sketch.paths(column * _CELL, row * _CELL)}"'
        title = escape(sketch.start)
        lines.append(f"{path}><title>{title}</title></path>" if title else f"{path}/>")
    return "\n".join([*lines, "</g>", "</svg>", ""])


def sheet(figure: Any, rows: Mapping[str, Sequence[GeneratedSequence]]) -> None:
    """Draw groups of drawings, each under its title, on a matplotlib Figure."""
    small = all(isinstance(one, Sketch) for drawings in rows.values() for one in drawings)
    columns = int(np.ceil(np.sqrt(max(map(len, rows.values()))))) if small else 1
    lines = [-(-len(drawings) // columns) for drawings in rows.values()]
    if small:
        figure.set_size_inches(1.2 * columns * len(rows), 1.25 * max(lines) + 0.3)
        parts = figure.subfigures(1, len(rows), squeeze=False)[0]
    else:
        figure.set_size_inches(8, 1.6 * sum(lines) + 0.3 * len(rows))
        parts = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=lines)[:, 0]
    for part, (title, drawings) in zip(parts, rows.items(), strict=True):
        part.suptitle(figures.literal(title), fontsize=9)
        grid = part.subplots(-(-len(drawings) // columns), columns, squeeze=False).flatten()
        for axes, drawing in zip(grid, drawings, strict=False):
            drawing.paint(axes)
            axes.set_title(figures.literal(drawing.start), fontsize=7)
        for axes in grid[len(drawings) :]:
            axes.set_axis_off()


def draw_windows(figure: Any, drawings: Sequence[GeneratedSequence]) -> None:
    """Draw which share of what the window gave at each step came from which character, beside the drawing."""
    shown = [one for one in drawings if one.window is not None and one.window.size]
    figure.set_size_inches(8, 1.9 * len(shown))
    grid = figure.subplots(len(shown), 2, squeeze=False, width_ratios=[3, 2])
    for (left, right), one in zip(grid, shown, strict=True):
        assert one.window is not None
        shares = one.window / np.maximum(one.window.sum(1, keepdims=True), 1e-9)
        left.imshow(shares.T, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        left.set_yticks(range(len(one.start)), [*map(figures.literal, one.start)], fontsize=8)
        left.set_xlabel("step", fontsize=8)
        left.tick_params(labelsize=8)
        one.paint(right)


def beside(drawings: Sequence[GeneratedSequence]) -> str:
    """Drawings as text, one beside the other."""
    texts = [one.text() for one in drawings]
    high = max(map(len, texts))
    return "\n".join("  ".join(text[row] for text in texts if row < len(text)) for row in range(high))


def _write_midi(path: Path, drawings: Sequence[GeneratedSequence]) -> None:
    """Pieces one after the other, with two seconds of silence between them."""
    pieces = [one for one in drawings if isinstance(one, PianoRoll)]
    if not pieces:
        raise TaskError(path, "drawings that are not music", expected="frames of notes", remedy="write .svg")
    optional.require("mido", "midi", path)
    import mido

    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=round(2e6 / pieces[0].rate)))
    for message, note, time in _messages(pieces):
        track.append(mido.Message(message, note=note, velocity=72, time=time))
    whole = mido.MidiFile(type=0, ticks_per_beat=2 * _TICKS, tracks=[track])
    atomic_files.atomic_write(path, lambda beside: whole.save(beside))


def _messages(pieces: Sequence[PianoRoll]) -> Iterable[tuple[str, int, int]]:
    """A MIDI event: note_on or note_off, the note, and the ticks since the event before."""
    offset, last = 0, 0
    for piece in pieces:
        for frame, note, begins in piece.changes():
            yield "note_on" if begins else "note_off", note, (offset + frame - last) * _TICKS
            last = offset + frame
        offset += len(piece.steps) + round(2 * piece.rate)


def _write_arrays(path: Path, drawings: Sequence[GeneratedSequence]) -> None:
    """The steps of all behind each other, their lengths, and what they start from."""
    arrays = {
        "x": exact(np.concatenate([one.steps for one in drawings])),
        "lengths": np.array([len(one.steps) for one in drawings]),
    }
    if drawings[0].start:
        arrays["label"] = np.array([one.start for one in drawings])

    def fill(beside: Path) -> None:
        with beside.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    atomic_files.atomic_write(path, fill)


def json_lines(drawings: Sequence[GeneratedSequence]) -> str:
    """One JSON object a line for each drawing."""
    return "".join(json.dumps(one.record(), ensure_ascii=False) + "\n" for one in drawings)


def _write_json(path: Path, drawings: Sequence[GeneratedSequence]) -> None:
    atomic_files.write_text(path, json_lines(drawings))


_WRITERS: dict[str, Callable[[Path, Sequence[GeneratedSequence]], None]] = {
    ".mid": _write_midi,
    ".midi": _write_midi,
    ".npz": _write_arrays,
    ".jsonl": _write_json,
}


def _fitted(lines: Sequence[np.ndarray], width: float, height: float, margin: float) -> list[np.ndarray]:
    """Lines moved and scaled, alike in both directions, into a rectangle; in its middle."""
    points = np.concatenate(lines)
    low, high = points.min(0), points.max(0)
    room = np.array([width, height]) * (1 - 2 * margin)
    scale = (room / np.maximum(high - low, 1e-9)).min()
    middle = np.array([width, height]) / 2
    return [(line - (low + high) / 2) * scale + middle for line in lines]


def _braille(dots: np.ndarray) -> list[str]:
    """Dots [4 h, 2 w] as h lines of w braille signs."""
    cells = dots.reshape(dots.shape[0] // 4, 4, -1, 2).transpose(0, 2, 1, 3)
    signs = (cells * np.array(_DOTS)).sum((2, 3))
    return ["".join(chr(0x2800 + int(sign)) for sign in row) for row in signs]


def _name(note: int) -> str:
    return f"{_NOTES[note % 12]}{note // 12 - 1}"
