"""Distributions of a step: against torch's own, against sums and integrals, and with wild numbers."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import distributions as known

from elman.nn.mixture_densities import (
    END,
    UP,
    ChordNADE,
    Gaussians,
    IndependentNotes,
    MixtureScale,
    PenMixture,
)

SCALE = MixtureScale(torch.tensor([3.0, -40.0]), torch.tensor([2.0, 90.0]), 0.02)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def pens(count: int = 4, *shape: int) -> PenMixture:
    """Pens of any raw numbers, in the data's units."""
    return PenMixture.of(torch.randn(*shape, PenMixture.parameters(count)), count, SCALE)


def test_a_pen_is_torchs_mixture_of_gaussians():
    said, values = pens(4, 5), torch.randn(5, 2) * 60
    x, y = said.std.unbind(-1)
    shared = said.rho * x * y
    wide = torch.stack([torch.stack([x * x, shared], -1), torch.stack([shared, y * y], -1)], -2)
    moves = known.MixtureSameFamily(
        known.Categorical(logits=said.logits), known.MultivariateNormal(said.mean, wide)
    )
    states = torch.tensor([0, 1, 0, 1, 0])
    expected = -moves.log_prob(values) - known.Categorical(logits=said.pen).log_prob(states)
    torch.testing.assert_close(said.nats(torch.cat([values, states[:, None].float()], -1)), expected)


def test_the_end_of_a_drawing_is_a_state_alone():
    said = pens(3, 4)
    asked = torch.tensor([[0.0, 0.0, END], [9e5, -4.0, END]])[:, None]
    expected = -said.pen.log_softmax(-1)[:, END]
    torch.testing.assert_close(said.nats(asked.expand(2, 4, 3)), expected.expand(2, 4))


def test_gaussians_are_torchs_mixture():
    count, channels = 3, 2
    said = Gaussians.of(torch.randn(6, Gaussians.parameters(count, channels)), count, SCALE)
    values = torch.randn(6, channels) * 50
    parts = known.Independent(known.Normal(said.mean, said.std), 1)
    expected = known.MixtureSameFamily(known.Categorical(logits=said.logits), parts)
    torch.testing.assert_close(said.nats(values), -expected.log_prob(values))


@pytest.mark.parametrize("scale", [1.0, 25.0])
def test_densities_integrate_to_one_in_the_datas_own_units(scale):
    unit = MixtureScale(torch.tensor([1.0, -1.0]) * scale, torch.full((2,), scale), 0.05)
    pen = PenMixture.of(torch.randn(PenMixture.parameters(3)).double(), 3, unit)
    plain = Gaussians.of(torch.randn(Gaussians.parameters(3, 2)).double(), 3, unit)
    axis = torch.linspace(-12, 12, 1201).double() * scale
    cell = (axis[1] - axis[0]) ** 2
    grid = torch.cartesian_prod(axis, axis)
    assert float(torch.exp(-plain.nats(grid)).sum() * cell) == pytest.approx(1, abs=1e-4)
    total = torch.exp(-pen.nats(torch.tensor([0.0, 0.0, END]).double()))
    for state in (0, UP):
        rows = torch.cat([grid, torch.full((len(grid), 1), float(state)).double()], 1)
        total += torch.exp(-pen.nats(rows)).sum() * cell
    assert float(total) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e8])
def test_wild_numbers_give_finite_losses_and_gradients(size):
    raw = (torch.randn(50, PenMixture.parameters(5)) * size).requires_grad_()
    values = torch.cat([torch.randn(50, 2) * 1e4, torch.randint(0, 3, (50, 1)).float()], 1)
    nats = PenMixture.of(raw, 5, SCALE).nats(values)
    assert nats.isfinite().all()
    nats.sum().backward()
    assert raw.grad is not None
    assert raw.grad.isfinite().all()


def test_a_deviation_is_never_below_the_least():
    said = PenMixture.of(torch.full((PenMixture.parameters(2),), -1e6), 2, SCALE)
    torch.testing.assert_close(said.std, (SCALE.deviation * SCALE.least).expand(2, 2))
    assert (said.rho.abs() < 1).all()


def test_draws_of_a_pen_have_its_moments():
    one = pens(1)
    said = PenMixture(
        *(part.expand(200_000, *part.shape) for part in (one.logits, one.mean, one.std, one.rho, one.pen))
    )
    drawn = said.sample(torch.Generator().manual_seed(1))
    moves, states = drawn[:, :2], drawn[:, 2].long()
    torch.testing.assert_close(moves.mean(0), one.mean[0], atol=0.5, rtol=0.02)
    torch.testing.assert_close(moves.std(0), one.std[0], rtol=0.02, atol=0)
    assert torch.corrcoef(moves.t())[0, 1] == pytest.approx(float(one.rho[0]), abs=0.02)
    shares = torch.bincount(states, minlength=3) / len(states)
    torch.testing.assert_close(shares, one.pen.softmax(-1), atol=0.01, rtol=0)


def test_parts_are_drawn_by_their_weights():
    logits = torch.tensor([0.0, 2.0, -1.0])
    mean = torch.tensor([[0.0], [100.0], [200.0]])
    said = Gaussians(*(part.expand(50_000, *part.shape) for part in (logits, mean, torch.full((3, 1), 0.1))))
    found = said.sample(torch.Generator().manual_seed(1)).div(100).round().long().flatten()
    shares = torch.bincount(found, minlength=3) / len(found)
    torch.testing.assert_close(shares, logits.softmax(0), atol=0.01, rtol=0)


def test_temperature_is_gravess_bias():
    """b = 1 / temperature - 1: weights softmax(logits (1 + b)), deviations exp(-b)."""
    temperature, bias = 0.5, 1.0
    one = pens(3)
    parts = (one.logits, one.mean, one.std, one.rho, one.pen)
    said = PenMixture(*(part.expand(100_000, *part.shape) for part in parts))
    drawn = said.sample(torch.Generator().manual_seed(1), temperature)
    weights = (one.logits * (1 + bias)).softmax(0)
    mean = (weights[:, None] * one.mean).sum(0)
    spread = (weights[:, None] * ((one.std * math.exp(-bias)) ** 2 + (one.mean - mean) ** 2)).sum(0)
    torch.testing.assert_close(drawn[:, :2].mean(0), mean, rtol=0.02, atol=0.5)
    torch.testing.assert_close(drawn[:, :2].std(0), spread.sqrt(), rtol=0.02, atol=0)


def test_temperature_nought_is_the_likeliest():
    said = pens(4, 7)
    drawn = said.sample(torch.Generator(), 0.0)
    best = said.mean[torch.arange(7), said.logits.argmax(-1)]
    torch.testing.assert_close(drawn[:, :2], best)
    assert torch.equal(drawn[:, 2].long(), said.pen.argmax(-1))
    notes = IndependentNotes(torch.randn(3, 9))
    assert torch.equal(notes.sample(torch.Generator(), 0.0), (notes.logits > 0).float())


def test_the_same_seed_draws_the_same():
    said = pens(4, 7)
    first, again, other = (said.sample(torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_notes_are_coins():
    said, values = IndependentNotes(torch.randn(5, 12)), torch.randint(0, 2, (5, 12)).float()
    expected = -known.Bernoulli(logits=said.logits).log_prob(values).sum(-1)
    torch.testing.assert_close(said.nats(values), expected)
    wild = IndependentNotes(torch.tensor([[1e4, -1e4]]))
    torch.testing.assert_close(wild.nats(torch.tensor([[0.0, 1.0]])), torch.tensor([2e4]))


def chords(notes: int = 6, hidden: int = 4, *shape: int) -> ChordNADE:
    return ChordNADE(
        torch.randn(*shape, notes),
        torch.randn(*shape, hidden),
        torch.randn(notes, hidden),
        torch.randn(notes, hidden),
    )


def test_a_chord_is_what_its_formula_says():
    said, values = chords(6, 4, 3, 2), torch.randint(0, 2, (3, 2, 6)).float()
    nats = torch.zeros(3, 2)
    hidden = said.start
    for note in range(6):
        logits = said.bias[..., note] + torch.tanh(hidden) @ said.write[note]
        nats -= known.Bernoulli(logits=logits).log_prob(values[..., note])
        hidden = hidden + values[..., note, None] * said.read[note]
    torch.testing.assert_close(said.nats(values), nats)


def test_all_chords_together_are_certain():
    every = torch.tensor([*itertools.product((0.0, 1.0), repeat=6)])
    one = chords()
    said = ChordNADE(one.bias.expand(len(every), -1), one.start.expand(len(every), -1), one.write, one.read)
    assert float(torch.exp(-said.nats(every)).sum()) == pytest.approx(1, abs=1e-5)


def test_chords_are_drawn_as_often_as_they_are_likely():
    one, count = chords(4, 3), 60_000
    said = ChordNADE(one.bias.expand(count, -1), one.start.expand(count, -1), one.write, one.read)
    drawn = said.sample(torch.Generator().manual_seed(1))
    every = torch.tensor([*itertools.product((0.0, 1.0), repeat=4)])
    places = (drawn @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
    wide = ChordNADE(one.bias.expand(len(every), -1), one.start.expand(len(every), -1), one.write, one.read)
    torch.testing.assert_close(
        torch.bincount(places, minlength=16) / count, torch.exp(-wide.nats(every)), atol=0.01, rtol=0
    )


def test_silence_has_a_chance_too():
    said = chords(5, 3, 4)
    logits = said.bias + torch.tanh(said.start) @ said.write.t()
    expected = -known.Bernoulli(logits=logits).log_prob(torch.zeros(4, 5)).sum(-1)
    torch.testing.assert_close(said.nats(torch.zeros(4, 5)), expected)
