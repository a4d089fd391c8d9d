"""The distributions against torch.distributions, and their samples against their means and spreads."""

from __future__ import annotations

import math

import pytest
import torch

from elman.nn.distributions import DISTRIBUTIONS, Distribution, Gaussian, NegativeBinomial, StudentT

CENTRE = torch.tensor([0.0, 3.0, -40.0], dtype=torch.float64)
SCALE = torch.tensor([1.0, 0.5, 12.0], dtype=torch.float64)


def made(kind: type[Distribution]) -> Distribution:
    raw = torch.tensor([[0.3, -0.2, 1.5], [-1.0, 0.8, 3.0], [2.0, 0.1, 6.0]], dtype=torch.float64)
    return kind.of(raw[:, : kind.parameters], CENTRE, SCALE)


def torchs(own: Distribution) -> torch.distributions.Distribution:
    if isinstance(own, Gaussian):
        return torch.distributions.Normal(own.mean, own.std)
    if isinstance(own, StudentT):
        return torch.distributions.StudentT(own.degrees, own.mean, own.width)
    assert isinstance(own, NegativeBinomial)
    odds = own.shape * own.mean
    return torch.distributions.NegativeBinomial(1 / own.shape, odds / (1 + odds))


@pytest.mark.parametrize("kind", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_nats_and_mean_are_torchs(kind):
    own = made(kind)
    values = torch.tensor([2.0, 0.0, 17.0], dtype=torch.float64)
    torch.testing.assert_close(own.nats(values), -torchs(own).log_prob(values))
    torch.testing.assert_close(own.mean, torchs(own).mean)


@pytest.mark.parametrize("kind", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_samples_have_mean_and_spread_and_follow_the_seed(kind):
    raw = torch.tensor([0.7, 0.4, 3.0], dtype=torch.float64)[: kind.parameters].expand(400_000, -1)
    centre, scale = torch.tensor(5.0, dtype=torch.float64), torch.tensor(9.0, dtype=torch.float64)
    own = kind.of(raw, centre, scale)
    draws = own.sample(torch.Generator().manual_seed(3))
    assert torch.equal(draws, own.sample(torch.Generator().manual_seed(3)))
    variance = torchs(own).variance[0]
    assert float(draws.mean()) == pytest.approx(float(own.mean[0]), abs=6 * math.sqrt(variance / 400_000))
    assert float(draws.var()) == pytest.approx(float(variance), rel=0.06)
    # The share below a value is what torch's samples have there: the shape is right, not only two moments.
    torch.manual_seed(4)
    others = torchs(own).sample()
    for cut in (0.05, 0.3, 0.7, 0.95):
        at = others.quantile(cut)
        below = float((others <= at).double().mean())
        assert float((draws <= at).double().mean()) == pytest.approx(below, abs=0.006)


def test_counts_are_counts():
    own = made(NegativeBinomial)
    draws = own.sample(torch.Generator().manual_seed(1))
    assert torch.equal(draws, draws.round())
    assert (draws >= 0).all()


@pytest.mark.parametrize("kind", [Gaussian, StudentT])
def test_a_change_of_units_changes_the_nats_by_its_logarithm(kind):
    raw = torch.tensor([[0.3, -0.2, 1.5]], dtype=torch.float64)[:, : kind.parameters]
    one = kind.of(raw, torch.zeros(1).double(), torch.ones(1).double())
    other = kind.of(raw, torch.full((1,), 7.0).double(), torch.full((1,), 100.0).double())
    value = torch.tensor([0.9], dtype=torch.float64)
    torch.testing.assert_close(other.nats(7 + 100 * value), one.nats(value) + math.log(100))


@pytest.mark.parametrize("mean", [0.01, 1.0, 1e3, 1e6, 1e8])
@pytest.mark.parametrize("shape", [1e-9, 1e-4, 0.25, 20.0])
def test_counts_of_any_size_have_the_nats_that_many_digits_give(mean, shape):
    """Against logarithms with 60 digits: ln C(x + r - 1, x) + r ln(r / (r + m)) + x ln(m / (r + m))."""
    mpmath = pytest.importorskip("mpmath")
    own = NegativeBinomial(*(torch.tensor([number] * 4, requires_grad=True) for number in (mean, shape)))
    width = math.sqrt(float(own.mean[0]) + float(own.shape[0]) * mean * mean)
    counts = [0.0, *(max(0.0, round(mean + off * width)) for off in (-1, 0, 2))]
    values = torch.tensor(counts)
    expected = []
    with mpmath.workdps(60):
        m, r = mpmath.mpf(float(own.mean[0])), 1 / mpmath.mpf(float(own.shape[0]))
        for x in map(mpmath.mpf, values.tolist()):
            ways = mpmath.loggamma(x + r) - mpmath.loggamma(r) - mpmath.loggamma(x + 1)
            expected.append(float(-(ways + r * mpmath.log(r / (r + m)) + x * mpmath.log(m / (r + m)))))
    nats = own.nats(values)
    torch.testing.assert_close(nats, torch.tensor(expected), rtol=1e-5, atol=1e-5)
    nats.sum().backward()
    assert all(part.grad is not None and part.grad.isfinite().all() for part in (own.mean, own.shape))
