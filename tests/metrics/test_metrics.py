"""Scores against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.metrics import classification, edit_distance

TRUTH = np.array([0, 0, 0, 1, 1, 2])
GUESS = np.array([0, 0, 1, 1, 1, 0])


def test_confusion_has_the_truth_in_rows():
    assert classification.confusion(TRUTH, GUESS, 4).tolist() == [
        [2, 1, 0, 0],
        [0, 2, 0, 0],
        [1, 0, 0, 0],
        [0, 0, 0, 0],
    ]


def test_precision_recall_and_f1_of_each_class():
    each = classification.per_class(classification.confusion(TRUTH, GUESS, 4))
    assert each.precision.tolist() == pytest.approx([2 / 3, 2 / 3, 0, 0])
    assert each.recall.tolist() == pytest.approx([2 / 3, 1, 0, 0])
    assert each.f1.tolist() == pytest.approx([2 / 3, 4 / 5, 0, 0])
    assert each.support.tolist() == [3, 2, 1, 0]


def test_macro_f1_leaves_out_only_what_is_neither_there_nor_guessed():
    matrix = classification.confusion(TRUTH, GUESS, 4)
    assert classification.macro_f1(classification.per_class(matrix), matrix.sum(0)) == pytest.approx(
        (2 / 3 + 4 / 5) / 3
    )
    guessed = classification.confusion(np.array([0]), np.array([1]), 3)
    assert classification.macro_f1(classification.per_class(guessed), guessed.sum(0)) == 0


def test_calibration_error_by_hand():
    probabilities = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 1.0])
    right = np.array([True, True, True, False, False, True])
    error, bins = classification.calibration(probabilities, right, bins=10)
    assert bins == pytest.approx(np.array([[0.55, 0, 1 / 6], [(4 * 0.95 + 1) / 5, 4 / 5, 5 / 6]]))
    assert error == pytest.approx(1 / 6 * 0.55 + 5 / 6 * (0.96 - 0.8))


def test_calibration_of_sure_and_right_is_none():
    assert classification.calibration(np.ones(5), np.ones(5, bool))[0] == 0


def test_errors_of_numbers():
    truth, guess = np.array([1.0, 2.0, 6.0]), np.array([1.0, 3.0, 4.0])
    assert classification.mae(truth, guess) == 1
    assert classification.r2(truth, guess) == pytest.approx(1 - 5 / 14)
    assert classification.r2(truth, np.full(3, 3.0)) == 0
    assert classification.r2(np.ones(3), np.ones(3)) == 0


# Edit distances


def plain_distance(one, two):
    """Levenshtein's distance, by its table, one number after another."""
    row = list(range(len(two) + 1))
    for i, x in enumerate(one, 1):
        above, row = row, [i]
        for j, y in enumerate(two, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (x != y)))
    return row[-1]


TEXTS = st.text("abc", max_size=12)
WORDS = st.lists(st.sampled_from([1, "1", ("a", 2), None]), max_size=8)


@given(st.lists(st.tuples(TEXTS, TEXTS) | st.tuples(WORDS, WORDS), max_size=12))
def test_distances_are_those_of_the_plain_table(pairs):
    found = edit_distance.edit_distances(pairs)
    assert found.dtype == np.int64
    assert found.tolist() == [plain_distance(*pair) for pair in pairs]


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=12), st.integers(1, 60))
def test_distances_are_the_same_in_parts(pairs, cells):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edit_distance, "_CELLS", cells)
        assert edit_distance.edit_distances(pairs).tolist() == [plain_distance(*pair) for pair in pairs]


def test_distances_by_hand():
    pairs = [("kitten", "sitting"), ("", "abc"), ("abc", ""), ("", ""), ("same", "same"), ("ab", "ba")]
    assert edit_distance.edit_distances(pairs).tolist() == [3, 3, 3, 0, 0, 2]
    assert edit_distance.edit_distances([(["a", "b", "c"], ["a", "c"])]).tolist() == [1]
    assert edit_distance.edit_distances([]).tolist() == []


def test_distances_of_many_long_pairs():
    """More than fit side by side, of lengths far apart."""
    random = np.random.default_rng(0)
    lengths = random.integers(0, 200, (600, 2))
    pairs = [
        (random.integers(0, 9, one).tolist(), random.integers(0, 9, two).tolist()) for one, two in lengths
    ]
    found = edit_distance.edit_distances(pairs)
    for i in range(0, 600, 20):
        assert found[i] == plain_distance(*pairs[i])


def test_error_rate():
    assert edit_distance.error_rate(["abcd", "ab"], ["abxd", ""]) == 3 / 6
    assert edit_distance.error_rate([["one", "two"]], [["one", "two", "three", "four", "five"]]) == 3 / 2
    assert edit_distance.error_rate(["ab", ""], ["ab", "xy"]) == 1
    assert edit_distance.error_rate(["", ""], ["", ""]) == 0
    assert edit_distance.error_rate([], []) == 0
    assert edit_distance.error_rate([""], ["a"]) == float("inf")
    with pytest.raises(ValueError, match="shorter"):
        edit_distance.error_rate(["a", "b"], ["a"])
