"""Linear models: at the optimum of a closed form, or of Newton's method; features are counted right."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from elman.metrics.baselines import linear


def squares(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (scores - targets).square().sum() / 2


def cross_entropy(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(scores, targets, reduction="sum")


def test_least_squares_are_the_closed_form():
    torch.manual_seed(0)
    x, y = torch.randn(50, 4), torch.randn(50, 2) + 3
    model = linear.fit(linear.Dense(x), y, 2, squares, penalty=2.0)
    # A free bias: weights of what is centred, and a bias that gives the means.
    centred = x - x.mean(0)
    weight = torch.linalg.solve(centred.t() @ centred + 2 * torch.eye(4), centred.t() @ (y - y.mean(0)))
    expected = centred @ weight + y.mean(0)
    torch.testing.assert_close(model.scores(linear.Dense(x)), expected, atol=1e-3, rtol=1e-3)


def test_logistic_regression_is_newtons():
    torch.manual_seed(1)
    x = torch.randn(80, 3, dtype=torch.float64)
    y = (x @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64) + torch.randn(80) > 0.3).long()
    scores = linear.fit(linear.Dense(x.float()), y, 2, cross_entropy).scores(linear.Dense(x.float()))
    # Two symmetric rows w and -w: a binary regression on 2 w, whose penalty is halved.
    wide, w = torch.cat([x, torch.ones(80, 1)], 1), torch.zeros(4, dtype=torch.float64)
    ridge = torch.diag(torch.tensor([0.5, 0.5, 0.5, 0.0], dtype=torch.float64))
    for _ in range(30):
        p = (wide @ w).sigmoid()
        hessian = wide.t() @ (wide * (p * (1 - p))[:, None]) + ridge
        w -= torch.linalg.solve(hessian, wide.t() @ (p - y) + ridge @ w)
    torch.testing.assert_close((scores[:, 1] - scores[:, 0]).double(), wide @ w, atol=1e-2, rtol=1e-2)


def test_counts_are_sparse_sums_of_rows():
    counts = linear.SparseFeatures([np.array([0, 2, 2]), np.array([], np.int64), np.array([1])], 3)
    dense = torch.tensor([[1.0, 0, 2], [0, 0, 0], [0, 1, 0]])
    weight = torch.randn(3, 2)
    torch.testing.assert_close(counts.times(weight), dense @ weight)


def test_ngrams_are_numbered_by_the_training_part_and_others_left_out():
    grams = linear.NGramFeatures([np.array([0, 1, 0, 1]), np.array([2])], 4, 2)
    # known: 0, 1, 2, then 01, 10
    counted = grams.of([np.array([0, 1, 0]), np.array([3, 3]), np.array([2, 0, 1, 1])])
    assert counted.width == 5
    expected = torch.tensor([[2.0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 2, 1, 1, 0]])
    torch.testing.assert_close(counted.times(torch.eye(5)), expected)


def test_ngrams_where_all_sequences_are_shorter():
    grams = linear.NGramFeatures([np.array([0]), np.array([1])], 2, 3)
    assert grams.of([np.array([1, 0, 1, 0])]).times(torch.eye(2)).tolist() == [[2, 2]]


def test_positions_are_one_hot():
    counts = linear.positions([np.array([1, 0, 1]), np.array([0, 0, 1])], 2, 3)
    assert counts.times(torch.eye(6)).tolist() == [[0, 1, 1, 0, 0, 1], [1, 0, 1, 0, 0, 1]]


def test_statistics_of_each_channel():
    series = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 6.0]])
    row = linear.statistics([series, series[:1]])
    torch.testing.assert_close(row[0], torch.tensor([2, 6, 2, 2, (2 / 3) ** 0.5, 8**0.5, 1, 0, 3, 6]))
    assert row[1].tolist() == [1, 0, 1, 0, 0, 0, 1, 0, 1, 0]
