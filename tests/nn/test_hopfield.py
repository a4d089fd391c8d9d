"""Memories whose patterns are attractors: their weights, their energies, and what theory says they hold."""

from __future__ import annotations

import math

import pytest
import torch

from elman.core.errors import ConfigError, DataError
from elman.nn import hopfield
from elman.nn.hopfield import Asynchronous, Capacity, Modern, Synchronous

RULES = {"hebb": hopfield.hebb, "pseudo_inverse": hopfield.pseudo_inverse, "storkey": hopfield.storkey}


def patterns(count: int, size: int, seed: int = 1) -> torch.Tensor:
    return hopfield.random_patterns(count, size, torch.Generator().manual_seed(seed))


def cues(stored: torch.Tensor, flipped: float, erased: float = 0.0, seed: int = 1) -> torch.Tensor:
    return hopfield.damaged(stored, flipped, erased, torch.Generator().manual_seed(seed))


@pytest.fixture(params=RULES)
def rule(request):
    return RULES[request.param]


# What is learnt


def test_weights_are_symmetric_without_a_diagonal(rule):
    weights = rule(patterns(7, 30))
    assert torch.equal(weights.diagonal(), torch.zeros(30))
    torch.testing.assert_close(weights, weights.t())


def test_hebb_is_the_sum_of_products():
    stored = patterns(3, 6)
    for i in range(6):
        for j in range(6):
            products = sum(float(x[i] * x[j]) for x in stored) / 6
            assert float(hopfield.hebb(stored)[i, j]) == pytest.approx(products if i != j else 0)


def test_storkey_is_its_formula_written_in_loops():
    stored, size = patterns(4, 7), 7
    weights = torch.zeros(size, size, dtype=torch.float64)
    for x in stored.double():
        field = [
            [sum(weights[i, k] * x[k] for k in range(size) if k not in (i, j)) for j in range(size)]
            for i in range(size)
        ]
        before = weights.clone()
        for i in range(size):
            for j in range(size):
                if i != j:
                    change = x[i] * x[j] - x[i] * field[j][i] - field[i][j] * x[j]
                    weights[i, j] = before[i, j] + change / size
    torch.testing.assert_close(hopfield.storkey(stored).double(), weights, atol=1e-6, rtol=1e-5)


def test_the_pseudo_inverse_keeps_what_hebb_loses():
    stored = patterns(60, 100)
    kept = {
        name: hopfield.recall(Asynchronous(rule(stored)), stored).final == stored
        for name, rule in RULES.items()
    }
    assert kept["pseudo_inverse"].all()
    assert kept["hebb"].all(1).sum() == 0


def test_storkey_holds_more_than_hebb():
    stored = patterns(30, 100)
    kept = {
        name: hopfield.overlap(hopfield.recall(Asynchronous(rule(stored)), stored).final, stored).mean()
        for name, rule in RULES.items()
    }
    assert kept["storkey"] > 0.99
    assert kept["hebb"] < 0.9


# What recalls


@pytest.mark.parametrize("erased", [0.0, 0.3])
def test_no_update_of_a_unit_raises_the_energy(rule, erased):
    stored = patterns(12, 60)
    memory = Asynchronous(rule(stored), seed=3)
    states = cues(stored, 0.25, erased)
    for step in range(4):
        after, one_by_one = memory.update(states, step), states.clone()
        for unit in memory.order(step):
            energy = memory.energy(one_by_one)
            field = one_by_one @ memory.weights[unit]
            one_by_one[:, unit] = torch.where(field.abs() < 1e-6, one_by_one[:, unit], field.sign())
            assert (memory.energy(one_by_one) <= energy + 1e-5).all()
        assert torch.equal(after, one_by_one)
        states = after


def test_a_step_takes_every_unit_once_and_each_step_another_order():
    memory = Asynchronous(torch.zeros(9, 9), seed=5)
    orders = [memory.order(step) for step in range(3)]
    assert all(sorted(order) == list(range(9)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert orders == [Asynchronous(torch.zeros(9, 9), seed=5).order(step) for step in range(3)]
    assert orders != [Asynchronous(torch.zeros(9, 9), seed=6).order(step) for step in range(3)]


def test_a_unit_without_a_field_stays():
    states = torch.tensor([[1.0, -1.0, 0.0]])
    for memory in (Asynchronous(torch.zeros(3, 3)), Synchronous(torch.zeros(3, 3))):
        assert torch.equal(memory.update(states, 0), states)


def test_all_units_at_once_may_go_round_for_ever():
    weights = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    query = torch.tensor([[1.0, -1.0]])
    found = hopfield.recall(Synchronous(weights), query, 6)
    assert found.states[:, 0].tolist() == [[1, -1], [-1, 1]] * 3 + [[1, -1]]
    assert not found.settled.any()
    assert hopfield.recall(Asynchronous(weights), query, 6).settled.all()


def test_a_flipped_and_erased_pattern_is_found_again(rule):
    stored = patterns(5, 120)
    for memory in (Asynchronous(rule(stored)), Synchronous(rule(stored))):
        found = hopfield.recall(memory, cues(stored, 0.15, 0.2))
        assert torch.equal(found.final, stored)
        assert found.settled.all()


def test_queries_side_by_side_are_one_by_one():
    stored = patterns(9, 80)
    queries = cues(stored, 0.3)
    for memory in (Asynchronous(hopfield.hebb(stored)), Modern(stored, 0.1)):
        together = hopfield.recall(memory, queries)
        for row, query in enumerate(queries):
            alone = hopfield.recall(memory, query[None])
            last = len(alone.states)
            torch.testing.assert_close(together.states[:last, row], alone.states[:, 0])
            torch.testing.assert_close(together.final[row], alone.final[0])
            assert together.steps[row] == alone.steps[0]


def test_steps_are_counted_until_a_query_has_settled():
    stored = patterns(3, 80)
    queries = torch.cat([stored[:1], cues(stored[1:2], 0.3)])
    found = hopfield.recall(Asynchronous(hopfield.hebb(stored)), queries)
    assert found.steps[0] == 0
    assert found.steps[1] >= 1
    assert len(found.states) == int(found.steps.max()) + 2  # the queries, and a step that changed nothing
    assert torch.equal(found.states[0], queries)
    assert not hopfield.recall(Asynchronous(hopfield.hebb(stored)), queries, 1).settled[1]
    with pytest.raises(ConfigError, match="steps: expected at least 1, got 0"):
        hopfield.recall(Asynchronous(hopfield.hebb(stored)), queries, 0)


# The modern memory


def test_no_step_raises_the_modern_energy():
    generator = torch.Generator().manual_seed(2)
    stored = torch.randn(40, 16, generator=generator, dtype=torch.float64)
    stored = stored * torch.linspace(0.2, 2, 40, dtype=torch.float64)[:, None]  # of other lengths each
    queries = 3 * torch.randn(50, 16, generator=generator, dtype=torch.float64)
    for beta in (0.05, 0.5, 5.0):
        found = hopfield.recall(Modern(stored, beta), queries, 50)
        assert (found.energies.diff(dim=0) <= 1e-9).all()
        assert (found.energies[0] - found.energies[-1] > 0).all()


def test_for_patterns_of_one_length_it_is_ramsauers():
    stored, beta = patterns(30, 12), 0.3
    states = torch.randn(8, 12, generator=torch.Generator().manual_seed(3))
    memory = Modern(stored, beta)
    theirs = torch.softmax(beta * states @ stored.t(), 1) @ stored
    torch.testing.assert_close(memory.update(states, 0), theirs)
    longest = stored.norm(dim=1).max()
    energy = (
        -torch.logsumexp(beta * states @ stored.t(), 1) / beta
        + states.square().sum(1) / 2
        + math.log(len(stored)) / beta
        + longest**2 / 2
    )
    constant = memory.energy(states) - energy
    torch.testing.assert_close(constant, constant[:1].expand(8), atol=1e-4, rtol=1e-5)


def test_the_energy_is_that_of_a_mixture_of_gaussians():
    stored, states = torch.randn(5, 3), torch.randn(4, 3)
    distances = torch.cdist(states, stored).square()
    expected = -torch.logsumexp(-0.7 * distances / 2, 1) / 0.7
    torch.testing.assert_close(Modern(stored, 0.7).energy(states), expected, atol=1e-5, rtol=1e-4)


def test_a_longer_pattern_is_not_nearest_to_everything():
    stored = torch.tensor([[1.0, 0.0], [10.0, 1.0]])
    found = hopfield.recall(Modern(stored, 20.0), torch.tensor([[1.1, 0.1]]))
    torch.testing.assert_close(found.final, stored[:1])


def test_the_modern_memory_recalls_more_than_ten_times_its_units():
    stored = patterns(64 * 20, 64)
    share = hopfield.basin(Modern(stored), stored, [0.1])
    assert float(share) > 0.99


def test_beta_must_be_above_nothing():
    with pytest.raises(ConfigError, match="beta: expected a number above 0, got 0"):
        Modern(patterns(2, 3), 0.0)


# What is measured


def test_damage_is_exact_and_drawn_anew_for_each_pattern():
    stored = patterns(50, 40)
    found = cues(stored, 0.25, 0.1)
    assert ((found == -stored).sum(1) == 10).all()
    assert ((found == 0).sum(1) == 4).all()
    assert len({tuple(row) for row in (found != stored).tolist()}) == 50
    assert torch.equal(found, cues(stored, 0.25, 0.1))
    assert not torch.equal(found, cues(stored, 0.25, 0.1, seed=2))
    assert torch.equal(cues(stored, 0.0), stored)
    assert torch.equal(cues(stored, 1.0), -stored)
    assert torch.equal(cues(stored, 0.5, 0.5).abs().sum(1), torch.full((50,), 20.0))


@pytest.mark.parametrize(("flipped", "erased"), [(-0.1, 0), (0.6, 0.5), (0, 1.2)])
def test_damage_of_more_than_all_is_an_error(flipped, erased):
    with pytest.raises(ConfigError, match="flipped, erased: expected shares"):
        cues(patterns(1, 4), flipped, erased)


def test_the_basin_shrinks_with_damage():
    stored = patterns(5, 100)
    shares = hopfield.basin(Asynchronous(hopfield.hebb(stored)), stored, [0.0, 0.2, 0.5], draws=10)
    assert shares[0] == 1
    assert shares[1] > 0.9
    assert shares[2] < 0.2


def test_theory_solves_the_equations_of_amit_gutfreund_and_sompolinsky():
    loads, overlaps = hopfield.hebb_theory()
    assert float(loads[-1]) == pytest.approx(0.1379, abs=1e-4)
    assert float(overlaps[-1]) == pytest.approx(0.967, abs=1e-3)
    assert (loads.diff() > 0).all()
    assert (overlaps.diff() <= 0).all()
    # m = erf(m / sqrt(2 a r)), C = sqrt(2 / (pi a r)) exp(-m^2 / (2 a r)), r = (1 - C)^-2, solved for r.
    low, high = torch.ones_like(loads), torch.full_like(loads, 50)
    for _ in range(100):
        r = (low + high) / 2
        too_low = torch.erf(overlaps / (2 * loads * r).sqrt()) > overlaps
        low, high = torch.where(too_low, r, low), torch.where(too_low, high, r)
    c = (2 / (math.pi * loads * r)).sqrt() * torch.exp(-(overlaps**2) / (2 * loads * r))
    some = loads > 0.06  # at lower loads m is 1 but for the last digits, of which r is made
    torch.testing.assert_close(r[some], ((1 - c) ** -2)[some], rtol=1e-3, atol=1e-3)


def test_capacity_of_a_small_memory():
    found = hopfield.capacity(lambda x: Asynchronous(hopfield.hebb(x)), 100, [0.05, 0.1, 0.4], draws=4)
    again = hopfield.capacity(lambda x: Asynchronous(hopfield.hebb(x)), 100, [0.05, 0.1, 0.4], draws=4)
    assert torch.equal(found.overlaps, again.overlaps)
    assert found.overlaps.shape == found.retrieved.shape == (3, 4)
    means = found.overlaps.mean(1)
    assert means[0] > 0.99
    assert means[2] < 0.6
    assert found.retrieved.mean(1)[2] < 0.2
    assert 0.1 < found.critical(0.967) < 0.25


def test_the_critical_load_lies_on_the_line_between_two():
    overlaps = torch.tensor([[1.0, 1.0], [0.9, 1.0], [0.7, 0.8]], dtype=torch.float64)
    found = Capacity(10, torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64), overlaps, overlaps)
    assert found.critical(0.85) == pytest.approx(0.25)
    for least in (0.5, 1.1):
        with pytest.raises(DataError, match="loads: expected one that falls through"):
            found.critical(least)
