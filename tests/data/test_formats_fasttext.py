"""Labelled lines as fastText reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from elman import tasks
from elman.core.errors import DataError
from elman.data import formats


def read(tmp_path: Path, text: str, name: str = "a.txt") -> list[dict]:
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = formats.find(str(tmp_path / name))
    assert found.name == "fasttext"
    return [dict(record.fields) for record in found.read(str(tmp_path / name), "utf-8")]


def test_one_label_a_line(tmp_path: Path):
    rows = read(tmp_path, "__label__pos so good\n\n  __label__neg\tso bad __label__x\n")
    assert rows == [{"text": "so good", "label": "pos"}, {"text": "so bad __label__x", "label": "neg"}]
    (first, *_) = formats.read(str(tmp_path / "a.txt"))
    assert tasks.guess("fasttext", first) == "classify"


def test_several_labels_a_line(tmp_path: Path):
    rows = read(tmp_path, "__label__a __label__b both\n__label__a one\nnone\n", "a.ft")
    assert [row["label"] for row in rows] == [["a", "b"], ["a"], []]
    assert read(tmp_path, "__label__a x\nnone\n", "b.ft")[1] == {"text": "none", "label": None}


def test_other_texts_are_no_labels(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("__label__a one\nand no label\n")
    assert formats.find(str(path)).name == "text"
    (tmp_path / "b.ft").write_text("x\n")
    with pytest.raises(DataError, match="no line with a label"):
        formats.read(str(tmp_path / "b.ft"))
