"""The tests of memory: their answers, what guessing is worth, equal sizes, and who solves them."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from elman import cells, diagnostics
from elman.core.errors import ConfigError
from elman.diagnostics.memory_tests import groups, problems, trial
from elman.diagnostics.memory_tests.problems import PROBLEMS
from elman.diagnostics.memory_tests.settings import TrialSettings
from elman.diagnostics.memory_tests.trial import Trial

T, B = 40, 60
pytestmark = pytest.mark.usefixtures("plain")


def drawn(name: str, length: int = T, batch: int = B, seed: int = 1):
    return PROBLEMS[name].draw(length, batch, torch.Generator().manual_seed(seed))


def symbols(name: str):
    """Symbols [T, B] as lists of columns, and answers [S, B] likewise."""
    inputs, answers = drawn(name)
    assert ((inputs == 0) | (inputs == 1)).all()
    assert (inputs.sum(-1) == 1).all()
    return inputs.argmax(-1).T.tolist(), answers.T.tolist()


def test_adding_asks_for_the_sum_of_two_marked_numbers():
    inputs, answers = drawn("adding")
    assert inputs.shape == (T, B, 2)
    assert answers.shape == (1, B, 1)
    for sequence, answer in zip(inputs.transpose(0, 1).tolist(), answers[0, :, 0].tolist(), strict=True):
        places = [t for t, (_, mark) in enumerate(sequence) if mark == 1]
        assert len(places) == 2
        assert places[0] < T // 2 <= places[1]
        assert {mark for _, mark in sequence} == {0.0, 1.0}
        assert answer == pytest.approx(sum(sequence[t][0] for t in places))
    assert 0 <= inputs.min() < 0.01 < 0.99 < inputs[..., 0].max() < 1


def test_copy_asks_for_ten_symbols_after_a_span_of_blanks():
    for told, answer in zip(*symbols("copy"), strict=True):
        assert told == [*answer, *[8] * (T - 1), 9, *[8] * 10]
        assert all(0 <= symbol < 8 for symbol in answer)


def test_order_asks_which_came_first():
    for told, (answer,) in zip(*symbols("order"), strict=True):
        marks = [(t, symbol - 4) for t, symbol in enumerate(told) if symbol >= 4]
        (first, a), (second, b) = marks
        assert T // 10 <= first < T // 5
        assert T // 2 <= second < 3 * T // 5
        assert answer == 2 * a + b


def test_parity_asks_for_the_sum_so_far():
    inputs, answers = drawn("parity")
    assert inputs.shape == (T, B, 1)
    for sequence, answer in zip(inputs[..., 0].T.tolist(), answers.T.tolist(), strict=True):
        assert set(sequence) == {-1.0, 1.0}
        odd = False
        for bit, said in zip(sequence, answer, strict=True):
            odd ^= bit == 1
            assert said == odd


def test_sums_modulo_five():
    told, answers = symbols("modulo5")
    for digits, sums in zip(told, answers, strict=True):
        assert sums == [sum(digits[: step + 1]) % 5 for step in range(T)]


@pytest.mark.parametrize(("name", "elements"), [("s5", 120), ("a5", 60)])
def test_words_of_a_group_are_permutations_one_after_another(name, elements):
    products = groups.table(name)
    assert products.shape == (elements, elements)
    a, b, c = torch.randint(elements, (3, 500))
    assert torch.equal(products[products[a, b], c], products[a, products[b, c]])  # associative
    assert (products.sort(0).values == torch.arange(elements)[:, None]).all()  # each is undone
    assert not torch.equal(products, products.T)  # the order counts
    told, answers = symbols(name)
    for letters, so_far in zip(told, answers, strict=True):
        assert so_far[0] == letters[0]
        assert so_far[1:] == [int(products[x, y]) for x, y in zip(so_far, letters[1:], strict=False)]


@pytest.mark.parametrize("length", [T, T + 1])
def test_recall_asks_for_the_first_half(length):
    inputs, answers = drawn("recall", length)
    told = inputs.argmax(-1)
    assert torch.equal(told[: T // 2], answers)
    assert (told[T // 2 :] == 8).all()
    assert len(told) == T


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_trivial_loss_is_that_of_the_best_constant_answer(name):
    problem = PROBLEMS[name]
    _, answers = drawn(name, batch=20_000 if problem.outputs < 10 else 3_000)
    if problem.outputs == 1:
        said = answers.mean(1, keepdim=True).expand_as(answers)
    else:  # the share of each class, step by step
        said = F.one_hot(answers, problem.outputs).double().mean(1, keepdim=True).log()
        said = said.expand(-1, answers.shape[1], -1)
    assert float(problem.loss(said, answers)) == pytest.approx(problem.trivial, rel=0.02)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_same_seed_draws_the_same_and_another_does_not(name):
    first, same, other = drawn(name), drawn(name), drawn(name, seed=2)
    assert torch.equal(first.inputs, same.inputs)
    assert torch.equal(first.answers, same.answers)
    assert not torch.equal(first.inputs, other.inputs)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("parameters", [500, 20_000])
def test_networks_of_all_cells_are_of_the_same_size(name, parameters):
    problem = PROBLEMS[name]
    for cell in cells.names():
        hidden = trial.hidden_for(cell, problem, parameters)
        counts = [
            sum(p.numel() for p in trial.TrialNetwork(problem, cell, size).parameters())
            for size in (max(1, hidden - 1), hidden, hidden + 1)
        ]
        assert abs(counts[1] - parameters) == min(abs(count - parameters) for count in counts)
        near = max(0.15 * 500 if parameters == 500 else 0.02 * parameters, (counts[2] - counts[1]) / 2)
        assert abs(counts[1] - parameters) <= near or hidden == 1


def test_scores_are_given_at_the_last_steps():
    problem = PROBLEMS["copy"]
    network = trial.TrialNetwork(problem, "gru", 6)
    said = network(drawn("copy"))
    assert said.shape == (10, B, 8)
    cut = drawn("copy")
    changed = cut.inputs.clone()
    changed[-1] = 0
    other = network(cut._replace(inputs=changed))
    torch.testing.assert_close(other[:-1], said[:-1])
    assert (other[-1] != said[-1]).any()


def test_gates_start_for_the_length_of_the_sequence():
    biases = {}
    for chrono in (True, False):
        effort = TrialSettings(parameters=500, steps=1, lr=1e-9, chrono=chrono)
        _, network = trial.run_trial(PROBLEMS["copy"], "lstm", 100, effort)
        biases[chrono] = network.recurrent.bias_ih_l0.chunk(4)[1]
    assert math.log(60) < biases[True].max() < math.log(119)  # of 100 blanks and 20 symbols
    torch.testing.assert_close(biases[False], torch.ones_like(biases[False]))


def test_an_attempt_is_the_same_each_time():
    effort, heard = TrialSettings(parameters=300, steps=6, batch=4, every=4), []
    torch.manual_seed(5)
    drawn_before = torch.get_rng_state()
    one, network = trial.run_trial(
        PROBLEMS["order"], "lstm", 12, effort, tell=lambda step, loss: heard.append((step, loss))
    )
    assert torch.equal(torch.get_rng_state(), drawn_before)
    assert [step for step, _ in heard] == [4, 6]
    assert heard[-1][1] == one.loss
    assert (one.problem, one.cell, one.length, one.steps) == ("order", "lstm", 12, 6)
    assert (one.trivial, one.solved) == (math.log(4), False)
    assert one.parameters == sum(p.numel() for p in network.parameters())
    torch.manual_seed(6)
    assert trial.run_trial(PROBLEMS["order"], "lstm", 12, effort)[0].loss == one.loss
    assert trial.run_trial(PROBLEMS["order"], "lstm", 12, effort, seed=2)[0].loss != one.loss


def test_gated_cells_remember_what_a_plain_one_does_not_and_the_gradient_says_why():
    problem, effort = PROBLEMS["order"], TrialSettings(parameters=1_500, steps=400, lr=0.02, every=50)
    found, back = {}, {}
    sequences = drawn("order", 60)
    for cell in ("rnn", "lstm", "gru"):
        found[cell], network = trial.run_trial(problem, cell, 60, effort)
        flow = diagnostics.gradient_flow(network, lambda copy: copy(sequences)[0, :, 0]).flows[0]
        back[cell] = float(flow.median[50] / flow.median[0])
    assert [cell for cell, each in found.items() if each.solved] == ["lstm", "gru"]
    assert max(found["lstm"].steps, found["gru"].steps) < 400 == found["rnn"].steps
    assert found["rnn"].loss > 0.5 * problem.trivial > 20 * found["gru"].loss
    assert back["rnn"] < 1e-3 < 0.02 < min(back["lstm"], back["gru"])


@pytest.mark.parametrize(("name", "good", "bad"), [("adding", 0.00099, 0.00101), ("copy", 0.041, 0.042)])
def test_what_counts_as_solved(name, good, bad):
    for loss, solved in ((good, True), (bad, False), (math.nan, False), (math.inf, False)):
        assert Trial(name, "gru", 50, 1, TrialSettings(), 3, 100, loss, 7, 0.1).solved is solved


def test_an_attempt_ends_where_the_loss_is_not_finite():
    found, _ = trial.run_trial(PROBLEMS["adding"], "rnn_relu", 400, TrialSettings(lr=1e6, steps=40, every=5))
    assert not math.isfinite(found.loss)
    assert not found.solved
    assert found.steps < 40


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: problems.get("ading"), "probe: unknown problem 'ading'; did you mean 'adding'?"),
        (lambda: TrialSettings(steps=0), "probe.steps: expected a value at least 1, got 0"),
        (lambda: TrialSettings(lr=0), "probe.lr: expected a value above 0, got 0.0"),
        (
            lambda: trial.run_trial(PROBLEMS["copy"], "gru", 9, TrialSettings()),
            "lengths: expected at least 10, got 9",
        ),
        (
            lambda: trial.run_trial(PROBLEMS["copy"], "grou", 10, TrialSettings()),
            "cell: unknown name 'grou'; did you mean 'gru'? for a cell of your own: --import FILE.py",
        ),
    ],
)
def test_what_cannot_be_asked(ask, message):
    with pytest.raises(ConfigError) as caught:
        ask()
    assert str(caught.value) == message
