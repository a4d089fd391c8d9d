"""Properties of steps: of texts, of columns, as tensors."""

from __future__ import annotations

import pytest
import torch

from elman.core.errors import DataError
from elman.core.records import Record
from elman.diagnostics.report import step_annotations

TEXT = 'a (b "c"\nd) e'


def test_what_any_text_has():
    found = step_annotations.built_in(list(TEXT), len(TEXT))
    assert found[step_annotations.POSITION] == list(range(13))
    assert found["position in the line"] == [1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4]
    assert found["letters of the word so far"] == [1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1]
    assert [int(inside) for inside in found["inside quotes"]] == [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]
    assert [int(inside) for inside in found["inside brackets"]] == [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]
    assert list(step_annotations.built_in([], 3)) == [step_annotations.POSITION]


def test_symbols_of_several_characters():
    found = step_annotations.built_in([" one", "\n", "two", ' "three'], 4)
    assert found["position in the line"] == [4, 0, 3, 10]
    assert found["letters of the word so far"] == [3, 0, 3, 5]
    marked = step_annotations.built_in(list("हिन्दी cafe\u0301"), 12)
    assert marked["letters of the word so far"] == [1, 1, 2, 2, 3, 3, 0, 1, 2, 3, 4, 4]
    assert found["inside quotes"] == [False, False, False, True]


def test_symbols_that_can_be_shown():
    assert [step_annotations.printable(symbol) for symbol in ("\n", " ", "\t", " word", "a b")] == [
        "⏎", "␣", "⇥", "word", "a␣b",
    ]  # fmt: skip


def test_each_step_of_fewer_has_the_mark_in_its_middle():
    assert step_annotations.stretched(list("abcdef"), 3) == ["b", "d", "f"]
    assert step_annotations.stretched([1, 2, 3], 3) == [1, 2, 3]
    assert step_annotations.stretched([1], 3) == [1, 1, 1]


def test_marks_as_tensors():
    assert step_annotations.tensors("m", ["0", "1", "1"])["m"].tolist() == [False, True, True]
    assert step_annotations.tensors("m", [True, False])["m"].dtype == torch.bool
    assert step_annotations.tensors("m", ["0.5", 2])["m"].tolist() == [0.5, 2]
    found = step_annotations.tensors("tag", ["N", "V", "N"])
    assert list(found) == ["tag = N", "tag = V"]
    assert found["tag = N"].tolist() == [True, False, True]
    assert len(step_annotations.tensors("tag", [f"t{place}" for place in range(40)])) == 12
    with pytest.raises(DataError, match="mark 'm': a number that is not finite"):
        step_annotations.tensors("m", [1, "nan"])


def test_columns_of_records():
    record = Record({"text": "abc", "list": [1, 2, 3], "words": "x y zz", "bits": "010", "one": 4}, "f:1")
    for name, expected in (("list", [1, 2, 3]), ("words", ["x", "y", "zz"]), ("bits", ["0", "1", "0"])):
        assert step_annotations.of_records([record], name, [3]) == [expected]
    with pytest.raises(DataError, match="f:1: expected 2, one for each step, got 3 marks in column 'list'"):
        step_annotations.of_records([record], "list", [2])
    with pytest.raises(DataError, match="f:1: expected 3, one for each step, got 4 in 'one'"):
        step_annotations.of_records([record], "one", [3])
    with pytest.raises(DataError, match="f:1: no column 'lst' to mark by; did you mean 'list'"):
        step_annotations.of_records([record], "lst", [3])


def test_rows_of_a_table():
    rows = [Record({"m": str(place)}, f"t:{place + 2}") for place in range(5)]
    assert step_annotations.of_rows(rows, "m", "t", [2, 3]) == [["0", "1"], ["2", "3", "4"]]
    assert step_annotations.of_rows(rows, "m", "t", [2, 2]) == [["0", "1"], ["2", "3"]]
    with pytest.raises(DataError, match="t: expected 6, one for each step, got 5 rows"):
        step_annotations.of_rows(rows, "m", "t", [3, 3])
