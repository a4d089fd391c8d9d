"""Properties of steps: of texts, of columns, as tensors."""

from __future__ import annotations

import pytest
import torch

from elman import marks
from elman.batch import Record
from elman.errors import DataError

TEXT = 'a (b "c"\nd) e'


def test_what_any_text_has():
    found = marks.built_in(list(TEXT), len(TEXT))
    assert found[marks.POSITION] == list(range(13))
    assert found["position in the line"] == [1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4]
    assert found["letters of the word so far"] == [1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1]
    assert [int(inside) for inside in found["inside quotes"]] == [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]
    assert [int(inside) for inside in found["inside brackets"]] == [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]
    assert list(marks.built_in([], 3)) == [marks.POSITION]


def test_symbols_of_several_characters():
    found = marks.built_in([" one", "\n", "two", ' "three'], 4)
    assert found["position in the line"] == [4, 0, 3, 10]
    assert found["letters of the word so far"] == [3, 0, 3, 5]
    assert found["inside quotes"] == [False, False, False, True]


def test_symbols_that_can_be_shown():
    assert [marks.printable(symbol) for symbol in ("\n", " ", "\t", " word", "a b")] == [
        "⏎", "␣", "⇥", "word", "a␣b",
    ]  # fmt: skip


def test_each_step_of_fewer_has_the_mark_in_its_middle():
    assert marks.stretched(list("abcdef"), 3) == ["b", "d", "f"]
    assert marks.stretched([1, 2, 3], 3) == [1, 2, 3]
    assert marks.stretched([1], 3) == [1, 1, 1]


def test_marks_as_tensors():
    assert marks.tensors("m", ["0", "1", "1"])["m"].tolist() == [False, True, True]
    assert marks.tensors("m", [True, False])["m"].dtype == torch.bool
    assert marks.tensors("m", ["0.5", 2])["m"].tolist() == [0.5, 2]
    found = marks.tensors("tag", ["N", "V", "N"])
    assert list(found) == ["tag = N", "tag = V"]
    assert found["tag = N"].tolist() == [True, False, True]
    assert len(marks.tensors("tag", [f"t{place}" for place in range(40)])) == 12
    with pytest.raises(DataError, match="mark 'm': a number that is not finite"):
        marks.tensors("m", [1, "nan"])


def test_columns_of_records():
    record = Record({"text": "abc", "list": [1, 2, 3], "words": "x y zz", "bits": "010", "one": 4}, "f:1")
    for name, expected in (("list", [1, 2, 3]), ("words", ["x", "y", "zz"]), ("bits", ["0", "1", "0"])):
        assert marks.of_records([record], name, [3]) == [expected]
    with pytest.raises(DataError, match="f:1: expected 2, one for each step, got 3 marks in column 'list'"):
        marks.of_records([record], "list", [2])
    with pytest.raises(DataError, match="f:1: expected 3, one for each step, got 4 in 'one'"):
        marks.of_records([record], "one", [3])
    with pytest.raises(DataError, match="f:1: no column 'lst' to mark by; did you mean 'list'"):
        marks.of_records([record], "lst", [3])


def test_rows_of_a_table():
    rows = [Record({"m": str(place)}, f"t:{place + 2}") for place in range(5)]
    assert marks.of_rows(rows, "m", "t", [2, 3]) == [["0", "1"], ["2", "3", "4"]]
    assert marks.of_rows(rows, "m", "t", [2, 2]) == [["0", "1"], ["2", "3"]]
    with pytest.raises(DataError, match="t: expected 6, one for each step, got 5 rows"):
        marks.of_rows(rows, "m", "t", [3, 3])
