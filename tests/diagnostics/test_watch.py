"""What is seen while a network trains: numbers held to those of `diagnose`, and the warnings of runs."""

from __future__ import annotations

import itertools
import math
import random

import pytest
import torch
from torch import Tensor, nn

import elman
from elman import diagnostics
from elman.core.errors import DivergedError
from elman.core.records import Seq
from elman.diagnostics import LayerMonitor, first_non_finite
from elman.diagnostics.layer_stats import LayerStats
from elman.nn import kernels
from elman.nn.cells.base import Cell
from elman.nn.recurrent import Recurrent
from elman.runs.folder import METRICS
from elman.training import metrics_log
from elman.training.advice import Epoch, advise

T, B, F, H = 12, 3, 4, 5


class Linear(Cell):
    """h' = W x + U h."""

    gates = states = 1
    name = "linear"

    def pointwise(self, wx: Tensor, uh: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (wx + uh,)


def network(cell="lstm", **options) -> Recurrent:
    torch.manual_seed(1)
    return Recurrent(cell, F, H, **options)


def data(steps: int = T) -> Tensor:
    torch.manual_seed(2)
    return torch.randn(steps, B, F)


def looked(layers: nn.Module, seq: Seq) -> LayerStats:
    watch = LayerMonitor()
    with kernels.through(watch):
        layers(seq)
    look = watch.stats()
    assert look
    return look


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "gru_reset_before"])
@pytest.mark.parametrize("options", [{}, {"layers": 2, "bidirectional": True}, {"layer_norm": True}])
def test_the_layers_give_and_learn_the_same_under_a_watch(cell, options):
    layers, seq = network(cell, **options), Seq(data(), torch.tensor([T, 9, 4]))
    found = []
    for watching in (False, True):
        layers.zero_grad()
        if watching:
            with kernels.through(LayerMonitor()):
                hidden, _ = layers(seq)
        else:
            hidden, _ = layers(seq)
        hidden.data.square().sum().backward()
        found.append([hidden.data.detach(), *(p.grad for p in layers.parameters() if p.grad is not None)])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("lengths", [None, [T, 9, 4]])
def test_saturated_gates_are_those_of_all_steps(cell, lengths):
    layers = network(cell, layers=2, bidirectional=True, init_gain=6.0)
    seq = Seq(3 * data(), None if lengths is None else torch.tensor(lengths))
    tracks = diagnostics.trace(layers, lambda copied: copied(seq) and None)
    use = diagnostics.gate_use(tracks)
    expected = [gate.saturated for one in use.each for gate in one.gates]
    assert looked(layers, seq).saturated == pytest.approx(sum(expected) / len(expected), abs=1e-6)
    assert 0.05 < sum(expected) / len(expected) < 0.95


def test_plain_cells_have_no_gates():
    assert looked(network("rnn"), Seq(data())).saturated is None


def test_the_norm_is_that_of_the_last_states():
    layers, seq = network("gru"), Seq(data(), torch.tensor([T, 9, 4]))
    _, state = layers(seq)
    assert looked(layers, seq).state_norm == pytest.approx(state[0][0].norm(dim=-1).mean().item())


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("radius", [0.5, 0.95, 1.0, 1.2])
def test_a_disturbance_of_a_linear_network_grows_by_its_spectral_radius(radius, reverse):
    layers = network(Linear(), bidirectional=reverse)
    with torch.no_grad():
        for name, weight in layers.named_parameters():
            if "weight_hh" in name:
                weight.copy_(torch.diag(torch.tensor([radius, 0.4 * radius, 0.3, 0.2, 0.1])))
    look = looked(layers, Seq(data(60)))
    assert look.growth == pytest.approx(math.log(radius), abs=2e-3)
    assert look.horizon == (
        pytest.approx(math.log(0.5) / math.log(radius), rel=0.05) if radius < 1 else math.inf
    )


def test_growth_is_near_the_lyapunov_exponent():
    torch.manual_seed(3)
    layers, seq = Recurrent("rnn", F, 32), Seq(data(200))
    (track,) = diagnostics.trace(layers, lambda copied: copied(seq) and None)
    growth = looked(layers, seq).growth
    assert growth == pytest.approx(float(diagnostics.lyapunov(track).max()), abs=0.08)


def test_short_sequences_have_no_growth():
    look = looked(network(), Seq(data(5)))
    assert look.growth is None
    assert look.horizon is None


def test_where_no_layer_ran_there_is_nothing_to_see():
    assert LayerMonitor().stats() is None


def loss_of(seq: Seq):
    return lambda copied: copied(seq)[0].data.square().sum()[None]


def test_the_first_fault_is_named():
    seq = Seq(data())
    assert first_non_finite(network(), loss_of(seq)) is None

    layers = network()
    with torch.no_grad():
        layers.weight_hh_l0[0, 0] = math.nan
    assert first_non_finite(layers, loss_of(seq)) == "the weight weight_hh_l0"

    spoilt = Seq(seq.data.clone())
    spoilt.data[7, 1, 2] = math.inf
    assert first_non_finite(network(layers=2), loss_of(spoilt)) == f"the input of l0 at step 8 of {T}"

    grows = network("rnn_relu")
    with torch.no_grad():
        grows.weight_hh_l0.copy_(1e9 * torch.eye(H))
    finite = grows(seq)[0].data.isfinite().flatten(1).all(1)
    assert first_non_finite(grows, loss_of(seq)) == f"the state of l0 at step {int(finite.sum()) + 1} of {T}"

    def steep_at_zero(copied):
        hidden = copied(seq)[0].data
        return (hidden - hidden.detach()).sqrt().sum()[None]

    steep = first_non_finite(network(), steep_at_zero)
    assert steep == f"the gradient of the state of l0 at step {T} of {T}"
    flat = first_non_finite(network(), lambda copied: (copied(seq)[0].data.sum() * math.inf)[None])
    assert flat == "the loss, of finite states"


def epochs(*looks: LayerStats) -> list[Epoch]:
    return [Epoch(1.0, {}, 1.0, 2.0, 7, 0.1, look) for look in looks]


GOOD = LayerStats(0.5, 5.0, -0.01, 100)


def said(*looks: LayerStats, last: bool = False) -> list[str]:
    return [text.split(":")[0] for text in advise(epochs(*looks), last=last)]


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (LayerStats(None, 5.0, -0.5, 100), "vanishing gradient"),
        (LayerStats(0.97, 5.0, -0.01, 100), "saturated gates"),
        (LayerStats(None, 500.0, -0.01, 100), "the state runs away"),
    ],
)
def test_what_looks_say_is_told_once_when_it_lasts(bad, fault):
    told = [fault]
    assert said(GOOD, last=True) == said(GOOD, GOOD, last=True) == said(GOOD, bad) == said(bad) == []
    assert said(GOOD, bad, bad) == told
    assert said(GOOD, bad, bad, bad) == said(GOOD, bad, bad, GOOD) == []
    if fault != "the state runs away":
        assert said(bad, last=True) == said(bad, bad) == told


def test_short_sequences_may_be_forgotten_soon():
    quick = LayerStats(None, 5.0, -0.5, 20)
    assert said(quick, quick, last=True) == []


def test_gates_may_choose_to_keep_little():
    assert said(*[LayerStats(0.5, 5.0, -0.5, 100)] * 2, last=True) == []


STORY = " ".join(random.Random(1).choices(["one", "two", "three", "four"], k=6000))
RUN = {"hidden": 32, "embedding": 8, "epochs": 3, "batch_size": 8, "lr": 0.004, "task": "language"}


def advice_of(folder) -> str:
    lines = (folder / "train.log").read_text().splitlines()
    return " ".join(line.split("advice: ")[1] for line in lines if "advice: " in line)


@pytest.fixture
def story(tmp_path):
    path = tmp_path / "story.txt"
    path.write_text(STORY)
    return path


def test_an_exploding_run_is_named(tmp_path, story):
    options = RUN | {"cell": "rnn", "init_gain": 4.0, "clip": 0.0, "bptt": 50, "schedule": "constant"}
    elman.train(story, out=tmp_path / "run", quiet=True, **options)
    assert "exploding gradient" in advice_of(tmp_path / "run")


def test_a_vanishing_run_is_named(tmp_path, story):
    elman.train(story, out=tmp_path / "run", quiet=True, **RUN, cell="rnn", bptt=200)
    assert "vanishing gradient: what the state holds halves in" in advice_of(tmp_path / "run")


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_healthy_run_raises_no_warning(tmp_path, story, cell):
    elman.train(story, out=tmp_path / "run", quiet=True, **RUN, cell=cell, bptt=64)
    assert not any(word in advice_of(tmp_path / "run") for word in ("gradient", "gates", "state"))


def test_numbers_of_a_look_are_in_the_metrics(tmp_path, story):
    elman.train(story, out=tmp_path / "run", quiet=True, **RUN, cell="lstm", bptt=16)
    rows = metrics_log.read(tmp_path / "run" / METRICS)
    looks = [row for row in rows if row["state_norm"]]
    assert 0 < float(looks[0]["saturated"]) < 1
    assert float(looks[0]["horizon"]) > 0
    steps = [int(row["step"]) for row in looks]
    assert int(rows[-1]["step"]) == steps[-1]
    assert all(later - step >= 100 for step, later in itertools.pairwise(steps[:-1]))


def test_what_is_not_finite_is_told_with_layer_and_step(tmp_path, story):
    options = RUN | {"lr": 1e30, "clip": 0.0, "cell": "rnn_relu", "warmup": 0.0}
    with pytest.raises(DivergedError, match=r"got a gradient norm of (nan|inf): the \w+ .*; lower --lr"):
        elman.train(story, out=tmp_path / "run", quiet=True, **options)


def test_numbers_are_kept_for_tensorboard(tmp_path, story):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    elman.train(story, out=tmp_path / "run", quiet=True, **RUN, cell="lstm", bptt=64)
    events = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    rows = metrics_log.read(tmp_path / "run" / METRICS)
    for column in ("grad_norm", "horizon", "valid_loss"):
        kept = [(event.step, event.value) for event in events.Scalars(column)]
        expected = [(int(row["step"]), float(row[column])) for row in rows if row[column]]
        assert kept == [(step, pytest.approx(value, rel=1e-5)) for step, value in expected]


def test_tensorboard_is_left_out_when_asked(tmp_path, story):
    elman.train(story, out=tmp_path / "run", quiet=True, **RUN | {"epochs": 1}, tensorboard=False)
    assert not (tmp_path / "run/tensorboard").exists()
