"""Scores against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from elman import metrics

TRUTH = np.array([0, 0, 0, 1, 1, 2])
GUESS = np.array([0, 0, 1, 1, 1, 0])


def test_confusion_has_the_truth_in_rows():
    assert metrics.confusion(TRUTH, GUESS, 4).tolist() == [
        [2, 1, 0, 0],
        [0, 2, 0, 0],
        [1, 0, 0, 0],
        [0, 0, 0, 0],
    ]


def test_precision_recall_and_f1_of_each_class():
    each = metrics.per_class(metrics.confusion(TRUTH, GUESS, 4))
    assert each.precision.tolist() == pytest.approx([2 / 3, 2 / 3, 0, 0])
    assert each.recall.tolist() == pytest.approx([2 / 3, 1, 0, 0])
    assert each.f1.tolist() == pytest.approx([2 / 3, 4 / 5, 0, 0])
    assert each.support.tolist() == [3, 2, 1, 0]


def test_macro_f1_leaves_out_only_what_is_neither_there_nor_guessed():
    matrix = metrics.confusion(TRUTH, GUESS, 4)
    assert metrics.macro_f1(metrics.per_class(matrix), matrix.sum(0)) == pytest.approx((2 / 3 + 4 / 5) / 3)
    guessed = metrics.confusion(np.array([0]), np.array([1]), 3)
    assert metrics.macro_f1(metrics.per_class(guessed), guessed.sum(0)) == 0


def test_calibration_error_by_hand():
    probabilities = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 1.0])
    right = np.array([True, True, True, False, False, True])
    error, bins = metrics.calibration(probabilities, right, bins=10)
    assert bins == pytest.approx(np.array([[0.55, 0, 1 / 6], [(4 * 0.95 + 1) / 5, 4 / 5, 5 / 6]]))
    assert error == pytest.approx(1 / 6 * 0.55 + 5 / 6 * (0.96 - 0.8))


def test_calibration_of_sure_and_right_is_none():
    assert metrics.calibration(np.ones(5), np.ones(5, bool))[0] == 0


def test_errors_of_numbers():
    truth, guess = np.array([1.0, 2.0, 6.0]), np.array([1.0, 3.0, 4.0])
    assert metrics.mae(truth, guess) == 1
    assert metrics.r2(truth, guess) == pytest.approx(1 - 5 / 14)
    assert metrics.r2(truth, np.full(3, 3.0)) == 0
    assert metrics.r2(np.ones(3), np.ones(3)) == 0
