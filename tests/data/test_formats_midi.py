"""Standard MIDI Files as frames of notes: by hand, against mido, and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elman.core.errors import DataError, DataWarning
from elman.data import formats
from elman.data.formats.base import ReadingHints
from elman.data.formats.midi import LOWEST


def number(value: int) -> bytes:
    """A number as MIDI files have it."""
    rest = [value & 0x7F]
    while value := value >> 7:
        rest.append(value & 0x7F | 0x80)
    return bytes(reversed(rest))


def piece(*tracks: bytes, division: int = 4, kind: int = 1) -> bytes:
    """A file of tracks of events."""
    head = b"MThd" + (6).to_bytes(4) + kind.to_bytes(2) + len(tracks).to_bytes(2) + division.to_bytes(2)
    return head + b"".join(b"MTrk" + len(track).to_bytes(4) + track for track in tracks)


def on(wait: int, note: int, channel: int = 0) -> bytes:
    return number(wait) + bytes([0x90 | channel, note, 64])


def off(wait: int, note: int, channel: int = 0) -> bytes:
    return number(wait) + bytes([0x80 | channel, note, 0])


def sounding(path: Path) -> list[list[int]]:
    """The MIDI numbers of the notes of each frame."""
    (record,) = formats.read(str(path))
    return [[LOWEST + note for note in np.flatnonzero(frame)] for frame in record.fields["notes"]]


@pytest.mark.parametrize(
    ("data", "frames"),
    [
        (piece(on(0, 60) + off(4, 60) + on(0, 62) + off(2, 62)), [[60], [60], [62]]),
        (piece(on(400, 60) + off(2, 60)), [[60]]),  # silence before it
        (piece(on(0, 60) + off(2, 60) + on(2, 60) + off(2, 60)), [[60], [], [60]]),
        (piece(on(0, 60) + on(0, 64) + off(2, 60) + off(2, 64)), [[60, 64], [64]]),
        (piece(on(0, 60) + off(2, 60), on(0, 48) + off(4, 48)), [[48, 60], [48]]),  # two tracks
        (piece(on(0, 60) + b"\x02<\x00" + b"\x00>\x40" + b"\x02>\x00"), [[60], [62]]),  # running status
        (piece(on(0, 60) + off(0, 60) + on(4, 62) + off(2, 62)), [[60], [], [62]]),  # of no length
        (piece(on(0, 60) + off(2, 60) + on(0, 36, 9) + off(8, 36, 9)), [[60]]),  # drums
        (piece(on(0, 60) + off(2, 60) + on(0, 5) + off(8, 5)), [[60]]),  # below a piano
        (piece(b"\x00\xff\x51\x03\x07\xa1\x20\x00\xf0\x01\xf7\x00\xc0\x05" + on(0, 60) + off(2, 60)), [[60]]),
        (piece(on(0, 60)), [[60]]),  # without an end
        (b"RIFF\x00\x00\x00\x00RMIDdata\x00\x00\x00\x00" + piece(on(0, 60) + off(2, 60)), [[60]]),
        (piece(on(0, 60) + off(25, 60), division=0xE704), [[60]]),  # 25 frames a second of 4 ticks each
    ],
)
def test_frames(tmp_path: Path, data: bytes, frames: list[list[int]]):
    path = tmp_path / "a.mid"
    path.write_bytes(data)
    assert sounding(path) == frames


def test_what_mido_writes(tmp_path: Path):
    mido = pytest.importorskip("mido")
    track = mido.MidiTrack()
    whole = mido.MidiFile(type=1, ticks_per_beat=480, tracks=[track])
    for note in (60, 64, 67):
        track.append(mido.Message("note_on", note=note, time=0))
    for wait, note in ((480, 60), (240, 64), (240, 67)):
        track.append(mido.Message("note_off", note=note, time=wait))
    whole.save(tmp_path / "a.mid")
    assert sounding(tmp_path / "a.mid") == [[60, 64, 67], [60, 64, 67], [64, 67], [67]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello", "a file that begins with b'hell'"),
        (piece(on(0, 60))[:-1], "damaged or cut short"),
        (piece(on(0, 60), division=0), "damaged or cut short"),
        (piece(b"\x00\x01"), "damaged or cut short"),
        (piece(b"\xff\xff\xff\xff\x7f"), "damaged or cut short"),
        (piece(b""), "no note of a piano in it"),
        (piece(on(0, 60) + off((1 << 28) - 1, 60), division=1), "eighth notes"),
    ],
)
def test_damage_is_told(tmp_path: Path, data: bytes, message: str):
    path = tmp_path / "a.mid"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        formats.read(str(path))


def test_a_folder_is_music(tmp_path: Path):
    for name in ("minor/a.mid", "minor/b.MID", "major/c.midi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(piece(on(0, 60) + off(2, 60)))
    (tmp_path / "README").write_text("about it")
    assert formats.find(str(tmp_path)).name == "midi"
    assert [record.fields["label"] for record in formats.read(str(tmp_path))] == ["major", "minor", "minor"]
    (tmp_path / "minor/b.MID").write_bytes(b"none")
    with pytest.warns(DataWarning, match=r"left out .*b\.MID: a file that begins with b'none'"):
        assert len(formats.read(str(tmp_path))) == 2
    with pytest.raises(DataError, match=r"b\.MID"):
        formats.read(str(tmp_path), hints=ReadingHints(strict=True))
    assert [record.fields.keys() for record in formats.read(str(tmp_path / "major"))] == [{"notes"}]
