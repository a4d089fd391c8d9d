"""The learning rate's course, the optimisers, averaged weights, clipping."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from elman.core.run_config import TrainingSettings
from elman.training import optimizers


def test_the_rate_rises_and_follows_half_a_cosine():
    config = TrainingSettings(lr=1.0, warmup=0.1, final_lr=0.1)
    rates = [optimizers.rate(config, step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.55)
    assert rates[100] == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_constant_and_plateau():
    assert optimizers.rate(TrainingSettings(lr=1.0, schedule="constant", warmup=0.0), 99, 100) == 1.0
    assert (
        optimizers.rate(TrainingSettings(lr=1.0, schedule="plateau", warmup=0.0), 99, 100, halvings=3)
        == 0.125
    )


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_every_optimiser_learns(name):
    torch.manual_seed(0)
    network, x = nn.Linear(4, 1), torch.randn(64, 4)
    target = x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]])
    optimizer = optimizers.optimizer(network, TrainingSettings(optimizer=name, lr=0.05, weight_decay=0.0))
    for _ in range(300):
        optimizer.zero_grad()
        loss = (network(x) - target).square().mean()
        loss.backward()
        optimizer.step()
    assert loss < 1e-3


def test_decay_leaves_biases_alone():
    network = nn.Linear(3, 3)
    optimizer = optimizers.optimizer(network, TrainingSettings(weight_decay=0.5, lr=0.1))
    before = network.bias.detach().clone(), network.weight.detach().clone()
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.equal(network.bias, before[0])
    assert torch.allclose(network.weight, before[1] * 0.95)


def test_the_average_is_the_recursion():
    network = nn.Linear(2, 1)
    average = optimizers.WeightAverage(network, 0.9)
    expected = network.weight.detach().double().clone()
    for n in range(50):
        with torch.no_grad():
            network.weight += torch.randn(1, 2)
        average.update(network)
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * network.weight.detach().double()
    assert torch.allclose(average.weights["weight"].double(), expected, atol=1e-5)


def test_clipping_by_norm():
    weight = nn.Parameter(torch.zeros(4))
    weight.grad = torch.full((4,), 3.0)
    assert optimizers.gradient_norm([weight], 1.0) == pytest.approx(6.0)
    assert weight.grad.norm() == pytest.approx(1.0, rel=1e-4)
    assert optimizers.gradient_norm([weight], 0.0) == pytest.approx(1.0, rel=1e-4)
    weight.grad[0] = math.nan
    assert math.isnan(optimizers.gradient_norm([weight], 1.0))


def test_noise_is_on_the_weights_within_and_gone_after(plain):
    network = torch.nn.Linear(200, 100)
    network.bias.requires_grad_(False)
    before = {name: weights.detach().clone() for name, weights in network.named_parameters()}
    with optimizers.weight_noise(network, 0.1):
        moved = network.weight.detach() - before["weight"]
        assert float(moved.std()) == pytest.approx(0.1, rel=0.02)
        assert torch.equal(network.bias, before["bias"])
        network(torch.ones(1, 200)).sum().backward()
    assert torch.equal(network.weight, before["weight"])
    assert network.weight.grad is not None


def test_weights_are_what_they_were_after_an_error(plain):
    network = torch.nn.Linear(2, 2)
    before = network.weight.detach().clone()
    with pytest.raises(ValueError, match="within"), optimizers.weight_noise(network, 0.5):
        raise ValueError("within")
    assert torch.equal(network.weight, before)
