"""What is not finite spoils what it reaches, and nothing else: neither across padding nor by zeros."""

from __future__ import annotations

import math

import pytest
import torch

import elman
from elman.core.records import Seq
from elman.nn.recurrent import Recurrent


@pytest.mark.parametrize("cell", ["lstm", "gru", "indrnn", "peephole_lstm"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_of_padding_stays_out_of_gradients(cell, bad):
    """A weight that is not finite spoils steps that read it; what is padding reads nothing."""
    layer = Recurrent(cell, 3, 4, kernel="loop").double()
    with torch.no_grad():
        dict(layer.named_parameters())["bias_ih_l0"][0] = bad
    x = torch.randn(6, 2, 3, dtype=torch.float64, requires_grad=True)
    whole, _ = layer(Seq(x, torch.tensor([6, 2])))
    whole.data[:, 1].nan_to_num().sum().backward()
    padded = x.grad[:2, 1].clone()
    alone = x[:2, 1:].detach().requires_grad_()
    layer(Seq(alone, None))[0].data.nan_to_num().sum().backward()
    torch.testing.assert_close(padded, alone.grad[:, 0], equal_nan=True)
    assert (x.grad[2:, 1] == 0).all()


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
