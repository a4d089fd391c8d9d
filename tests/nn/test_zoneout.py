"""Zoneout and resets reach `Recurrent` as they reach `elman.nn`: the same numbers, to the bit."""

import pytest
import torch

from elman import nn as ours
from elman.core.errors import ConfigError, DataError
from elman.core.records import Seq
from elman.nn.recurrent import Recurrent

T, B, F, H = 9, 3, 4, 6


def pair(cell, layers, bidirectional, **options):
    """A layer of elman.nn, and `Recurrent` with its weights."""
    torch.manual_seed(0)
    layer = getattr(ours, cell.upper())(F, H, layers, bidirectional=bidirectional, **options)
    network = Recurrent(cell, F, H, layers=layers, bidirectional=bidirectional, **options)
    network.load_state_dict(layer.state_dict())
    return layer, network


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_recurrent_with_zoneout_and_resets_is_that_of_elman_nn(cell, layers, bidirectional, training):
    layer, network = pair(cell, layers, bidirectional, zoneout=0.3, dropout=0.2 * (layers > 1))
    x, reset = torch.randn(T, B, F), torch.rand(T, B) < 0.3
    lengths = torch.tensor([T, 4, 7])
    torch.manual_seed(1)
    expected, last = layer.train(training)(x, lengths=lengths, reset=reset)
    torch.manual_seed(1)
    y, state = network.train(training)(Seq(x, lengths), reset=reset)
    assert torch.equal(y.data, expected)
    for got, told in zip(state, last if cell == "lstm" else (last,), strict=True):
        assert torch.equal(got, told)
    parts = [
        list(torch.autograd.grad(out.square().sum(), module.parameters()))
        for out, module in ((y.data, network), (expected, layer))
    ]
    for got, told in zip(*parts, strict=True):
        assert torch.equal(got, told)


def test_zoneout_and_resets_do_something():
    plain, network = pair("gru", 1, False)[1], pair("gru", 1, False, zoneout=0.3)[1].eval()
    x, reset = torch.randn(T, B, F), torch.zeros(T, B, dtype=torch.bool)
    assert not torch.equal(network(Seq(x))[0].data, plain(Seq(x))[0].data)
    reset[5] = True
    y = plain(Seq(x), reset=reset)[0].data
    torch.testing.assert_close(y[5:], plain(Seq(x[5:]))[0].data)
    assert not torch.allclose(y[5:], plain(Seq(x))[0].data[5:])


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_zoneout_in_pieces_is_that_of_the_whole(cell):
    network, x = pair(cell, 2, False, zoneout=0.3)[1].eval(), torch.randn(T, B, F)
    whole, end = network(Seq(x))
    first, state = network(Seq(x[:4]))
    rest, state = network(Seq(x[4:]), state)
    torch.testing.assert_close(torch.cat([first.data, rest.data]), whole.data)
    torch.testing.assert_close(state, end)


def test_what_does_not_fit_is_refused():
    network = Recurrent("gru", F, H, zoneout=0.3)
    with pytest.raises(ConfigError, match=r"steps of Recurrent.*zoneout=0.3"):
        network.layer_steppers(network.initial(1))
    with pytest.raises(ConfigError, match=r"steps of Recurrent.*zoneout=0.3"):
        network.layer_advances()
    with pytest.raises(ConfigError, match="zoneout: expected from 0 to below 1, got 1"):
        Recurrent("gru", F, H, zoneout=1)
    for reset in (torch.zeros(T, B), torch.zeros(B, T, dtype=torch.bool)):
        with pytest.raises(DataError, match="reset"):
            network(Seq(torch.randn(T, B, F)), reset=reset)
