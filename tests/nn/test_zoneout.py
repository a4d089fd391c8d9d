"""Zoneout, resets and projection reach `Recurrent` as they reach `elman.nn`: the same numbers."""

import pytest
import torch
from torch import nn

from elman import nn as ours
from elman.core.errors import ConfigError, DataError
from elman.core.records import Seq
from elman.nn import encoder
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


@pytest.mark.parametrize("projection", [0, 3])
@pytest.mark.parametrize("zoneout", [0.0, 0.3])
@pytest.mark.parametrize("options", [{}, {"residual": True}, {"skip": True}], ids=str)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_steps_are_the_whole(cell, options, zoneout, projection):
    if projection and cell == "gru":
        pytest.skip("a GRU's hidden state cannot be projected")
    network = Recurrent(cell, F, H, layers=2, zoneout=zoneout, projection=projection, **options)
    network, x = network.eval(), torch.randn(T, B, F)
    state = tuple(torch.randn_like(s) for s in network.initial(B))
    whole, end = network(Seq(x), state)
    kept = encoder.stepper(network, state)
    torch.testing.assert_close(torch.stack([kept(step) for step in x]), whole.data)
    torch.testing.assert_close(tuple(torch.stack(s) for s in zip(*kept.state, strict=True)), end)
    kept.put(state)
    torch.testing.assert_close(kept(x[0]), whole.data[0])
    once, after = encoder.one_step(network), state
    for step, y in zip(x, whole.data, strict=True):
        got, after = once(step, after)
        torch.testing.assert_close(got, y)
    torch.testing.assert_close(after, end)


@pytest.mark.parametrize("proj_size", [0, 3])
def test_a_stepper_of_elman_nn_uses_the_expectation_of_zoneout(proj_size):
    layer, x = ours.LSTM(F, H, 2, zoneout=0.3, proj_size=proj_size).eval(), torch.randn(T, B, F)
    stepper = layer.stepper(batch=B)
    torch.testing.assert_close(torch.stack([stepper(step) for step in x]), layer(x)[0])


def test_a_projection_is_that_of_torch():
    torch.manual_seed(0)
    layer = torch.nn.LSTM(F, H, 2, bidirectional=True, proj_size=3)
    network = Recurrent("lstm", F, H, layers=2, bidirectional=True, projection=3)
    network.load_state_dict(layer.state_dict())
    assert (network.state_sizes, network.output_size) == ((3, H), 6)
    x = torch.randn(T, B, F)
    expected, last = layer(x)
    y, state = network(Seq(x))
    torch.testing.assert_close(y.data, expected)
    torch.testing.assert_close(state, last)


@pytest.mark.parametrize("init", ["orthogonal", "torch"])
def test_a_learnt_start_of_a_projected_state_is_as_wide_as_the_state(init):
    network = Recurrent("lstm", F, H, projection=3, learn_initial=True, init=init)
    nn.init.normal_(network.initial_state)
    assert [s.shape for s in network.initial(B)] == [(1, B, 3), (1, B, H)]
    y, _ = network(Seq(torch.randn(T, B, F)))
    y.data.sum().backward()
    assert network.initial_state.grad.abs().sum() > 0
    assert network.weight_hr_l0.abs().sum() > 0
    assert "projection=3" in repr(network)


def test_what_does_not_fit_is_refused():
    for cell, size, fault in (
        ("gru", 3, "projection: expected one whose hidden state enters products only.*the cell gru"),
        ("gru_reset_before", 3, "the cell gru_reset_before"),
        ("lstm", H, f"projection: expected from 1 to below hidden_size = {H}, or 0, got {H}"),
        ("lstm", -1, "projection: expected from 1"),
    ):
        with pytest.raises(ConfigError, match=fault):
            Recurrent(cell, F, H, projection=size)
    network = Recurrent("lstm", F, H, projection=3)
    with pytest.raises(DataError, match=r"2 of shape \[1, 3, 3\] and \[1, 3, 6\]"):
        network(Seq(torch.randn(T, B, F)), (torch.zeros(1, B, H), torch.zeros(1, B, H)))
    network = Recurrent("gru", F, H, zoneout=0.3)
    with pytest.raises(ConfigError, match="zoneout: expected from 0 to below 1, got 1"):
        Recurrent("gru", F, H, zoneout=1)
    for reset in (torch.zeros(T, B), torch.zeros(B, T, dtype=torch.bool)):
        with pytest.raises(DataError, match="reset"):
            network(Seq(torch.randn(T, B, F)), reset=reset)
