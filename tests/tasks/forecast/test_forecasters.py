"""The forecasting networks: what they look at, what they must not, and that paths follow the distribution."""

from __future__ import annotations

import math

import pytest
import torch

from elman.core.errors import DataError
from elman.core.records import Seq
from elman.nn.distributions import DISTRIBUTIONS, Gaussian
from elman.nn.recurrent import Recurrent
from elman.tasks.forecast.networks import (
    SCALES,
    Autoregressive,
    Densities,
    Direct,
    Quantiles,
    Scaling,
    WindowLayout,
    by_last,
)

LAYOUT = WindowLayout(context=12, horizon=5, lags=(3, 7), known=2, past=1)
LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture(autouse=True)
def _plain(plain):
    pass


def body(inputs: int) -> Recurrent:
    return Recurrent("lstm", inputs, 8)


def windows(count: int = 3, horizon: int = 5) -> torch.Tensor:
    data = torch.randn(LAYOUT.origin + horizon, count, LAYOUT.channels) + 4
    data[..., 1] = 1
    data[LAYOUT.origin :, :, -1] = 0
    return data


def direct(patch: int = 1) -> Direct:
    network = Direct(LAYOUT, LEVELS, by_last, body, patch=patch)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def autoregressive(kind: str = "gaussian", scale: str = "mean") -> Autoregressive:
    return Autoregressive(LAYOUT, DISTRIBUTIONS[kind], SCALES[scale], body)


def disturbed(data: torch.Tensor) -> torch.Tensor:
    """The same windows with other values, observed or not, in the horizon."""
    other = data.clone()
    other[LAYOUT.origin :, :, 0] = 1e6
    other[LAYOUT.origin :, :, 1] = 0
    return other


@pytest.mark.parametrize("patch", [1, 4])
def test_quantiles_do_not_look_into_the_horizon(patch):
    network, data = direct(patch), windows()
    assert torch.equal(network(Seq(data))[0].raw, network(Seq(disturbed(data)))[0].raw)


def test_paths_do_not_look_into_the_horizon():
    network, data = autoregressive(), windows()
    paths = [network.paths(each, 4, torch.Generator().manual_seed(1)) for each in (data, disturbed(data))]
    assert torch.equal(*paths)


@pytest.mark.parametrize("step", range(LAYOUT.before, LAYOUT.origin + 5))
def test_a_step_sees_no_value_of_itself_or_later(step):
    network, data = autoregressive(), windows()
    other = data.clone()
    other[step:, :, 0] += 100
    # The scaling sees all of the context; here it is the same for both.
    scaling = network.layout.scaling(data, network.scale)
    inputs = [network._inputs(each, scaling, network.layout.before, len(each)) for each in (data, other)]
    upto = step - network.layout.before + 1
    assert torch.equal(inputs[0][:upto], inputs[1][:upto])
    assert not torch.equal(inputs[0], inputs[1]) or step == len(data) - 1


KINDS = [("gaussian", "last"), ("student_t", "mean"), ("negative_binomial", "size")]


@pytest.mark.parametrize(("kind", "scale"), KINDS)
def test_a_path_is_drawn_from_what_the_network_says_of_it(kind, scale):
    """Fed with its own path, the network gives at each step the distribution that the path was drawn from."""
    network, data = autoregressive(kind, scale), windows(1).abs().round()
    data[..., 1] = 1
    path = network.paths(data, 1, torch.Generator().manual_seed(5))[:, 0]
    fed = data.clone()
    fed[LAYOUT.origin :, :, 0] = path
    with torch.no_grad():
        said = network(Seq(fed))[0]
    generator = torch.Generator().manual_seed(5)
    drawn = [said.at(raw).sample(generator) for raw in said.raw[LAYOUT.context :]]
    torch.testing.assert_close(torch.stack(drawn), path, rtol=1e-4, atol=1e-4)


def test_paths_go_on_beyond_the_learnt_horizon_and_quantiles_do_not():
    assert autoregressive().paths(windows(2, 40), 3, torch.Generator()).shape == (40, 3, 2)
    with pytest.raises(DataError, match="horizon: expected 5, as it was trained, got 6 steps"):
        direct()(Seq(windows(2, 6)))


def test_a_lag_beyond_the_origin_looks_back_by_a_multiple():
    network, data = direct(), windows()
    values = data[: LAYOUT.origin, :, 0]
    ahead = network._ahead(data, values)
    origin = LAYOUT.origin
    for step in range(LAYOUT.horizon):
        assert torch.equal(ahead[step, :, 2], values[origin + step - (3 if step < 3 else 6)])
        assert torch.equal(ahead[step, :, 3], values[origin + step - 7])


@pytest.mark.parametrize("network", [direct(4), autoregressive()], ids=["quantiles", "autoregressive"])
def test_windows_together_are_as_one_by_one(network):
    data = windows(4)
    with torch.no_grad():
        together = network(Seq(data))[0].raw
        alone = torch.cat([network(Seq(data[:, [i]]))[0].raw for i in range(4)], 1)
    torch.testing.assert_close(together, alone)


def test_scalings():
    values = torch.tensor([[1.0, 0.0, -2.0], [3.0, 0.0, -2.0], [9.0, 0.0, -2.0]])
    observed = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    last, mean, size = (SCALES[name](values, observed) for name in ("last", "mean", "size"))
    assert last.centre.tolist() == [9, 0, -2]
    assert mean.centre.tolist() == [2, 0, -2]
    assert mean.scale.tolist() == last.scale.tolist() == [1, 1, 1]  # what never changes: one
    assert SCALES["mean"](values, observed, 3.0).scale.tolist() == [1, 3, 3]  # or what is given
    assert (size.centre.tolist(), size.scale.tolist()) == ([0, 0, 0], [2, 1, 2])


def test_missing_targets_are_not_scored():
    scaling = Scaling(torch.zeros(2), torch.ones(2))
    targets = torch.tensor([[1.0, math.nan], [2.0, 3.0]])
    said = Quantiles(torch.zeros(2, 2, 4), scaling, torch.tensor(LEVELS))
    expected = [2 * value * (0.1 + 0.5 + 0.9) / 3 for value in (1, 2, 3)]
    assert said.losses(targets).tolist() == pytest.approx(expected)
    assert said.squares(targets).tolist() == pytest.approx([0.5, 2, 4.5])
    densities = Densities(torch.zeros(2, 2, 2), scaling, Gaussian)
    assert densities.losses(targets).shape == (3,)
    parameters = torch.zeros(2, 2, 2, requires_grad=True)
    Densities(parameters, scaling, Gaussian).losses(targets).sum().backward()
    assert parameters.grad is not None
    assert parameters.grad.isfinite().all()
    assert (parameters.grad[0, 1] == 0).all()


def test_quantiles_come_in_order_and_in_units():
    scaling = Scaling(torch.tensor([10.0]), torch.tensor([2.0]))
    raw = torch.tensor([[[0.5, 1.0, -1.0, 0.0]]])
    assert Quantiles(raw, scaling, torch.tensor(LEVELS)).in_units().tolist() == [[[11, 8, 10, 12]]]
