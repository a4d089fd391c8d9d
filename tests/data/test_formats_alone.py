"""Inputs without labels: sounds and pictures alone, and lines of text."""

from __future__ import annotations

import io
import json

import pytest

from elman.core.errors import DataError
from elman.data import formats


def test_a_sound_and_a_folder_of_pictures(tmp_path):
    for name in ("b.png", "a.JPG", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    fields = [record.fields for record in formats.read(str(tmp_path))]
    assert fields == [{"picture": str(tmp_path / "a.JPG")}, {"picture": str(tmp_path / "b.png")}]
    (record,) = formats.read(str(tmp_path / "b.png"))
    assert (record.fields, record.where) == ({"picture": str(tmp_path / "b.png")}, str(tmp_path / "b.png"))


def test_a_folder_with_something_else_is_refused(tmp_path):
    for name in ("a.wav", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"notes.txt: a file that is neither a sound nor a picture"):
        formats.read(str(tmp_path), name="media")
    assert not formats.FORMATS["media"].takes(str(tmp_path))


def test_lines_are_read_where_lines_are_asked_for(tmp_path):
    path = tmp_path / "asked.txt"
    path.write_text("one\n\n two \n")
    assert formats.find(str(path)).name == "text"
    records = formats.read(str(path), among=("table", "lines"))
    assert [(r.fields["text"], r.where) for r in records] == [("one", f"{path}:1"), ("two", f"{path}:3")]
    out = io.StringIO()
    formats.FORMATS["lines"].write([(records[0], {"prediction": "x"})], out)
    assert json.loads(out.getvalue()) == {"text": "one", "prediction": "x"}
    path.write_text("\n \n")
    with pytest.raises(DataError, match="blank lines alone"):
        formats.read(str(path), name="lines")
