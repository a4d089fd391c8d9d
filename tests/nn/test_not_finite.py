"""What is not finite spoils what it reaches, and nothing else: neither across padding nor by zeros."""

from __future__ import annotations

import math

import pytest
import torch

import elman
from elman.core.records import Seq
from elman.nn.recurrent import Recurrent


@pytest.mark.parametrize(("cell", "weight"), [("indrnn", "recurrent_l0"), ("rnn_relu", "weight_hh_l0")])
def test_nan_of_padding_stays_out_of_gradients(cell, weight):
    """The last step that is there has a gradient of its own; those behind it read no weight."""
    layer = Recurrent(cell, 3, 4, kernel="loop").double()
    with torch.no_grad():
        dict(layer.named_parameters())[weight].fill_(math.nan)
    x = torch.randn(6, 2, 3, dtype=torch.float64, requires_grad=True)
    layer(Seq(x, torch.tensor([6, 1])))[0].data[:, 1].sum().backward()
    alone = x[:1, 1:].detach().requires_grad_()
    layer(Seq(alone, None))[0].data.sum().backward()
    assert alone.grad.isfinite().all()
    torch.testing.assert_close(x.grad[:1, 1], alone.grad[:, 0])
    assert (x.grad[1:, 1] == 0).all()


def test_a_hidden_state_without_a_gradient_makes_no_nan():
    """Of the cell state alone: torch has no gradient there, and so no zero times a NaN."""
    theirs = torch.nn.LSTMCell(2, 3)
    ours = elman.nn.LSTMCell(2, 3)
    ours.load_state_dict(theirs.state_dict())
    x = torch.tensor([[math.nan, 1.0], [0.5, -1.0]])
    found = []
    for cell in (theirs, ours):
        cell(x)[1].sum().backward()
        found.append({name: weight.grad.clone() for name, weight in cell.named_parameters()})
    for name, grad in found[0].items():
        torch.testing.assert_close(found[1][name], grad, equal_nan=True)
    assert found[0]["bias_ih"][9:].eq(0).all()
