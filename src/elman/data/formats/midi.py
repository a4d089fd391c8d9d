"""Music as Standard MIDI Files: which of a piano's notes sound in each frame of an eighth note.

The layout is that of the MIDI Manufacturers Association's "Standard MIDI Files 1.0" (RP-001).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO, final

import numpy as np

from elman.core import notes
from elman.core.errors import DataError
from elman.core.records import Record
from elman.data.formats.base import (
    Format,
    ReadingHints,
    has_suffix,
    read_bytes,
    unreadable,
    write_json_lines,
)

LOWEST, NOTES = 21, 88
"""A piano's lowest note in MIDI, and how many it has."""

FRAMES_A_BEAT = 2
"""A frame is an eighth note."""

_MOST_FRAMES = 1 << 16
_DRUMS = 9
"""The channel whose notes are drums, counted from 0."""

_LENGTHS = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}
"""The upper half of a status byte -> how many bytes follow it."""


class _NoteEvent(NamedTuple):
    """A note that begins or ends `tick` ticks after the start."""

    tick: int
    note: int
    begins: bool


@final
class Midi(Format):
    """A `.mid` file, or a folder of them and those below it: the field `notes`, an array [T, 88] of 0 and 1.

    Files in two folders or more have the name of their folder as `label`. Drums are left out, and so is the
    silence before the first note and after the last one.
    """

    name = "midi"
    suffixes = (".mid", ".midi", ".smf")

    def __init__(self, hints: ReadingHints | None = None) -> None:
        self._hints = hints or ReadingHints()

    def with_hints(self, hints: ReadingHints) -> Midi:
        """The same, which may be strict."""
        return Midi(hints)

    def takes(self, source: str) -> bool:
        """Whether its suffix says so, or it is a folder of which most files have one that does."""
        path = Path(source)
        if not path.is_dir():
            return has_suffix(source, self.suffixes)
        files = [file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".")]
        return 2 * sum(has_suffix(str(file), self.suffixes) for file in files) > len(files)

    def read(self, source: str, encoding: str) -> Iterator[Record]:
        """The pieces in the order of their names; a file of a folder that is damaged is left out.

        Raises:
            DataError: there is no piece, or a single one, or one of strict ones, is damaged or has no note.
        """
        path = Path(source)
        try:
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
        except OSError as error:
            raise unreadable(path, error) from error
        files = [file for file in files if has_suffix(str(file), self.suffixes)]
        folders = {file.parent for file in files}
        for file in files:
            try:
                roll = _roll(file)
            except DataError as error:
                if self._hints.strict or len(files) == 1:
                    raise
                notes.note(f"left out {file}: {error.got} (--strict refuses it)")
                continue
            label = {"label": file.parent.name} if len(folders) > 1 else {}
            yield Record({"notes": roll, **label}, str(file))

    def write(self, rows: Iterable[tuple[Record, Mapping[str, Any]]], out: TextIO) -> None:
        """JSON lines."""
        write_json_lines(rows, out)


def _roll(path: Path) -> np.ndarray:
    """Which notes sound in each frame of a file: [T, 88] uint8."""
    data = read_bytes(path)
    start = data.find(b"MThd", 0, 64)  # in some files a RIFF header stands before it
    if start < 0:
        got = f"a file that begins with {data[:4]!r}"
        raise DataError(path, got, expected="a Standard MIDI File")
    try:
        beat, events = _events(data[start:])
    except (IndexError, ValueError) as error:
        raise DataError(path, "damaged or cut short", remedy="fetch it again") from error
    spans = list(_spans(sorted(events, key=lambda event: (event.tick, event.begins)), beat))
    if not spans:
        raise DataError(path, "no note of a piano in it", remedy="leave the file out")
    first, last = min(span[1] for span in spans), max(span[2] for span in spans)
    if last - first > _MOST_FRAMES:
        raise DataError(path, f"{last - first:,} eighth notes", expected=f"at most {_MOST_FRAMES:,}")
    roll = np.zeros((last - first, NOTES), np.uint8)
    for note, begin, end in spans:
        roll[begin - first : end - first, note] = 1
    return roll


def _events(data: bytes) -> tuple[float, list[_NoteEvent]]:
    """How many ticks a beat has, and the notes of all tracks.

    Raises:
        IndexError, ValueError: it is no such file, or cut short.
    """
    size, division = int.from_bytes(data[4:8]), int.from_bytes(data[12:14])
    second = (256 - (division >> 8)) * (division & 0xFF)  # in frames a second and ticks a frame
    beat = second / 2 if division & 0x8000 else float(division)
    if not beat:
        raise ValueError("no ticks in a beat")
    events: list[_NoteEvent] = []
    at = 8 + size
    while at < len(data):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8])
        if name == b"MTrk":
            events += _track(data[at + 8 : at + 8 + length])
        at += 8 + length
    return beat, events


def _track(data: bytes) -> Iterator[_NoteEvent]:
    at, tick, status = 0, 0, 0
    while at < len(data):
        wait, at = _number(data, at)
        tick += wait
        if data[at] & 0x80:
            status, at = data[at], at + 1
        if status in (0xF0, 0xF7, 0xFF):  # of a device's own, or about the piece
            length, at = _number(data, at + (status == 0xFF))
            at += length
            continue
        kind, channel = status >> 4, status & 0xF
        length = _LENGTHS.get(kind, 0)
        if kind in (0x8, 0x9) and channel != _DRUMS:
            note, speed = data[at], data[at + 1]
            yield _NoteEvent(tick, note, kind == 0x9 and speed > 0)
        elif not length:
            raise ValueError(f"a status of {status}")
        at += length


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to four bytes of seven bits each, and where it ends."""
    value = 0
    for end in range(at, at + 4):
        value = value << 7 | data[end] & 0x7F
        if not data[end] & 0x80:
            return value, end + 1
    raise ValueError("a number of more than four bytes")


def _spans(events: Iterable[_NoteEvent], beat: float) -> Iterator[tuple[int, int, int]]:
    """The notes of a piano in frames: which, the first frame, and the one after the last, at least one."""
    sounding: dict[int, int] = {}
    for tick, note, begins in events:
        key = note - LOWEST
        if not 0 <= key < NOTES:
            continue
        frame = round(tick * FRAMES_A_BEAT / beat)
        if key in sounding and (not begins or frame > sounding[key]):
            first = sounding.pop(key)
            yield key, first, max(frame, first + 1)
        if begins:
            sounding.setdefault(key, frame)
    yield from ((key, frame, frame + 1) for key, frame in sounding.items())
